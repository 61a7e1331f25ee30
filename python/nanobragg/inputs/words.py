"""From the words of a command line to what they ask for (``specs/cli.md``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from nanobragg.errors import InputError
from nanobragg.inputs.request import Request
from nanobragg.inputs.scan import Scan, Words, tell_apart
from nanobragg.records.experiment import Detector, Experiment
from nanobragg.records.pivots import convention_of, pivot_of
from nanobragg.records.quirks import QUIRKS, parse_quirks
from nanobragg.records.run import Run

PARSE_QUIRKS = ("twotheta_axis_parse", "misset_seed_parse", "curved_det_needs_word", "pivot_overridden")


def parse_words(args: str | Sequence[str], quirks: str | None = None) -> Run:
    """The run that a command line (without the program's name) describes.

    Args:
        args: words, or one string that is split as a shell would.
        quirks: the quirks that are kept, whatever ``-quirks`` says.

    Returns:
        The run. Its experiment keeps numbers in the units and with the value that they were typed.

    Raises:
        InputError: for a missing or wrong value; unknown words are warnings (``Run.warnings``).

    """
    return _run(tell_apart(_split(args)), quirks)


def request_of(words: Sequence[str]) -> Request:
    """What a command line asks of the program.

    Of several things ``--version`` without help comes first, then ``view`` as the first word, help, ``--devices`` and
    ``--detectors``, wherever they stand, and ``-completion``.

    Raises:
        InputError: as :func:`parse_words`.

    """
    found = tell_apart(list(words))
    asked = found.asked
    if "version" in asked and "help" not in asked:
        return Request(tell="version")
    if found.words[:1] == ["view"]:
        return Request(view=tuple(found.words[1:]))
    if "help" in asked:
        return Request(tell="help")
    if "devices" in asked or "detectors" in asked:
        return Request(tell="devices" if "devices" in asked else "detectors")
    if found.wrong is None and "completion" in asked:
        return Request(completion=asked["completion"])
    return Request(
        run=_run(found, None),
        config=asked.get("config"),
        write_config=asked.get("write_config"),
        trace_json=asked.get("trace_json"),
    )


def _split(args: str | Sequence[str]) -> list[str]:
    if not isinstance(args, str):
        return [os.fspath(word) for word in args]
    import shlex

    try:
        return shlex.split(args)
    except ValueError as error:
        raise InputError(f"command line: found {args[:60]!r}, expected balanced quotes ({error})") from error


def _run(found: Words, quirks: str | None) -> Run:
    """The run, and which quirks about the meaning of words touch it."""
    if found.wrong is not None:
        raise found.wrong
    base = _base(found.asked.get("config"))
    said = ("all" if base is None else base.experiment.quirks, found.asked.get("quirks"), quirks)
    text: str = next(each for each in reversed(said) if each is not None)
    kept = parse_quirks(text)
    scan = Scan(found, base, kept)
    run = scan.run()
    asked = [name for name in PARSE_QUIRKS if name in kept & scan.quirks.asked]
    touched = tuple((name, QUIRKS[name]) for name in asked if _touches(name, run, found, base, kept))
    if touched and _of_panels(run.experiment.detector):  # such a detector is none of nanoBragg.c's
        run, touched = Scan(found, base, kept - {*PARSE_QUIRKS}).run(), ()
    return replace(run, experiment=replace(run.experiment, quirks=text), parse_quirks=touched)


def _of_panels(detector: Detector) -> bool:
    """Whether a detector is one of panels, which no quirk touches; a file that cannot be read is left to the run."""
    if detector.name is not None or detector.panels is not None:
        return True
    if detector.header is None:
        return False
    from nanobragg.io.geometry.any_file import Wanted, is_smv, read_file_geometry

    try:
        if is_smv(detector.header):
            return False
        return read_file_geometry(detector.header, wanted=Wanted(detector.experiment, clen=detector.clen)).several
    except InputError:
        return False


def _base(config: str | None) -> Run | None:
    """The run that the file of ``-config`` describes."""
    if config is None:
        return None
    from nanobragg.inputs.toml import read_config

    return read_config(config)


def _touches(name: str, run: Run, found: Words, base: Run | None, kept: frozenset[str]) -> bool:
    """Whether the quirk changed what the command line sets."""
    try:
        without = Scan(found, base, kept - {name}).run()
    except InputError:
        return True
    return _effect(without.experiment, kept) != _effect(run.experiment, kept)


def _effect(experiment: Experiment, kept: frozenset[str]) -> str:
    """What the parse quirks can change, as far as it has an effect."""
    crystal, detector = experiment.crystal, experiment.detector
    convention = convention_of(experiment.beam, crystal, detector)
    pivot = pivot_of(convention, detector, overridden="pivot_overridden" in kept)
    misset = crystal.misset or (0.0, 0.0, 0.0)
    seed = crystal.misset_seed if misset == "random" else None
    return repr((pivot, detector.twotheta or 0.0, detector.curved, misset, seed))
