"""Normal equations of many shots with common numbers: an arrow of small blocks, solved in time and memory that grow
with the number of shots (D. C. Brown, *A solution to the general problem of multiple station analytical
stereotriangulation*, 1958: the Schur complement of bundle adjustment).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Arrow(NamedTuple):
    """Half of minus the gradient of a misfit, and half its expected curvature.

    A vector of all numbers holds the c common ones, then the l own ones of each of s shots: n = c + s l.
    """

    gradient: Array
    """(n,)"""
    head: Array
    """(c, c) of the common numbers"""
    borders: Array
    """(s, l, c) of each shot's own and the common ones"""
    blocks: Array
    """(s, l, l) of each shot's own ones"""

    @property
    def common(self) -> int:
        """How many common numbers there are."""
        return len(self.head)

    def parted(self, vector: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(c,) and (s, l) of (n,)."""
        return vector[: self.common], vector[self.common :].reshape(self.blocks.shape[:2])

    @property
    def diagonal(self) -> Array:
        """(n,)"""
        return np.append(np.diag(self.head), np.diagonal(self.blocks, axis1=1, axis2=2).ravel())

    def times(self, vector: Array) -> Array:
        """(n,): the normal matrix times a vector."""
        head, own = self.parted(vector)
        mixed = np.einsum("slc,sl->c", self.borders, own)
        rest = self.borders @ head + (self.blocks @ own[..., None])[..., 0]
        return np.append(self.head @ head + mixed, rest.ravel())

    def scaled(self, size: Array) -> Arrow:
        """For numbers in units of ``size`` (n,); those of size 0 are left as they are, each for itself."""
        head, own = self.parted(size)
        held_head, held_own = (head == 0.0).astype(float), (own == 0.0).astype(float)
        return Arrow(
            self.gradient * size,
            self.head * np.outer(head, head) + np.diag(held_head),
            self.borders * own[:, :, None] * head,
            self.blocks * own[:, :, None] * own[:, None, :] + held_own[:, :, None] * np.eye(own.shape[1]),
        )

    def reduced(self, damping: float = 0.0) -> tuple[Array, Array]:
        """The Schur complement of the common numbers (c, c), and what own numbers follow them by: (s, l, c)."""
        follow = self._own_solved(self.borders, damping)
        head = self.head + damping * np.eye(self.common)
        return head - np.einsum("slc,sld->cd", self.borders, follow), follow

    def _own_solved(self, right: Array, damping: float) -> Array:
        """(s, l, k): own numbers of each shot alone, from (s, l, k)."""
        damped = self.blocks + damping * np.eye(self.blocks.shape[1])
        return np.asarray(np.linalg.solve(damped, right), dtype=np.float64)

    def solved(self, damping: float) -> Array:
        """(n,): (normal + damping) step = gradient."""
        head, own = self.parted(self.gradient)
        alone = self._own_solved(own[..., None], damping)[..., 0]
        if not self.common:
            return alone.reshape(-1)
        complement, follow = self.reduced(damping)
        shared = np.linalg.solve(complement, head - np.einsum("slc,sl->c", self.borders, alone))
        return np.append(shared, (alone - follow @ shared).ravel())

    def step(self, inside: NDArray[np.bool_], damping: float) -> Array:
        """(n,): that of Levenberg and Marquardt, of what is ``inside`` (n,) alone; ``damping`` in units of the
        diagonal.
        """
        diagonal = self.diagonal
        live = inside & (diagonal > 0.0)
        size = np.where(live, 1.0 / np.sqrt(np.where(live, diagonal, 1.0)), 0.0)
        return self.scaled(size).solved(damping) * size
