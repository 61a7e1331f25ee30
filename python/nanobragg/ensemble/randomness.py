"""Random numbers of a shot: those of one name depend on seed, shot and name alone (``specs/ensembles.md``)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Randomness(NamedTuple):
    """What the random numbers of one shot come from."""

    seed: int
    shot: int

    def uniforms(self, name: str, count: int) -> list[float]:
        """Numbers between 0 and 1, both excluded, (k + ½)·2⁻⁵³ with k the upper 53 bits of a word of Philox4x64-10."""
        words = np.random.Philox(key=np.frombuffer(self._digest(name, 16), "<u8")).random_raw(count)
        return [(int(word >> 11) + 0.5) * 2.0**-53 for word in words.tolist()]

    def uniform(self, name: str) -> float:
        """The first of them."""
        return self.uniforms(name, 1)[0]

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number, each from ``least`` to ``most`` as likely as another."""
        return least + min(int(self.uniform(name) * (most - least + 1)), most - least)

    def normals(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Normal deviates of mean 0 and rms 1, the same on every processor (``specs/random.md``)."""
        from nanobragg import _core

        key = int.from_bytes(self._digest(name, 8), "little")
        return _core.normal_deviates(key, shape, 1).astype(np.float64)

    def _digest(self, name: str, size: int) -> bytes:
        """BLAKE2b of the name, with seed and shot for its salt and person."""
        salt = (self.seed % 2**64).to_bytes(16, "little")
        shot = self.shot.to_bytes(16, "little")
        return hashlib.blake2b(name.encode(), digest_size=size, salt=salt, person=shot).digest()
