"""What a file says of a refinement, its table ``[refine]``, and what the command line says in its place
(``specs/refinement.md``).
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.errors import InputError
from nanobragg.inputs.toml import PLACES, REFINE, SECTIONS, parsed, run_of, unknown, value_of
from nanobragg.io.support.atomic import read_bytes
from nanobragg.records.fields import own_places, row
from nanobragg.records.kinds import INPUT_FILE, NAME, POSITIVE, choice, one_or_several, shown
from nanobragg.records.record import Record
from nanobragg.refinement.reflections import FRIEDEL
from nanobragg.refinement.settings import OF_SHOTS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nanobragg.records.fields import Place
    from nanobragg.records.run import Run
    from nanobragg.refinement.factors_result import RefinedFactors
    from nanobragg.refinement.result import Refinement
    from nanobragg.refinement.shots_result import RefinedShots

    Progress = Callable[[int, float], object]

FREE = ("crystal.misset", "crystal.cell", "crystal.cells", "scale")
_FREE_BESIDE_FACTORS = ("crystal.misset", "scale")
_NAMES = one_or_several("a name, or several", NAME, "NAME")
SHOTS = "shots"
"""The key of shots' tables."""
OF_EACH_SHOT = ("image", *OF_SHOTS)
"""What they say besides sections of an experiment."""


class Said(Record):
    """What is refined, and against which images."""

    image: Any = row(
        one_or_several("the name of a file, or of one for each shot", INPUT_FILE, "FILE"),
        "the measured image, or one for each shot, of any format that is read",
    )
    free: Any = row(_NAMES, "names of what is refined, of many shots for each one", unset=" ".join(FREE))
    common: Any = row(_NAMES, "names of what is refined and the same in all shots")
    factors: str | None = row(
        choice(*FRIEDEL), "structure factors are refined, too, Friedel mates together or apart", unset="not"
    )
    group: str = row(NAME, "space group by which reflections are one", default="P 1")
    factors_prior: float | None = row(
        POSITIVE, "what is known of structure factors: a part of each, its standard deviation", unset="nothing"
    )


FIELDS = {place.key: place for place in (*own_places(Said), *own_places(Settings))}
"""What the command line may say, and ``[refine]`` where it is no field of every run (threads)."""


class Hands(NamedTuple):
    """Who works on many shots besides this process."""

    workers: int | None = None
    """processes of this machine"""
    scheduler: str | None = None
    """an address, of Dask's"""


class Request(NamedTuple):
    """A refinement that is asked for."""

    path: str
    run: Run
    """what all shots have in common, at the start"""
    runs: tuple[Run, ...]
    """what each shot has at the start"""
    images: tuple[str, ...]
    free: tuple[str, ...]
    common: tuple[str, ...]
    said: Said
    values: dict[str, Any]
    """what is said, by the fields' keys"""
    notes: tuple[str, ...]
    has_table: bool
    """whether the file says something of it"""

    @property
    def how(self) -> dict[str, Any]:
        """Settings."""
        said = {key: value for key, value in self.values.items() if key not in Said.__dataclass_fields__}
        return {"threads": self.run.threads, **said}

    @property
    def one(self) -> bool:
        """Whether it is one image, with nothing else."""
        return len(self.images) == 1 and not self.common and self.said.factors is None

    def refined(
        self, progress: Progress | None, hands: Hands | None = None
    ) -> Refinement | RefinedShots | RefinedFactors:
        """Carry it out; errors as for :func:`nanobragg.refine`."""
        experiments = [run.experiment for run in self.runs]
        how = self.how
        if self.said.factors is not None:
            from nanobragg.refinement.factors import refine_factors

            known: dict[str, Any] = {
                "group": self.said.group,
                "friedel": self.said.factors,
                "prior": self.said.factors_prior,
            }
            return refine_factors(experiments, self.images, self.free, progress=progress, **known, **how)
        if self.one:
            from nanobragg.refinement.refine import refine

            return refine(experiments[0], self.images[0], self.free, progress=progress, **how)
        from nanobragg.refinement.shots import refine_shots

        workers, scheduler = hands or Hands()
        who: dict[str, Any] = {"workers": workers, "scheduler": scheduler, "progress": progress}
        return refine_shots(experiments, self.images, self.free, self.common, **who, **how)


def read_request(path: str, words: Mapping[str, Any]) -> Request:
    """The refinement that a file asks for, with ``words`` in place of what it says in ``[refine]``.

    Raises:
        InputError: for a file that cannot be read, and for what is no experiment or no refinement in it; one sentence
            that names the file, the key, what was found and what was expected.

    """
    return _Reading(path, parsed(path, read_bytes(path)), words).request()


