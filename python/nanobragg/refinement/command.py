"""``nanobragg refine``: an experiment refined against a measured image, in files (``specs/refinement.md``)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.errors import InputError
from nanobragg.refinement.settings import CHOICES

if TYPE_CHECKING:
    from nanobragg.records.run import Run
    from nanobragg.refinement.result import Refinement

FREE = ("crystal.misset", "crystal.cell", "crystal.cells", "scale")


class Word(NamedTuple):
    """An option of the command."""

    help: str
    value: str
    """what follows it"""
    suffixes: tuple[str, ...] | None = None
    """extensions, if it is a file; ``()``: any"""
    choices: tuple[str, ...] = ()


FILES = {
    "-o": Word("the refined experiment (refined.toml)", "FILE.toml", ("toml",)),
    "-expt": Word("it as DIALS' models, its crystal too", "FILE.expt", ("expt",)),
    "-csv": Word("table of values and standard deviations", "FILE.csv", ("csv",)),
    "-json": Word("all numbers: covariance, weak directions, chi-squared of each shoebox", "FILE.json", ("json",)),
    "-report": Word("page to look at: shoeboxes, convergence, correlations", "FILE.html", ("html",)),
}
_CHOICES = {
    "-pixels": "what is compared: whole panels, or shoeboxes around predicted reflections (all)",
    "-background": "background of each panel or shoebox (constant)",
    "-likelihood": "of photons (poisson)",
    "-loss": "what large misfits count (none: all)",
}
_NUMBERS = {
    "-shoebox": Word(
        "half width of shoeboxes, pixels (5, or more where spots are larger; around boxes of spots 3)", "N"
    ),
    "-outliers": Word("leave pixels out that are so many median deviations away (none)", "K"),
    "-gain": Word("ADU for each photon (the experiment's, or 1)", "ADU"),
    "-offset": Word("of every pixel (the experiment's, or 0)", "ADU"),
    "-readout": Word("rms of the read-out noise (the experiment's, or 0)", "ADU"),
    "-saturation": Word("raw pixels from there on are left out", "ADU"),
    "-spots_image": Word("whose spots: experiment or frame of the .refl file (it has one)", "N"),
    "-search": Word("degrees within which the orientation is looked for (0)", "DEGREES"),
    "-steps": Word("at most, for each stage (50)", "N"),
    "-threads": Word("0 for all processors (the file's)", "N"),
}
_WHOLE = ("-shoebox", "-spots_image", "-steps", "-threads")
WORDS = {
    "-image": Word("the measured image, of any format that is read; needed", "FILE", ()),
    "-free": Word("names of what is refined, one or more, up to the next option", "NAME"),
    **FILES,
    **{name: Word(help, "WORD", None, CHOICES[name[1:]]) for name, help in _CHOICES.items()},
    "-mask": Word("image whose pixels of 0 are left out", "FILE", ()),
    "-spots": Word("the strong spots of DIALS are what is compared, with what is around them", "FILE.refl", ("refl",)),
    "-prior": Word("what is known: NAME=SIGMA about the start, or NAME=VALUE,SIGMA; may be repeated", "NAME=..."),
    "-bound": Word("limits: NAME=LOWEST,HIGHEST; may be repeated", "NAME=..."),
    **_NUMBERS,
}
USAGE = (
    """usage: nanobragg refine FILE.toml -image SHOT [-free NAME...] [options]

