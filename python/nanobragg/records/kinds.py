"""What values may be: each kind checks and reads a value, says what it expects, and describes itself to editors.

A kind is the same wherever a value comes from: a script, a TOML file or the command line. Only files of arrays
differ (a TOML file can name them, a script can also hand them over); such kinds have another one for TOML.
"""

from __future__ import annotations

import math
import operator
import os

from nanobragg.errors import InputError

TYPE_CHECKING = False  # typing's own costs a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    Letter = Literal["r", "i", "t"]
    Read = Callable[[Any], Any]
    """Gives the value as a field holds it. Raises :class:`Mismatch`."""


class Mismatch(Exception):
    """The value is not of the kind. What exactly was found, and expected, is said where it is not the whole value."""

    def __init__(self, found: str = "", expected: str = "") -> None:
        super().__init__(found, expected)
        self.found, self.expected = found, expected


class Kind:
    """A kind of value. (Not a dataclass: to make one takes longer than all else here, at every start.)"""

    def __init__(
        self,
        *,
        expected: str,
        read: Read,
        schema: dict[str, Any],
        words: tuple[str, ...] = (),
        letter: Letter = "t",
        least: int = 1,
        most: int = 1,
        argument: str = "",
        file: Literal["", "input", "output", "cache"] = "",
        in_toml: Kind | None = None,
        record: type | None = None,
    ) -> None:
        self.expected = expected
        """What it is, in words that follow "expected"."""
        self.read = read
        self.schema = schema
        """What TOML files may hold, as a JSON schema."""
        self.words = words
        """The words that are accepted, besides numbers and names."""
        self.letter = letter
        """What a word of a command line is for it: r (real), i (integer), t (text)."""
        self.least, self.most = least, most
        """Words that a command line must, and may, have for it."""
        self.argument = argument
        """How help writes these words; ``{unit}`` stands for the unit."""
        self.file = file
        """Input files that a TOML file names are relative to its folder, the others to the current one."""
        self.in_toml = in_toml
        """What TOML files can hold, if that is not the same."""
        self.record = record
        """What each item of a list of records is."""

    def checked(self, value: object, place: str, unit: str = "") -> Any:
        """The value as a field holds it.

        Args:
            value: what was found.
            place: the option, field or key, for the error.
            unit: of numbers, for the error.

        Raises:
            InputError: naming ``place``, what was found and what was expected.

        """
        try:
            return self.read(value)
        except Mismatch as mismatch:
            raise self.refusal(mismatch, value, place, unit) from None

    def refusal(self, mismatch: Mismatch, value: object, place: str, unit: str = "") -> InputError:
        """The error that says why ``value`` is not taken."""
        found = mismatch.found or shown(value)
        expected = mismatch.expected or self.expected + (f" ({unit})" if unit else "")
        return InputError(f"{place}: found {found}, expected {expected}")


