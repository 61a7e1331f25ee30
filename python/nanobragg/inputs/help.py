"""What the program says about its options, made from their table."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from nanobragg.inputs.option import Option
from nanobragg.inputs.options import ALL_OPTIONS, GROUPS

_FORMS = """usage: nanobragg -cell a b c alpha beta gamma -default_F F [options]
       nanobragg -mat auto.mat -hkl P1.hkl [options]
       nanobragg -config experiment.toml [options]
"""
_NEEDED = "A crystal orientation (-cell or -mat) and structure factors (-hkl, a cache, or -default_F) are needed."
USAGE = f"""{_FORMS}{_NEEDED}
nanobragg -h explains all options.
"""
_HEAD = f"""{_FORMS}       nanobragg view FILE... [-o PICTURE.png]
       nanobragg nonbragg -stol FILE [options]         amorphous material (nonbragg -h)
       nanobragg noisify -floatfile FILE [options]     from photons to counts (noisify -h)
       nanobragg add FILE FILE... [options]            sums of float images (add -h)
       nanobragg profile IMAGE -around NAME MM         a background's structure factors (profile -h)
       nanobragg ensemble SET.toml -o FOLDER           many shots of one experiment (ensemble -h)
       nanobragg refine FILE.toml -image SHOT          which crystal made an image (refine -h)

X-ray diffraction images of crystals. Defaults are in parentheses.
"""
_COLUMN, _WIDTH = 34, 110


def help_text() -> str:
    """All options, by subject, with units and defaults."""
    return _HEAD + options_text(ALL_OPTIONS, GROUPS)


def options_text(options: Sequence[Option], groups: Sequence[str]) -> str:
    """The options that have a text, a paragraph for each group."""
    lines = []
    for group in groups:
        lines += ["", f"{group}:"]
        for option in options:
            if option.group == group and option.help:
                lines += _help_lines(option)
    return "\n".join(lines) + "\n"


def _help_lines(option: Option) -> list[str]:
    spelled = f"  {option.names[0]} {option.arguments}".rstrip()
    text = option.help
    if len(option.names) > 1:
        text += "; also " + ", ".join(option.names[1:])
    wrapped = textwrap.wrap(text, _WIDTH - _COLUMN)
    if len(spelled) >= _COLUMN - 1:
        return [spelled, *(" " * _COLUMN + line for line in wrapped)]
    first = f"{spelled:<{_COLUMN}}{wrapped[0]}"
    return [first, *(" " * _COLUMN + line for line in wrapped[1:])]