class _Reading:
    """One file on its way to a request."""

    def __init__(self, path: str, document: dict[str, Any], words: Mapping[str, Any]) -> None:
        self.path = path
        self.table = self._table(REFINE, document.get(REFINE, {}))
        self.plain = {key: value for key, value in document.items() if key != REFINE}
        own = {key: place for key, place in FIELDS.items() if key not in PLACES}
        self.values = self._values(REFINE, self.table, {**own, SHOTS: None})
        self.shots = self._listed()
        self._take_from_shots()
        for key, value in words.items():
            by_name = key in ("priors", "bounds")
            self.values[key] = {**self.values.get(key, {}), **value} if by_name else value
        self.notes: list[str] = []

    def request(self) -> Request:
        said = Said(**{key: self.values[key] for key in Said.__dataclass_fields__ if key in self.values})
        run = run_of(self.plain, self.path)
        common, images = _several(said.common), _several(said.image)
        if not images:
            raise InputError("refine: found no image, expected -image SHOT, or [refine] with one")
        for key in ("group", "factors_prior"):
            if said.factors is None and key in self.values:
                raise InputError(f"{key}: found {self.values[key]} without factors, expected factors, too")
        if said.factors is not None and common:
            raise InputError(f"common: found {common[0]} with factors, expected one of them")
        free = _FREE_BESIDE_FACTORS if said.factors is not None else FREE
        return Request(
            path=self.path,
            run=run,
            runs=self._runs(run, images),
            images=images,
            free=tuple(name for name in free if name not in common) if said.free is None else _several(said.free),
            common=common,
            said=said,
            values=self.values,
            notes=tuple(self.notes),
            has_table=bool(self.table),
        )

    def _table(self, where: str, found: object) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise InputError(f"{self.path}: {where}: found {shown(found)}, expected a table")
        return found

    def _values(self, where: str, table: dict[str, Any], known: Mapping[str, Place | None]) -> dict[str, Any]:
        """What the table says of known fields; those without a place are somebody else's."""
        found = {}
        for key, value in table.items():
            if key not in known:
                raise unknown(f"{self.path}: {where}.{key}", key, list(known))
            place = known[key]
            if place is not None:
                found[key] = value_of(self.path, place, value, f"{where}.{key}")
        return found

    # ---- shots --------------------------------------------------------------------------------------------

    def _listed(self) -> list[dict[str, Any]]:
        """The tables of shots."""
        shots = self.table.get(SHOTS, [])
        if not isinstance(shots, list):
            raise InputError(f"{self.path}: {REFINE}.{SHOTS}: found {shown(shots)}, expected tables, one for each shot")
        return [self._table(f"{REFINE}.{SHOTS}: number {number}", shot) for number, shot in enumerate(shots)]

    def _take_from_shots(self) -> None:
        """Images, and the settings that each shot may have for itself."""
        known: dict[str, Place | None] = {key: FIELDS[key] for key in OF_EACH_SHOT}
        known |= dict.fromkeys((*SECTIONS, *(key for key in PLACES if "." not in key)))
        every = [
            self._values(f"{REFINE}.{SHOTS}: number {number}", shot, known) for number, shot in enumerate(self.shots)
        ]
        for key in OF_EACH_SHOT:
            found = [each.get(key) for each in every]
            if not any(one is not None for one in found):
                continue
            odd = next((i for i, one in enumerate(found) if one is None or isinstance(one, tuple)), None)
            if odd is not None:
                wrong = "none" if found[odd] is None else "several"
                raise InputError(f"{self.path}: {REFINE}.{SHOTS}: number {odd}: {key}: found {wrong}, expected one")
            if key in self.values:
                raise InputError(f"{self.path}: {REFINE}.{key}: found it there and for each shot, expected one of them")
            self.values[key] = tuple(found)

    def _runs(self, run: Run, images: tuple[str, ...]) -> tuple[Run, ...]:
        if self.shots and len(self.shots) != len(images):
            raise InputError(
                f"{self.path}: {REFINE}.{SHOTS}: found {len(self.shots)} of them, expected one for each of "
                f"{len(images)} images"
            )
        if self.shots:
            return tuple(self._run(number, shot) for number, shot in enumerate(self.shots))
        return (run,) * len(images) if len(images) == 1 else self._numbered(run, len(images))

    def _run(self, number: int, shot: dict[str, Any]) -> Run:
        """The file with what a shot says in place of what it says."""
        document = dict(self.plain)
        for key, value in shot.items():
            if key in SECTIONS:
                where = f"{REFINE}.{SHOTS}: number {number}.{key}"
                document[key] = {**self._table(key, document.get(key, {})), **self._table(where, value)}
            elif key not in OF_EACH_SHOT:
                document[key] = value
        try:
            return run_of(document, self.path)
        except InputError as error:
            raise InputError(f"shot {number}: {error}") from error

    def _numbered(self, run: Run, shots: int) -> tuple[Run, ...]:
        """Where a list of DIALS has as many experiments as there are shots, each has its own."""
        detector = run.experiment.detector
        header = detector.header
        if isinstance(header, (str, os.PathLike)) and detector.experiment is None and _experiments(header) == shots:
            self.notes.append(f"each shot is the experiment of its number in {os.fspath(header)}")
            each = (replace(detector, experiment=number) for number in range(shots))
            return tuple(replace(run, experiment=replace(run.experiment, detector=one)) for one in each)
        return (run,) * shots


def _experiments(header: str | os.PathLike[str]) -> int:
    """How many experiments a list of DIALS has; of other files 0."""
    from nanobragg.io.geometry.dials import count_experiments

    return count_experiments(header) if os.fspath(header).endswith(".expt") else 0


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
