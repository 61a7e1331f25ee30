"""``nanobragg refine``: experiments refined against measured images, in files (``specs/refinement.md``)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.cluster.client import check_one_of, workers_said
from nanobragg.errors import InputError
from nanobragg.records.kinds import Mismatch
from nanobragg.refinement.request import FIELDS, FREE, Hands

if TYPE_CHECKING:
    from nanobragg.records.fields import Place
    from nanobragg.records.kinds import Kind
    from nanobragg.refinement.factors_result import RefinedFactors
    from nanobragg.refinement.request import Request
    from nanobragg.refinement.result import Refinement
    from nanobragg.refinement.shots_result import RefinedShots


class Word(NamedTuple):
    """An option of the command."""

    help: str
    value: str
    """what follows it"""
    suffixes: tuple[str, ...] | None = None
    """extensions, if it is a file; ``()``: any"""
    choices: tuple[str, ...] = ()
    several: bool = False
    """whether one or more words may follow, up to the next option"""


FILES = {
    "-o": Word("the refined experiment (refined.toml)", "FILE.toml", ("toml",)),
    "-expt": Word("it as DIALS' models, its crystal too", "FILE.expt", ("expt",)),
    "-csv": Word("table of values and standard deviations", "FILE.csv", ("csv",)),
    "-json": Word("all numbers: covariance, weak directions, chi-squared of each shoebox", "FILE.json", ("json",)),
    "-report": Word("page to look at: shoeboxes, convergence, correlations", "FILE.html", ("html",)),
    "-mtz": Word("refined structure factors (with -factors: refined.mtz)", "FILE.mtz", ("mtz",)),
}
_HANDS = {
    "-workers": Word("processes of this machine that share many shots, by Dask; default: none, but threads", "N"),
    "-scheduler": Word("have the workers of a running Dask scheduler do it", "ADDRESS"),
}
_BY_NAME = {
    "-prior": Word("what is known: NAME=SIGMA about the start, or NAME=VALUE,SIGMA; may be repeated", "NAME=..."),
    "-bound": Word("limits: NAME=LOWEST,HIGHEST; may be repeated", "NAME=..."),
}


def _word(place: Place) -> Word:
    """The option of a field."""
    kind = place.row.kind
    suffixes = {"image": (), "mask": (), "spots": ("refl",)}.get(place.key)
    value = "WORD" if kind.words else kind.argument.format(unit=place.row.unit).upper() or "N"
    several = _several(kind)
    return Word(place.row.summary, value + "..." * several, suffixes, kind.words, several)


def _several(kind: Kind) -> bool:
    return (kind.in_toml or kind).most > 1


WORDS = {
    **{f"-{key}": _word(place) for key, place in FIELDS.items() if key not in ("priors", "bounds")},
    **_BY_NAME,
    **_HANDS,
    **FILES,
}
USAGE = (
    """usage: nanobragg refine FILE.toml [-image SHOT...] [-free NAME...] [options]

