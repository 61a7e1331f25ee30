"""Runs as TOML files (``specs/config.md``): read, and written so that reading gives the same run."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from typing import Any

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_write, read_bytes
from nanobragg.records import run as runs
from nanobragg.records.fields import Place, assembled, own_places, sections
from nanobragg.records.kinds import Kind, Mismatch, shown
from nanobragg.records.run import Run

PLACES = dict(sorted(runs.PLACES.items(), key=lambda item: item[1].section != ""))
"""Every key in the order in which they are written: those at the top come first."""
SECTIONS = tuple(sections(Run))
REFINE = "refine"
"""A table that says how an experiment is refined (``specs/refinement.md``), and nothing of a run."""
_NOT_WRITTEN = False
"""How TOML says that an output file is not written."""
_UNSET = "unset"
"""How TOML says that a part of a list is not said."""


def read_config(path: str | os.PathLike[str]) -> Run:
    """The run that a TOML file describes; what is not in the file has its default.

    Raises:
        InputError: for a file that cannot be read or is not TOML, an unknown key, or a value of the wrong type; the
            sentence names the file, the key, what was found and what was expected.

    """
    name = os.fspath(path)
    return run_of(parsed(name, read_bytes(name)), name)


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
    content = config_text(run, path, like).encode()
    with atomic_write(path) as file:
        file.write(content)


def config_text(run: Run, path: str | os.PathLike[str], like: str | os.PathLike[str] | None = None) -> str:
    """What :func:`write_config` writes; errors as there."""
    name = os.fspath(path)
    values = _written_values(run, name)
    return _plain_text(values) if like is None else _like_text(run, values, os.fspath(like), name)


def value_text(place: Place, value: Any, path: str | os.PathLike[str]) -> str | None:
    """A field's value as TOML in a file of that name; ``None``: nothing is said. Errors as for :func:`write_config`."""
    found = _written_value(place, value, os.fspath(path))
    return None if found is None else _toml(found, place.name)


# ---- reading ----------------------------------------------------------------------------------------------