def shown(value: object) -> str:
    """A value in a sentence: on one line, and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


# ---- one value --------------------------------------------------------------------------------------------


def _is_flag(value: object) -> bool:
    return type(value).__name__ in ("bool", "bool_")  # NumPy's, too


def _number(value: Any) -> float:
    text = isinstance(value, (str, bytes, bytearray))
    if text or _is_flag(value) or getattr(value, "ndim", 0) or not hasattr(value, "__float__"):
        raise Mismatch
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise Mismatch from None
    if math.isnan(number):
        raise Mismatch
    return number


def _finite(value: Any) -> float:
    number = _number(value)
    if math.isinf(number):
        raise Mismatch
    return number


def _such(read: Read, right: Callable[[Any], bool]) -> Read:
    """What reads values as ``read`` does, and takes those alone that are ``right``."""

    def such(value: Any) -> Any:
        found = read(value)
        if not right(found):
            raise Mismatch
        return found

    return such


def _whole(value: Any) -> int:
    if _is_flag(value):
        raise Mismatch
    try:
        number = operator.index(value)
    except TypeError:
        raise Mismatch from None
    if not -(2**63) <= number < 2**64:
        raise Mismatch
    return number


def _whole_or_finite(value: Any) -> float:
    return _whole(value) if hasattr(value, "__index__") else _finite(value)


def _flag(value: Any) -> bool:
    if not _is_flag(value):
        raise Mismatch
    return bool(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Mismatch
    return value


def _path(value: Any) -> Any:
    if not isinstance(value, (str, os.PathLike)):
        raise Mismatch
    return value


def _path_or_array(value: Any) -> Any:
    if isinstance(value, (str, os.PathLike, list, tuple)) or hasattr(value, "__array__"):
        return value
    raise Mismatch


def _path_or_none(value: Any) -> Any:
    return None if value is None else _path(value)


def _text_or_false(value: Any) -> Any:
    return None if value is False else _text(value)


def _rings(value: Any) -> str:
    try:
        resolutions(_text(value))
    except ValueError:
        raise Mismatch from None
    return value


def resolutions(text: str) -> list[float] | None:
    """Resolution rings, Å, as ``-png_rings`` has them; ``None`` for ``auto``.

    Raises:
        ValueError: when they are not positive numbers separated by commas.

    """
    if text == "auto":
        return None
    if not set(text) <= set("+-.0123456789eE,"):
        raise ValueError(text)
    rings = [float(part) for part in text.split(",")]
    if not all(0.0 < d < math.inf for d in rings):
        raise ValueError(text)
    return rings


def _device(value: Any) -> str:
    text = _text(value)
    number = text.removeprefix("cuda:")
    numbered = text != number and number.isascii() and number.isdigit() and len(number) < 6
    if text not in ("cpu", "cuda", "auto") and not numbered:
        raise Mismatch
    return text


# ---- several ----------------------------------------------------------------------------------------------


def _read_several(read: Read, least: int, most: int) -> Read:
    def several(value: Any) -> tuple[Any, ...]:
        if isinstance(value, (str, bytes, bytearray, dict)):
            raise Mismatch
        try:
            values = tuple(value)
        except TypeError:
            raise Mismatch from None
        if not least <= len(values) <= most:
            raise Mismatch
        return tuple(read(v) for v in values)

    return several


def _several(expected: str, item: Kind, least: int, most: int | None = None, argument: str = "") -> Kind:
    most = least if most is None else most
    return Kind(
        expected=expected,
        read=_read_several(item.read, least, most),
        schema={"type": "array", "items": item.schema, "minItems": least, "maxItems": most},
        letter=item.letter,
        least=least,
        most=most,
        argument=argument,
    )


def _either(expected: str, one: Kind, other: Kind, argument: str = "") -> Kind:
    def read(value: Any) -> Any:
        try:
            return one.read(value)
        except Mismatch:
            return other.read(value)

    return Kind(
        expected=expected,
        read=read,
        schema={"anyOf": [one.schema, other.schema]},
        words=one.words + other.words,
        letter=one.letter if one.letter == other.letter else "t",
        least=min(one.least, other.least),
        most=max(one.most, other.most),
        argument=argument,
    )


def choice(*words: str) -> Kind:
    """The kind of a field that is one of some words."""

    def read(value: Any) -> str:
        if _text(value) not in words:
            raise Mismatch
        return value

    expected = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
    return Kind(expected=expected, read=read, schema={"enum": list(words)}, words=words, argument=" | ".join(words))


def limited(expected: str, least: float, most: float = math.inf) -> Kind:
    """The kind of finite numbers that are within limits."""
    schema = {"type": "number", "minimum": least} | ({} if math.isinf(most) else {"maximum": most})
    right = _such(_finite, lambda x: least <= x <= most)
    return Kind(expected=expected, read=right, schema=schema, letter="r", argument="{unit}")


def one_or_several(expected: str, item: Kind, argument: str = "") -> Kind:
    """The kind of a field that is one thing, or a list of them; names of files stay such."""
    found = _either(expected, item, _several(expected, item, 1, 1_000_000), argument)
    found.file = item.file
    return found


def _unset_or(item: Kind) -> Kind:
    """In TOML, which has no ``None``, a part of a list that is unset is the word "unset"."""
    return Kind(
        expected=f"{item.expected} or unset",
        read=lambda value: None if value is None else item.read(value),
        schema={"anyOf": [item.schema, {"enum": ["unset"]}]},
        letter=item.letter,
    )


# ---- the kinds --------------------------------------------------------------------------------------------

_TEXT = {"type": "string"}

NUMBER = Kind(expected="a finite number", read=_finite, schema={"type": "number"}, letter="r", argument="{unit}")
NOT_NEGATIVE = limited("a number of 0 or more", 0)
POSITIVE = Kind(
    expected="a number above 0",
    read=_such(_finite, lambda x: x > 0.0),
    schema={"type": "number", "exclusiveMinimum": 0},
    letter="r",
    argument="{unit}",
)
FRACTION = limited("a number from 0 to 1", 0, 1)
DEPTH = Kind(
    expected="a finite number or inf",
    read=_number,
    schema={"type": "number"},
    words=("inf",),
    argument="{unit} | inf",
)
WHOLE = Kind(expected="a whole number", read=_whole, schema={"type": "integer"}, letter="i", argument="n")
NATURAL = Kind(
    expected="a whole number, 0 or more",
    read=_such(_whole, lambda n: n >= 0),
    schema={"type": "integer", "minimum": 0},
    letter="i",
    argument="n",
)
COUNT = Kind(
    expected="a whole number, 1 or more",
    read=_such(_whole, lambda n: n >= 1),
    schema={"type": "integer", "minimum": 1},
    letter="i",
)
FLAG = Kind(expected="true or false", read=_flag, schema={"type": "boolean"}, least=0, most=0)
NAME = Kind(expected="a name", read=_text, schema=_TEXT, argument="name")

VECTOR = _several("three finite numbers", NUMBER, 3, argument="x y z")
ANGLES = _either("three finite numbers or random", VECTOR, choice("random"), argument="x y z | random")
CELL = _several("one to six finite numbers", NUMBER, 1, 6, argument="a b c alpha beta gamma")
_CELLS = Kind(expected="a finite number", read=_whole_or_finite, schema={"type": "number"}, letter="r")
CELLS = _either("a finite number or three", _CELLS, _several("three finite numbers", _CELLS, 3))
_SIZES = _several("three finite numbers of which some may be unset", _unset_or(NUMBER), 3)
SIZES = _either("a finite number, or three of which some may be unset", NUMBER, _SIZES)
TWO_WHOLE = _several("two whole numbers of which some may be unset", _unset_or(WHOLE), 2)
TWO_NUMBERS = _several("two finite numbers of which some may be unset", _unset_or(NUMBER), 2)
REGION = _several("four whole numbers", WHOLE, 4, argument="xmin xmax ymin ymax")
PIXEL = _several("two whole numbers, 0 or more", NATURAL, 2)
RASTER = _several("two whole numbers, 1 or more", COUNT, 2)
EDGES = _either("a number above 0, or two", POSITIVE, _several("two numbers above 0", POSITIVE, 2))
REGIONS = _several("regions of four whole numbers", REGION, 0, 100_000)
ELEMENT = _several("two or three whole numbers, 0 or more", NATURAL, 2, 3)

_FILE = Kind(expected="the name of a file", read=_text, schema=_TEXT)
INPUT_FILE = Kind(expected=_FILE.expected, read=_path, schema=_TEXT, file="input", argument="file")
CACHE_FILE = Kind(expected=_FILE.expected, read=_path, schema=_TEXT, file="cache", argument="file")
FILE_OR_ARRAY = Kind(
    expected="the name of a file or an array",
    read=_path_or_array,
    schema=_TEXT,
    file="input",
    in_toml=_FILE,
    argument="file",
)
_FILE_OR_FALSE = Kind(
    expected="the name of a file, or false for none",
    read=_text_or_false,
    schema={"anyOf": [_TEXT, {"const": False}]},
)
OUTPUT_FILE = Kind(
    expected=_FILE.expected,
    read=_path_or_none,
    schema=_FILE_OR_FALSE.schema,
    file="output",
    in_toml=_FILE_OR_FALSE,
    argument="file",
)

DEVICE = Kind(
    expected="cpu, cuda, cuda:NUMBER or auto",
    read=_device,
    schema={"type": "string", "pattern": r"^(cpu|cuda|cuda:[0-9]{1,5}|auto)$"},
    words=("cpu", "cuda", "auto"),
    argument="cpu | cuda | cuda:n | auto",
)
RINGS = Kind(
    expected="auto or resolutions separated by commas",
    read=_rings,
    schema={"type": "string", "pattern": r"^(auto|[-+0-9.eE]+(,[-+0-9.eE]+)*)$"},
    words=("auto",),
    argument="auto | d,d,...",
)