Refines the experiment of a file against an image of it, pixel by pixel, and says how well the image determines it; or
against many images together, with -common numbers, and structure factors too with -factors. All of it can be said in
the file's table [refine], shots that differ as [[refine.shots]]; the command line is in its place.
Names are those of derivatives: crystal.misset, crystal.cell, crystal.cells, crystal.mosaic_spread, beam.wavelength,
detector.distance, detector.panels[0].shift; scale. Without -free: """
    + " ".join(FREE)
    + ".\n\n"
    + "".join(f"  {f'{name} {word.value}':<24} {word.help}\n" for name, word in WORDS.items())
    + f"  {'-schema':<24} alone: print the JSON schema of such files, for editors\n"
    + "\nOptions may begin with two dashes, too. What is done is described in specs/refinement.md.\n"
)


class _Words(NamedTuple):
    """The words of a command line."""

    file: str
    files: dict[str, str]
    said: dict[str, Any]
    hands: Hands


def refine_command(words: Sequence[str]) -> int:
    """Carry out ``nanobragg refine`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, a wrong file, and files that cannot be read or written.
    """
    if not words or any(word in ("-h", "--help", "-help") for word in words):
        print(USAGE, end="")
        return 0 if words else 9
    if list(words) in (["-schema"], ["--schema"]):
        from nanobragg.refinement.schema import text

        print(text(), end="")
        return 0
    from nanobragg.io.support.extras import need
    from nanobragg.program.requests import check_files
    from nanobragg.refinement.request import read_request

    file, files, said, hands = _parsed(words)
    check_files(files)
    if "-report" in files:
        need("matplotlib", "-report", extra="plot")
    request = read_request(file, said)
    _check_hands(request, hands)
    if request.said.factors is not None:
        files.setdefault("-mtz", "refined.mtz")
    elif "-mtz" in files:
        raise InputError(f"-mtz: found {files['-mtz']!r} without -factors, expected both")
    for note in request.notes:
        print(note)
    found = request.refined(_shown(request), hands)
    print(found)
    _write(request, files, found)
    return 0


def _check_hands(request: Request, hands: Hands) -> None:
    """Raise :class:`InputError` for workers where no shots are shared out."""
    for name, value in hands._asdict().items():
        if value is not None and (request.one or request.said.factors is not None):
            what = "one image" if request.one else "-factors"
            raise InputError(f"-{name}: found {value} with {what}, expected many shots without structure factors")


def _shown(request: Request) -> Callable[[int, float], object] | None:
    """What tells of each step on a terminal."""
    if not (request.run.progress and sys.stderr.isatty()):
        return None
    return lambda step, misfit: print(f"step {step}: misfit {misfit:.5g} a pixel", file=sys.stderr)


def _write(request: Request, files: dict[str, str], found: Refinement | RefinedShots | RefinedFactors) -> None:
    from nanobragg.refinement.outputs import Outputs

    outputs = Outputs(request, found, files.get("-mtz"))
    for option, write in (
        ("-mtz", outputs.write_factors),
        ("-o", outputs.write_experiment),
        ("-expt", outputs.write_crystal),
        ("-csv", outputs.write_table),
        ("-json", outputs.write_json),
        ("-report", outputs.write_page),
    ):
        if option in files:
            write(files[option])
            print(f"wrote {files[option]}")


# ---- words --------------------------------------------------------------------------------------------------


def _parsed(words: Sequence[str]) -> _Words:
    file, files, said = "", {"-o": "refined.toml"}, {}
    hands: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name = word[1:] if word.startswith("--") else word
        if not word.startswith("-"):
            if file:
                raise InputError(f"refine: found {file!r} and {word!r}, expected one file")
            file = word
        elif name not in WORDS:
            raise InputError(f"refine: found the option {word!r}, expected a file, {', '.join(WORDS)}")
        elif not rest:
            raise InputError(f"{name}: found too few words after it, expected {WORDS[name].value}")
        elif name in FILES:
            files[name] = rest.pop(0)
        elif name in _HANDS:
            hands[name[1:]] = workers_said(rest.pop(0)) if name == "-workers" else rest.pop(0)
        elif name in _BY_NAME:
            known, numbers = _by_name(name, rest.pop(0))
            said.setdefault(f"{name[1:]}s", {})[known] = numbers
        else:
            taken = _taken(rest, WORDS[name].several)
            said[name[1:]] = _value(name, FIELDS[name[1:]], taken)
    if not file:
        raise InputError("refine: found no FILE.toml, expected nanobragg refine FILE.toml -image SHOT")
    check_one_of(**hands)
    return _Words(file, files, said, Hands(**hands))


def _taken(rest: list[str], several: bool) -> list[str]:
    """The words of an option, taken from the ``rest``."""
    taken = [rest.pop(0)]
    while several and rest and not rest[0].startswith("-"):
        taken.append(rest.pop(0))
    return taken


def _value(name: str, place: Place, words: list[str]) -> Any:
    """What they say; names may be separated by commas, too."""
    kind, unit = place.row.kind, place.row.unit
    try:
        values = [{"r": float, "i": int, "t": str}[kind.letter](word) for word in words]
    except ValueError:
        raise kind.refusal(Mismatch(repr(" ".join(words))), words, name, unit) from None
    if name in ("-free", "-common"):
        values = [part for word in words for part in word.split(",") if part]
    return kind.checked(values if len(values) > 1 else values[0] if values else "", name, unit)


def _by_name(name: str, text: str) -> tuple[str, Any]:
    known, _, values = text.rpartition("=")
    numbers = [_number(name, part) for part in values.split(",")]
    if not known or len(numbers) > 2 or (name == "-bound" and len(numbers) != 2):
        raise InputError(f"{name}: found {text!r}, expected {WORDS[name].help.partition(';')[0]}")
    return known, numbers[0] if len(numbers) == 1 else tuple(numbers)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name}: found {text!r}, expected a number") from None
