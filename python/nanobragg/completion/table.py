"""What each option of our commands takes, as far as shells can complete it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass

from nanobragg.inputs.option import Option
from nanobragg.inputs.options import ALL_OPTIONS
from nanobragg.io.images.formats import FOREIGN, FORMATS, PGM, PNG, option_formats
from nanobragg.io.tables import TABLES
from nanobragg.records.quirks import QUIRKS

_ANY: tuple[str, ...] = ()


def _suffixes_of(extensions: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(extension.removeprefix(".") for extension in extensions))


def _written(*, floats: bool) -> tuple[str, ...]:
    return _suffixes_of(extension for row in option_formats(floats=floats) for extension in row.extensions)


_GEOMETRY = _suffixes_of((*(e for row in FORMATS if row.geometry for e in row.extensions), *FOREIGN))
IMAGES = _suffixes_of((*(e for row in FORMATS if not row.picture for e in row.extensions), *FOREIGN))
SUFFIXES: dict[str, tuple[str, ...]] = {
    "-img": (*_GEOMETRY, "expt"),
    "-mask": _GEOMETRY,
    "-mat": ("mat",),
    "-hkl": ("hkl", "mtz", "cif", "mmcif", "pdb", "ent", "gz"),
    "-dump": ("bin",),
    "-stolout": _ANY,
    "-stol": _ANY,
    "-sourcefile": _ANY,
    "-floatfile": _written(floats=True),
    "-intfile": _written(floats=False),
    "-pgmfile": _suffixes_of(PGM.extensions),
    "-noisefile": _written(floats=False),
    "-truthfile": _suffixes_of(TABLES),
}
"""Extensions of the files that options name; without any: all files."""
QUIRK_NAMES = (*QUIRKS, *(f"-{name}" for name in QUIRKS))
MOST_VALUES = max(len(option.values) + len(option.more) for option in ALL_OPTIONS)


@dataclass(frozen=True, kw_only=True)
class Word:
    """An option with all its names, and what follows it."""

    names: tuple[str, ...]
    help: str
    least: int = 0
    """Values that must follow."""
    most: int = 0
    """Values that may follow."""
    choices: tuple[str, ...] = ()
    """What the first value may be, besides numbers."""
    suffixes: tuple[str, ...] | None = None
    """Extensions, if the values are files; ``()``: any."""
    folders: bool = False
    """Whether the value is a folder."""
    quirks: bool = False
    """Whether the value is a list of quirks, after ``choices`` that stand alone."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, or a subcommand, with its options."""

    name: str
    words: tuple[Word, ...]
    files: tuple[str, ...] | None = None
    """Extensions of the files that stand without an option; ``()``: any; ``None``: there are none."""

    def names(self) -> list[str]:
        """All names of all options."""
        return [name for word in self.words for name in word.names]


def commands() -> tuple[Command, Command, Command, Command]:
    """``nanobragg``, ``nanobragg view``, ``nb-compare`` and ``nb-trace-diff``."""
    from nanobragg.parity import compare, trace_diff

    view = (
        Word(
            names=("-o",),
            help="write a PNG file; {} stands for the number",
            least=1,
            most=1,
            suffixes=_suffixes_of(PNG.extensions),
        ),
        Word(names=("-shape",), help="pixels of bare float images: slow, fast", least=2, most=2),
        Word(names=("-h", "--help", "-help"), help="how it is used"),
    )
    return (
        Command(name="nanobragg", words=tuple(_own_word(option) for option in ALL_OPTIONS)),
        Command(name="view", words=view, files=IMAGES),
        Command(name="nb-compare", words=_parser_words(compare.make_parser())),
        Command(name="nb-trace-diff", words=_parser_words(trace_diff.make_parser()), files=_ANY),
    )


def _own_word(option: Option) -> Word:
    return Word(
        names=option.names,
        help=option.help,
        least=len(option.values),
        most=len(option.values) + len(option.more),
        choices=option.choices,
        suffixes=_suffixes(option),
        quirks=option.asks == "quirks",
    )


def _suffixes(option: Option) -> tuple[str, ...] | None:
    stem, dot, suffix = option.arguments.partition(".")
    if stem != "file":
        return None
    return SUFFIXES.get(option.names[0], (suffix,) if dot else _ANY)


def _parser_words(parser: argparse.ArgumentParser) -> tuple[Word, ...]:
    return tuple(_parser_word(action) for action in parser._actions if action.option_strings)


def _parser_word(action: argparse.Action) -> Word:
    count = 1 if action.nargs is None else int(action.nargs)
    files: dict[object, tuple[str, ...]] = {"FILE": _ANY, ("A", "B"): IMAGES}
    return Word(
        names=tuple(action.option_strings),
        help=action.help or "",
        least=count,
        most=count,
        choices=() if action.choices is None else tuple(action.choices),
        suffixes=files.get(action.metavar),
        folders=action.metavar == "DIR",
        quirks=action.dest == "quirks",
    )
