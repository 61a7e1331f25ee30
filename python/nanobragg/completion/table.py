"""What each option of our commands takes, as far as shells can complete it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nanobragg.ensemble import command
from nanobragg.inputs.option import Option
from nanobragg.inputs.options import ALL_OPTIONS
from nanobragg.io.images.formats import FOREIGN, FORMATS, PGM, PNG, option_formats
from nanobragg.io.tables import TABLES
from nanobragg.program import add, profile
from nanobragg.records.quirks import QUIRKS
from nanobragg.refinement import command as refinement

_ANY: tuple[str, ...] = ()


def _suffixes_of(extensions: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(extension.removeprefix(".") for extension in extensions))


def _written(*, floats: bool) -> tuple[str, ...]:
    return _suffixes_of(extension for row in option_formats(floats=floats) for extension in row.extensions)


_GEOMETRY = _suffixes_of((*(e for row in FORMATS if row.geometry for e in row.extensions), *FOREIGN))
IMAGES = _suffixes_of((*(e for row in FORMATS if not row.picture for e in row.extensions), *FOREIGN))
SUFFIXES: dict[str, tuple[str, ...]] = {
    "-img": (*_GEOMETRY, "expt", "geom"),
    "-mask": _GEOMETRY,
    "-geomdata": ("h5", "cxi", "hdf5"),
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
    "-countsfile": _written(floats=False),
    "-around": ("stol",),
    "-shadow": IMAGES,
    "-psf_kernel": IMAGES,
    "-gain_map": IMAGES,
    "-dark_map": IMAGES,
    "-bad_pixels": IMAGES,
    "-truthfile": _suffixes_of(TABLES),
}
"""Extensions of the files that options name; without any: all files."""
COMPANION_SUFFIXES: dict[str, tuple[str, ...]] = {
    "-stol": ("stol",),
    "-img": ("img",),
    "-header": ("img",),
    "-floatfile": ("bin",),
    "-intfile": ("img",),
    "-noisefile": ("img",),
    "-pgmfile": ("pgm",),
}
"""The same for the companions."""
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
    quirks: tuple[str, ...] = ()
    """Names of which the value is a list, each also with a ``-`` before it."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, or a subcommand, with its options."""

    name: str
    words: tuple[Word, ...]
    help: str = ""
    files: tuple[str, ...] | None = None
    """Extensions of the files that stand without an option; ``()``: any; ``None``: there are none."""

    def names(self) -> list[str]:
        """All names of all options."""
        return [name for word in self.words for name in word.names]


class Commands(NamedTuple):
    """All that scripts complete."""

    main: Command
    """``nanobragg``."""
    subcommands: tuple[Command, ...]
    """What ``nanobragg`` takes for its first word, with words of their own."""
    compare: Command
    """``nb-compare``."""
    trace_diff: Command
    """``nb-trace-diff``."""


def commands() -> Commands:
    """Every command with its options."""
    from nanobragg.parity import compare, trace_diff

    return Commands(
        Command(name="nanobragg", words=tuple(_own_word(option) for option in ALL_OPTIONS)),
        (_view(), _companion("nonbragg"), _companion("noisify"), _add(), _profile(), _ensemble(), _refine()),
        Command(name="nb-compare", words=_parser_words(compare.make_parser())),
        Command(name="nb-trace-diff", words=_parser_words(trace_diff.make_parser()), files=_ANY),
    )


_MANY = 8
"""Words that are completed after an option that takes any number."""
_HELP = Word(names=("-h", "--help", "-help"), help="how it is used")


def _view() -> Command:
    words = (
        Word(
            names=("-o",),
            help="write a PNG file; {} stands for the number",
            least=1,
            most=1,
            suffixes=_suffixes_of(PNG.extensions),
        ),
        Word(names=("-img",), help="file that says where the panels are", least=1, most=1, suffixes=SUFFIXES["-img"]),
        Word(names=("-shape",), help="pixels of bare float images: slow, fast", least=2, most=2),
        _HELP,
    )
    return Command(name="view", words=words, help="show diffraction images", files=IMAGES)


def _companion(name: str) -> Command:
    from nanobragg.inputs import companion_words, noisify_words, nonbragg_words
    from nanobragg.records.noisify import NOISIFY_QUIRKS
    from nanobragg.records.nonbragg import NONBRAGG_QUIRKS

    module, quirks, help, files = {
        "nonbragg": (nonbragg_words, NONBRAGG_QUIRKS, "scattering of amorphous material", None),
        "noisify": (noisify_words, NOISIFY_QUIRKS, "from photons to detector counts", ("bin",)),
    }[name]
    rows = (*(option for option in module.TABLE if option.help), *companion_words.OWN_OPTIONS)
    words = tuple(_own_word(option, COMPANION_SUFFIXES, quirks) for option in rows)
    return Command(name=name, words=(*words, _HELP), help=help, files=files)


def _add() -> Command:
    words = (
        *(Word(names=(f"-scale{n}",), help=f"factor of file {n}", least=1, most=1) for n in (1, 2, 3)),
        *(Word(names=(name,), help=help, least=1, most=1) for name, help in add.NUMBERS.items()),
        Word(names=("-outfile", "-output"), help="the sum", least=1, most=1, suffixes=("bin",)),
        Word(names=("-nostats",), help="print no statistics"),
        _HELP,
    )
    return Command(name="add", words=words, help="add float images", files=("bin",))


def _profile() -> Command:
    own = (
        Word(names=(name,), help=word.help, least=1, most=1, suffixes=("stol",) if word.value == "FILE" else None)
        for name, word in profile.WORDS.items()
    )
    others = (_own_word(option) for option in ALL_OPTIONS if not profile.WORDS.keys() & set(option.names))
    return Command(name="profile", words=(*own, *others), help="a background's structure factors", files=IMAGES)


def _ensemble() -> Command:
    words = (
        Word(
            names=(name,),
            help=word.help,
            least=1 if word.value else 0,
            most=1 if word.value else 0,
            folders=word.value == "FOLDER",
        )
        for name, word in command.WORDS.items()
    )
    return Command(name="ensemble", words=(*words, _HELP), help="many shots of one experiment", files=("toml",))


def _refine() -> Command:
    words = (
        Word(
            names=(name,),
            help=word.help,
            least=1,
            most=_MANY if word.several else 1,
            choices=word.choices,
            suffixes=IMAGES if word.suffixes == _ANY else word.suffixes,
        )
        for name, word in refinement.WORDS.items()
    )
    words = (*words, Word(names=("-schema",), help="print the JSON schema of such files, for editors"))
    return Command(name="refine", words=(*words, _HELP), help="which crystal made an image", files=("toml",))


def _own_word(
    option: Option,
    suffixes: Mapping[str, tuple[str, ...]] = SUFFIXES,
    quirks: Iterable[str] = QUIRKS,
) -> Word:
    return Word(
        names=option.names,
        help=option.help,
        least=len(option.values),
        most=len(option.values) + len(option.more),
        choices=option.choices,
        suffixes=_suffixes(option, suffixes),
        quirks=tuple(quirks) if option.asks == "quirks" else (),
    )


def _suffixes(option: Option, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    stem, dot, suffix = option.arguments.partition(".")
    if stem != "file":
        return None
    return known.get(option.names[0], (suffix,) if dot else _ANY)


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
        quirks=tuple(QUIRKS) if action.dest == "quirks" else (),
    )