def parsed(name: str, content: bytes) -> dict[str, Any]:
    """What a TOML file of that name says. Raises :class:`InputError` for what is not TOML."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name}: found {reason[:120]}, expected a TOML file") from error


def run_of(document: dict[str, Any], name: str) -> Run:
    """The run that what was read of a file says; errors as for :func:`read_config`."""
    at_top = [place.name for place in PLACES.values() if not place.section]
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key in SECTIONS:
            values |= _read_section(name, key, value)
        elif key in at_top:
            values[key] = _read_value(name, PLACES[key], value)
        elif key != REFINE:
            raise unknown(f"{name}: {key}", key, [*SECTIONS, *at_top])
    run = assembled(Run, values)
    aside = f"{name}: {REFINE}: left aside, it is for nanobragg refine"
    return replace(run, warnings=(aside,)) if REFINE in document else run


def _read_section(name: str, section: str, table: object) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise InputError(f"{name}: {section}: found {shown(table)}, expected a section [{section}]")
    values: dict[str, Any] = {}
    for key, value in table.items():
        place = PLACES.get(f"{section}.{key}")
        if place is None:
            known = [place.key for place in PLACES.values() if place.section == section]
            raise unknown(f"{name}: {section}.{key}", key, known)
        values[place.name] = value_of(name, place, value)
    return values


def value_of(name: str, place: Place, value: object, spoken: str = "") -> Any:
    """A value that the file ``name`` says, as the field holds it; input files are relative to the file's folder.

    Raises :class:`InputError` that calls the field ``spoken``, or by its name, for a value of another kind.
    """
    return _with_files(place.row.kind, _read_value(name, place, value, spoken), lambda file: beside(name, file))


def _with_files(kind: Kind, value: Any, change: Callable[[str], str]) -> Any:
    """A value with the names of input files in it changed."""
    if value is None or kind.record is None:
        if kind.file != "input" or value is None:
            return value
        return tuple(change(file) for file in value) if isinstance(value, tuple) else change(value)
    named = [place for place in own_places(kind.record) if place.row.kind.file == "input"]
    return tuple(
        replace(item, **{p.name: change(p.value(item)) for p in named if isinstance(p.value(item), (str, os.PathLike))})
        for item in value
    )


def _read_value(name: str, place: Place, value: object, spoken: str = "") -> Any:
    kind = place.row.kind.in_toml or place.row.kind
    try:
        return kind.read(_opened(value))
    except Mismatch as mismatch:
        raise kind.refusal(mismatch, value, f"{name}: {spoken or place.name}", place.row.unit) from None


def _opened(value: object) -> object:
    """A value of a TOML file as Python has it: parts of lists may be unset."""
    return [None if part == _UNSET else part for part in value] if isinstance(value, list) else value


def beside(name: str, file: str) -> str:
    """``file``, which is relative to the folder of ``name``, relative to the current folder."""
    folder = os.path.dirname(name)
    if folder in ("", ".") or os.path.isabs(file) or not file:
        return file
    joined = os.path.join(folder, file)
    short = os.path.normpath(joined)
    # With a linked folder, "folder/.." is not where the folder's name suggests.
    return short if "\0" not in joined and os.path.realpath(short) == os.path.realpath(joined) else joined


def unknown(place: str, key: str, known: list[str]) -> InputError:
    """The error that names a key and the one that is like it, or all ``known`` ones."""
    near = difflib.get_close_matches(key, known, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else f", expected one of {', '.join(known)}"
    return InputError(f"{place}: found an unknown key{hint}")


# ---- writing ----------------------------------------------------------------------------------------------


def _written_values(run: Run, name: str) -> dict[str, Any]:
    """What a file of that name says, by key; keys that are unset are not there."""
    values = {key: _written_value(place, place.value(run), name) for key, place in PLACES.items()}
    return {key: value for key, value in values.items() if value is not None}


def _written_value(place: Place, value: Any, name: str) -> Any:
    kind = place.row.kind
    if value is None:
        return _NOT_WRITTEN if kind.file == "output" else None
    checked = kind.checked(value, place.name, place.row.unit)
    for field, file in _files_in(kind, place.name, checked):
        if not isinstance(file, (str, os.PathLike)):
            raise InputError(
                f"{field}: found an array, expected the name of a file: arrays cannot be written to {name}"
            )
    if isinstance(checked, os.PathLike):
        checked = os.fspath(checked)
    return _with_files(kind, checked, lambda file: relative(os.fspath(file), name))


def _files_in(kind: Kind, name: str, value: Any) -> list[tuple[str, Any]]:
    """What stands for input files, and the fields that they are in."""
    if kind.record is None:
        return [(name, value)] if kind.file == "input" else []
    files = [place for place in own_places(kind.record) if place.row.kind.file == "input"]
    return [
        (f"{name}: {place.name} of number {number}", place.value(item))
        for number, item in enumerate(value)
        for place in files
        if place.value(item) is not None
    ]


def _plain_text(values: dict[str, Any]) -> str:
    """The file without another one as its pattern."""
    lines = ["# A run of nanobragg; the keys are explained in specs/config.md.", ""]
    lines += [f"{place} = {_toml(value, place)}" for place, value in values.items() if "." not in place]
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        own = {place: value for place, value in values.items() if place.startswith(f"{section}.")}
        records = {place: value for place, value in own.items() if PLACES[place].row.kind.record is not None}
        for place, value in own.items():
            if place not in records:
                lines.append(f"{place.removeprefix(f'{section}.')} = {_toml(value, place)}")
        # Whatever followed the tables would belong to the last of them.
        for place, items in records.items():
            for item in items:
                lines += ["", f"[[{place}]]", *(f"{key} = {text}" for key, text in _fields_of(item, place).items())]
    return "\n".join(lines) + "\n"


def _fields_of(record: Any, place: str) -> dict[str, str]:
    """The fields of a record in a list that are not what they are by themselves, as TOML."""
    said = [each for each in own_places(type(record)) if repr(each.value(record)) != repr(each.row.default)]
    return {each.name: _toml(each.value(record), f"{place}.{each.name}") for each in said}


def _like_text(run: Run, values: dict[str, Any], like: str, name: str) -> str:
    """The file ``like``, changed where it is to say something else under the name ``name``."""
    from nanobragg.inputs.toml_update import update_toml

    content = read_bytes(like)
    document = parsed(like, content)
    run_of(document, like)  # for its sentences about mistakes
    said = _said(document)
    changes: dict[str, str | None] = {}
    for key, place in PLACES.items():
        value = values.get(key)
        if key in said:
            same = value is not None and _same(_said_value(place, said[key], like), value)
            same = same or (place.row.kind.file == "input" and _same_file(like, str(said[key]), name, value))
        else:
            same = value is None or _same(_default(place), value)
        if not same:
            changes[key] = None if value is None else _toml(value, key)
    return update_toml(content.decode("utf-8"), changes, like)


def _said(document: dict[str, Any]) -> dict[str, Any]:
    """The values of a file by key."""
    said = {key: value for key, value in document.items() if key not in SECTIONS}
    return said | {f"{section}.{key}": v for section in SECTIONS for key, v in document.get(section, {}).items()}


def _said_value(place: Place, value: object, like: str) -> Any:
    return value if value is _NOT_WRITTEN else _read_value(like, place, value)


def _default(place: Place) -> object:
    return _NOT_WRITTEN if place.row.default is None and place.row.kind.file == "output" else place.row.default


def _same(a: Any, b: Any) -> bool:
    """Whether two values mean the same: one number may stand for three, and NaN is NaN."""
    if isinstance(a, tuple) != isinstance(b, tuple):
        number, several = (b, a) if isinstance(a, tuple) else (a, b)
        return isinstance(number, (int, float)) and all(repr(number) == repr(each) for each in several)
    return repr(a) == repr(b)


def _same_file(like: str, said: str, name: str, value: object) -> bool:
    """Whether a file that ``like`` names is still meant, and the same words name it in the new file."""
    folders = [os.path.realpath(os.path.dirname(file) or ".") for file in (like, name)]
    return folders[0] == folders[1] and relative(beside(like, said), name) == value


def relative(file: str, name: str) -> str:
    """``file``, which is relative to the current folder, relative to the folder of ``name``."""
    folder = os.path.realpath(os.path.dirname(name) or ".")
    if not file or "\0" in file or os.path.isabs(file) or folder == os.path.realpath("."):
        return file
    return os.path.relpath(os.path.realpath(file), folder)


def _toml(value: object, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return f'"{_UNSET}"'
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(v, place) for v in value)}]"
    if is_dataclass(value):
        return f"{{{', '.join(f'{key} = {text}' for key, text in _fields_of(value, place).items())}}}"
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
