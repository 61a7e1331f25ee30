"""Runs as TOML files (``specs/config.md``): read, and written so that reading gives the same run."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_write, read_bytes
from nanobragg.records.config_values import KINDS, Kind, Mismatch
from nanobragg.records.experiment import Beam, Crystal, Detector, Experiment, Sampling
from nanobragg.records.quirks import parse_quirks
from nanobragg.records.run import Output, Run

SECTIONS: dict[str, type] = {
    "beam": Beam,
    "crystal": Crystal,
    "detector": Detector,
    "sampling": Sampling,
    "output": Output,
}
RUN_KEYS = ("threads", "precision", "device", "progress", "printout", "printout_pixel", "trace_pixel")
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
    return _run_of(_parsed(name, read_bytes(name)), name)


def write_config(run: Run, path: str | os.PathLike[str], like: str | os.PathLike[str] | None = None) -> None:
    """Write ``run`` so that :func:`read_config` gives it back, number for number; its warnings are not kept.

    Args:
        run: the run.
        path: the file to write.
        like: a TOML file whose comments, order and layout are kept: what the run has changed is changed in place.

    Raises:
        InputError: when something in it is an array rather than a file, is of the wrong type, when the file cannot
            be written, or ``like`` cannot be read.

    """
    name = os.fspath(path)
    values = _written_values(run, name)
    content = (_plain_text(values) if like is None else _like_text(run, values, os.fspath(like), name)).encode()
    with atomic_write(path) as file:
        file.write(content)


# ---- reading ----------------------------------------------------------------------------------------------


def _parsed(name: str, content: bytes) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name}: found {reason[:120]}, expected a TOML file") from error


def _run_of(document: dict[str, Any], name: str) -> Run:
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


def _places(run: Run) -> Iterator[tuple[str, object, Field[Any]]]:
    """Every key with what holds its value, in the order in which they are written."""
    yield "quirks", run.experiment, next(f for f in fields(Experiment) if f.name == "quirks")
    for field in fields(Run):
        if field.name in RUN_KEYS:
            yield field.name, run, field
    for section in SECTIONS:
        holder = run.output if section == "output" else getattr(run.experiment, section)
        for field in fields(holder):
            yield f"{section}.{field.name}", holder, field


def _written_values(run: Run, name: str) -> dict[str, Any]:
    """What a file of that name says, by key; keys that are unset are not there."""
    values = {place: _written_value(holder, field, place, name) for place, holder, field in _places(run)}
    return {place: value for place, value in values.items() if value is not None}


def _written_value(holder: object, field: Field[Any], place: str, name: str) -> Any:
    value = getattr(holder, field.name)
    if value is None:
        return _NOT_WRITTEN if place in OUTPUT_FILES else None
    if place in _INPUT_FILES and not isinstance(value, (str, os.PathLike)):
        raise InputError(f"{place}: found an array, expected the name of a file: arrays cannot be written to {name}")
    if place == "quirks":
        return value
    kind = _kind(field)
    try:
        checked = kind.read(_plain(value))
    except Mismatch:
        raise InputError(f"{place}: found {_shown(value)}, expected {kind.expected}") from None
    return _relative(checked, name) if place in _INPUT_FILES else checked


def _plain_text(values: dict[str, Any]) -> str:
    """The file without another one as its pattern."""
    lines = ["# A run of nanobragg; the keys are explained in specs/config.md.", ""]
    lines += [f"{place} = {_toml(value, place)}" for place, value in values.items() if "." not in place]
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        for place, value in values.items():
            if place.startswith(f"{section}."):
                lines.append(f"{place.removeprefix(f'{section}.')} = {_toml(value, place)}")
    return "\n".join(lines) + "\n"


def _like_text(run: Run, values: dict[str, Any], like: str, name: str) -> str:
    """The file ``like``, changed where it is to say something else under the name ``name``."""
    from nanobragg.inputs.toml_update import update_toml

    content = read_bytes(like)
    document = _parsed(like, content)
    _run_of(document, like)  # for its sentences about mistakes
    said = _said(document)
    changes: dict[str, str | None] = {}
    for place, _, field in _places(run):
        value = values.get(place)
        if place in said:
            same = value is not None and _same(_said_value(field, said[place], place), value)
            same = same or (place in _INPUT_FILES and _same_file(like, str(said[place]), name, value))
        else:
            same = value is None or _same(_default(field, place), value)
        if not same:
            changes[place] = None if value is None else _toml(value, place)
    return update_toml(content.decode("utf-8"), changes, like)


def _said(document: dict[str, Any]) -> dict[str, Any]:
    """The values of a file by key."""
    said = {key: value for key, value in document.items() if key not in SECTIONS}
    return said | {f"{section}.{key}": v for section in SECTIONS for key, v in document.get(section, {}).items()}


def _said_value(field: Field[Any], value: object, place: str) -> Any:
    return value if place == "quirks" or value is _NOT_WRITTEN else _kind(field).read(value)


def _default(field: Field[Any], place: str) -> object:
    return _NOT_WRITTEN if field.default is None and place in OUTPUT_FILES else field.default


def _same(a: Any, b: Any) -> bool:
    """Whether two values mean the same: one number may stand for three, and NaN is NaN."""
    if isinstance(a, tuple) != isinstance(b, tuple):
        number, several = (b, a) if isinstance(a, tuple) else (a, b)
        return isinstance(number, (int, float)) and all(repr(number) == repr(each) for each in several)
    return repr(a) == repr(b)


def _same_file(like: str, said: str, name: str, value: object) -> bool:
    """Whether a file that ``like`` names is still meant, and the same words name it in the new file."""
    folders = [os.path.realpath(os.path.dirname(file) or ".") for file in (like, name)]
    return folders[0] == folders[1] and _relative(_beside(like, said), name) == value


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
