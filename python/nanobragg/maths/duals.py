"""Numbers that carry their derivatives along, and the functions that take them as well as plain ones.

The resolver's formulas are written for plain numbers and differentiated by running them on :class:`Dual` numbers
(``specs/derivatives.md``). For plain numbers, the functions here are those of :mod:`math` to the last bit. A dual
number is no ``float`` and cannot be made one by mistake: what does not know of derivatives refuses it.
"""

from __future__ import annotations

import math
from typing import Any

Slopes = tuple[float, ...]


class Dual:
    """A value, and its derivatives by some parameters."""

    __slots__ = ("slopes", "value")

    def __init__(self, value: float, slopes: Slopes) -> None:
        self.value, self.slopes = value, slopes

    def chained(self, value: float, slope: float) -> Dual:
        """A function of it that has this value and slope."""
        return Dual(value, tuple([slope * s for s in self.slopes]))

    # ---- arithmetic: each by itself, since thousands of them are the price of a gradient -----------------------

    def __add__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            pairs = zip(self.slopes, other.slopes, strict=True)
            return Dual(self.value + other.value, tuple([s + t for s, t in pairs]))
        return Dual(self.value + other, self.slopes)

    def __sub__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            pairs = zip(self.slopes, other.slopes, strict=True)
            return Dual(self.value - other.value, tuple([s - t for s, t in pairs]))
        return Dual(self.value - other, self.slopes)

    def __mul__(self, other: Any) -> Any:
        mine = self.value
        if isinstance(other, Dual):
            theirs, pairs = other.value, zip(self.slopes, other.slopes, strict=True)
            return Dual(mine * theirs, tuple([theirs * s + mine * t for s, t in pairs]))
        if other == 0.0:  # what does not change; axes are full of zeros
            return mine * other
        return Dual(mine * other, tuple([other * s for s in self.slopes]))

    def __truediv__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value / other, tuple([s / other for s in self.slopes]))
        divisor, pairs = other.value, zip(self.slopes, other.slopes, strict=True)
        ratio = self.value / divisor
        return Dual(ratio, tuple([(s - ratio * t) / divisor for s, t in pairs]))

    __radd__ = __add__

    def __rsub__(self, other: Any) -> Dual:
        return self.chained(other - self.value, -1.0)

    __rmul__ = __mul__

    def __rtruediv__(self, other: Any) -> Dual:
        return self.chained(other / self.value, -other / self.value / self.value)

    def __pow__(self, power: int) -> Dual:
        return self.chained(self.value**power, power * self.value ** (power - 1))

    def __neg__(self) -> Dual:
        return self.chained(-self.value, -1.0)

    def __pos__(self) -> Dual:
        return self

    def __abs__(self) -> Dual:
        return -self if self.value < 0.0 else self

    # ---- comparisons: by value; what changes is not equal to what does not ------------------------------------

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Dual):
            return self.value == other.value and self.slopes == other.slopes
        return self.value == other and not any(self.slopes)

    def __hash__(self) -> int:
        return hash((self.value, self.slopes))

    def __bool__(self) -> bool:
        return self != 0.0

    def __lt__(self, other: Any) -> bool:
        return self.value < plain(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= plain(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > plain(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= plain(other)

    def __ceil__(self) -> int:
        return math.ceil(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.slopes!r})"


# ---- functions of either ----------------------------------------------------------------------------------


def plain(x: Any) -> Any:
    """The value of a number, whichever it is."""
    return x.value if isinstance(x, Dual) else x


def slopes(x: Any, count: int) -> Slopes:
    """The derivatives of a number by ``count`` parameters: zeros of a plain one."""
    return x.slopes if isinstance(x, Dual) else (0.0,) * count


def number(x: Any) -> Any:
    """A plain number as a ``float``; a dual one stays what it is."""
    return x if isinstance(x, Dual) else float(x)


def sqrt(x: Any) -> Any:
    """The square root. Its derivatives at 0 are 0, of what is at rest there."""
    if not isinstance(x, Dual):
        return math.sqrt(x)
    root = math.sqrt(x.value)
    return x.chained(root, 0.5 / root if root > 0.0 else 0.0)


def sin(x: Any) -> Any:
    """The sine."""
    return x.chained(math.sin(x.value), math.cos(x.value)) if isinstance(x, Dual) else math.sin(x)


def cos(x: Any) -> Any:
    """The cosine."""
    return x.chained(math.cos(x.value), -math.sin(x.value)) if isinstance(x, Dual) else math.cos(x)


def isfinite(x: Any) -> bool:
    """Whether its value is neither infinite nor NaN."""
    return math.isfinite(plain(x))


def isinf(x: Any) -> bool:
    """Whether its value is infinite."""
    return math.isinf(plain(x))