Refines the experiment of a file against an image of it, pixel by pixel, and says how well the image determines it.
Names are those of derivatives: crystal.misset, crystal.cell, crystal.cells, crystal.mosaic_spread, beam.wavelength,
detector.distance, detector.panels[0].shift; scale. Without -free: """
    + " ".join(FREE)
    + ".\n\n"
    + "".join(f"  {f'{name} {word.value}':<20} {word.help}\n" for name, word in WORDS.items())
    + "\nOptions may begin with two dashes, too. What is done is described in specs/refinement.md.\n"
)


class _Request(NamedTuple):
    file: str
    image: str
    free: list[str]
    files: dict[str, str]
    how: dict[str, Any]


def refine_command(words: Sequence[str]) -> int:
    """Carry out ``nanobragg refine`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, a wrong file, and files that cannot be read or written.
    """
    if not words or any(word in ("-h", "--help", "-help") for word in words):
        print(USAGE, end="")
        return 0 if words else 9
    from nanobragg.inputs.toml import read_config
    from nanobragg.io.support.extras import need
    from nanobragg.program.requests import check_files
    from nanobragg.refinement.refine import refine

    request = _parsed(words)
    check_files(request.files)
    if "-report" in request.files:
        need("matplotlib", "-report", extra="plot")
    run = read_config(request.file)
    how: dict[str, Any] = {"threads": run.threads, **request.how}
    found = refine(run.experiment, request.image, request.free, progress=_shown(run), **how)
    print(found)
    _write(request, run, found)
    return 0


def _shown(run: Run) -> Callable[[int, float], object] | None:
    """What tells of each step on a terminal."""
    if not (run.progress and sys.stderr.isatty()):
        return None
    return lambda step, misfit: print(f"step {step}: misfit {misfit:.5g} a pixel", file=sys.stderr)


def _write(request: _Request, run: Run, found: Refinement) -> None:
    from nanobragg.refinement.outputs import write_crystal, write_experiment, write_json, write_text

    files = request.files
    write_experiment(files["-o"], run, found, request.file)
    if "-expt" in files:
        write_crystal(files["-expt"], found, request.image)
    if "-csv" in files:
        write_text(files["-csv"], found.csv())
    if "-json" in files:
        write_json(files["-json"], found)
    if "-report" in files:
        from nanobragg.refinement.report import page

        write_text(files["-report"], page(found, request.image))
    for name in files.values():
        print(f"wrote {name}")


# ---- words --------------------------------------------------------------------------------------------------


def _parsed(words: Sequence[str]) -> _Request:
    request = _Request("", "", [], {"-o": "refined.toml"}, {})
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name = word[1:] if word.startswith("--") else word
        if not word.startswith("-"):
            if request.file:
                raise InputError(f"refine: found {request.file!r} and {word!r}, expected one file")
            request = request._replace(file=word)
        elif name not in WORDS:
            raise InputError(f"refine: found the option {word!r}, expected a file, {', '.join(WORDS)}")
        elif not rest:
            raise InputError(f"{name}: found too few words after it, expected {WORDS[name].value}")
        elif name == "-free":
            while rest and not rest[0].startswith("-"):
                request.free.extend(part for part in rest.pop(0).split(",") if part)
        elif name == "-image":
            request = request._replace(image=rest.pop(0))
        elif name in FILES:
            request.files[name] = rest.pop(0)
        else:
            _set(request.how, name, rest.pop(0))
    for value, what in ((request.file, "FILE.toml"), (request.image, "-image SHOT")):
        if not value:
            raise InputError(f"refine: found no {what}, expected nanobragg refine FILE.toml -image SHOT")
    return request if request.free else request._replace(free=list(FREE))


def _set(how: dict[str, Any], name: str, text: str) -> None:
    if name in ("-prior", "-bound"):
        known, _, values = text.rpartition("=")
        numbers = [_number(name, part) for part in values.split(",")]
        if not known or len(numbers) > 2 or (name == "-bound" and len(numbers) != 2):
            raise InputError(f"{name}: found {text!r}, expected {WORDS[name].help.partition(';')[0]}")
        how.setdefault(f"{name[1:]}s", {})[known] = numbers[0] if len(numbers) == 1 else tuple(numbers)
    elif name in _NUMBERS:
        how[name[1:]] = _number(name, text)
    else:
        how[name[1:]] = text


def _number(name: str, text: str) -> float | int:
    try:
        return int(text) if name in _WHOLE else float(text)
    except ValueError:
        kind = "a whole number" if name in _WHOLE else "a number"
        raise InputError(f"{name}: found {text!r}, expected {kind}") from None
