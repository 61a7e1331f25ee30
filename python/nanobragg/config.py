"""Runs as TOML files (``specs/config.md``): read, and written so that reading gives the same run."""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import Field, fields
from typing import Any

from nanobragg.config_values import KINDS, Kind, Mismatch
from nanobragg.errors import InputError
from nanobragg.experiment import Beam, Crystal, Detector, Experiment, Sampling
from nanobragg.io.atomic import atomic_write, read_bytes
from nanobragg.quirks import parse_quirks
from nanobragg.run import Output, Run

SECTIONS: dict[str, type] = {
    "beam": Beam,
    "crystal": Crystal,
    "detector": Detector,
    "sampling": Sampling,
    "output": Output,
}
RUN_KEYS = ("threads", "precision", "progress", "printout", "printout_pixel", "trace_pixel")
_INPUT_FILES = frozenset(
    {"beam.sources", "crystal.matrix", "crystal.structure_factors", "detector.header", "detector.mask"}
)
"""Relative to the folder of the TOML file; outputs and the cache are relative to the current one."""
OUTPUT_FILES = frozenset(
    {"output.floatfile", "output.intfile", "output.pgmfile", "output.noisefile", "output.pngfile", "output.truthfile"}
)
_NOT_WRITTEN = False
"""How TOML says that an output file is not written."""


def read_config(path: str | os.PathLike[str]) -> Run:
    """The run that a TOML file describes; what is not in the file has its default.

    Raises:
        InputError: for a file that cannot be read or is not TOML, an unknown key, or a value of the wrong type; the
            sentence names the file, the key, what was found and what was expected.

    """
    name = os.fspath(path)
    document = _parsed(name)
    known = {f.name: f for f in fields(Run) if f.name in RUN_KEYS}
    sections: dict[str, Any] = {}
    run: dict[str, Any] = {}
    quirks = "all"
    for key, value in document.items():
        if key in SECTIONS:
            sections[key] = _read_section(name, key, value)
        elif key == "quirks":
            quirks = _read_quirks(name, value)
        elif key in known:
            run[key] = _read_value(f"{name}: {key}", known[key], value)
        else:
            raise _unknown(f"{name}: {key}", key, [*SECTIONS, "quirks", *known])
    output = sections.pop("output", Output())
    return Run(experiment=Experiment(**sections, quirks=quirks), output=output, **run)


def write_config(run: Run, path: str | os.PathLike[str]) -> None:
    """Write ``run`` so that :func:`read_config` gives it back, number for number; its warnings are not kept.

    Raises:
        InputError: when something in it is an array rather than a file, is of the wrong type, or when the file cannot
            be written.

    """
    name = os.fspath(path)
    lines = ["# A run of nanobragg; the keys are explained in specs/config.md.", ""]
    lines.append(f"quirks = {_text(run.experiment.quirks, 'quirks')}")
    lines += [line for f in fields(Run) if f.name in RUN_KEYS for line in _write_value(run, f, f.name, name)]
    for section in SECTIONS:
        holder = run.output if section == "output" else getattr(run.experiment, section)
        lines += ["", f"[{section}]"]
        lines += [line for f in fields(holder) for line in _write_value(holder, f, f"{section}.{f.name}", name)]
    content = ("\n".join(lines) + "\n").encode()
    with atomic_write(path) as file:
        file.write(content)


# ---- reading ----------------------------------------------------------------------------------------------


def _parsed(name: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(read_bytes(name).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name}: found {reason[:120]}, expected a TOML file") from error


def _read_section(name: str, section: str, table: object) -> Any:
    if not isinstance(table, dict):
        raise InputError(f"{name}: {section}: found {_shown(table)}, expected a section [{section}]")
    kind = SECTIONS[section]
    known = {f.name: f for f in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise _unknown(f"{name}: {section}.{key}", key, list(known))
        place = f"{section}.{key}"
        if place in OUTPUT_FILES and value is _NOT_WRITTEN:
            values[key] = None
            continue
        values[key] = _read_value(f"{name}: {place}", known[key], value)
        if place in _INPUT_FILES:
            values[key] = _beside(name, values[key])
    return kind(**values)


def _read_value(place: str, field: Field[Any], value: object) -> Any:
    kind = _kind(field)
    try:
        return kind.read(value)
    except Mismatch:
        raise InputError(f"{place}: found {_shown(value)}, expected {kind.expected}") from None


def _read_quirks(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name}: quirks: found {_shown(value)}, expected a string of names")
    try:
        parse_quirks(value)
    except InputError as error:
        raise InputError(f"{name}: {str(error).removeprefix('-')}") from None
    return value


def _beside(name: str, file: str) -> str:
    """``file``, which is relative to the folder of ``name``, relative to the current folder."""
    folder = os.path.dirname(name)
    if folder in ("", ".") or os.path.isabs(file) or not file:
        return file
    joined = os.path.join(folder, file)
    short = os.path.normpath(joined)
    # With a linked folder, "folder/.." is not where the folder's name suggests.
    return short if "\0" not in joined and os.path.realpath(short) == os.path.realpath(joined) else joined


def _unknown(place: str, key: str, known: list[str]) -> InputError:
    near = difflib.get_close_matches(key, known, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else f", expected one of {', '.join(known)}"
    return InputError(f"{place}: found an unknown key{hint}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(field: Field[Any]) -> Kind:
    return KINDS[str(field.type).replace('"', "'")]


# ---- writing ----------------------------------------------------------------------------------------------


def _write_value(holder: object, field: Field[Any], place: str, name: str) -> list[str]:
    value = getattr(holder, field.name)
    if value is None:
        return [f"{field.name} = false"] if place in OUTPUT_FILES else []
    if place in _INPUT_FILES and not isinstance(value, (str, os.PathLike)):
        raise InputError(f"{place}: found an array, expected the name of a file: arrays cannot be written to {name}")
    kind = _kind(field)
    try:
        checked = kind.read(_plain(value))
    except Mismatch:
        raise InputError(f"{place}: found {_shown(value)}, expected {kind.expected}") from None
    if place in _INPUT_FILES:
        checked = _relative(checked, name)
    return [f"{field.name} = {_toml(checked, place)}"]


def _plain(value: Any) -> Any:
    """Python's own types: NumPy scalars and arrays, paths and sequences made plain."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return ["unset" if v is None else _plain(v) for v in value]
    return value


def _relative(file: str, name: str) -> str:
    """``file``, which is relative to the current folder, relative to the folder of ``name``."""
    folder = os.path.realpath(os.path.dirname(name) or ".")
    if not file or "\0" in file or os.path.isabs(file) or folder == os.path.realpath("."):
        return file
    return os.path.relpath(os.path.realpath(file), folder)


def _toml(value: object, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return '"unset"'
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(v, place) for v in value)}]"
    return _text(str(value), place)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _text(value: str, place: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{place}: found {value!r}, expected text that is valid Unicode") from None
    escaped = (
        _ESCAPES.get(c, c) if c in _ESCAPES or not (c < " " or c == "\x7f") else f"\\u{ord(c):04X}" for c in value
    )
    return f'"{"".join(escaped)}"'
