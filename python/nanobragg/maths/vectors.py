"""Vectors of the laboratory frame as plain tuples: small, exact in their order of operations, and quick to import."""

from __future__ import annotations

from typing import Any

from nanobragg.maths.duals import cos, sin, sqrt

Vec = tuple[float, float, float]


def dot(u: Vec, v: Vec) -> float:
    """U · v."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


def cross(u: Vec, v: Vec) -> Vec:
    """U × v."""
    return (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])


def norm(v: Vec) -> float:
    """|v|."""
    return sqrt(dot(v, v))


def scale(factor: float, v: Vec) -> Vec:
    """Factor · v."""
    return (factor * v[0], factor * v[1], factor * v[2])


def unit(v: Vec) -> Vec:
    """V / |v|; the zero vector stays what it is."""
    length = norm(v)
    return (v[0] / length, v[1] / length, v[2] / length) if length != 0.0 else (0.0, 0.0, 0.0)


def rescale(v: Vec, length: float) -> Vec:
    """V with the given length (a zero vector stays zero)."""
    old = norm(v)
    return scale(length / (old if old > 0.0 else 1.0), v)


def rotate(v: Vec, rx: float, ry: float, rz: float) -> Vec:
    """V turned about lab x by rx, then lab y by ry, then lab z by rz (radians, right-handed)."""
    x, y, z = v
    if rx != 0.0:
        c, s = cos(rx), sin(rx)
        y, z = y * c + z * -s, y * s + z * c
    if ry != 0.0:
        c, s = cos(ry), sin(ry)
        x, z = x * c + z * s, x * -s + z * c
    if rz != 0.0:
        c, s = cos(rz), sin(rz)
        x, y = x * c + y * -s, x * s + y * c
    return (x, y, z)


def rotate_axis(v: Vec, axis: Vec, angle: float) -> Vec:
    """Rodrigues' formula, literally, also when ``axis`` is not a unit vector (radians)."""
    return turn_about(v, axis, sin(angle), cos(angle))


def turn_about(v: Any, axis: Any, s: Any, c: Any) -> Any:
    """:func:`rotate_axis` by the angle with this sine and cosine; all may be arrays."""
    along = dot(axis, v) * (1.0 - c)
    turned = cross(axis, v)
    return (
        axis[0] * along + v[0] * c + turned[0] * s,
        axis[1] * along + v[1] * c + turned[1] * s,
        axis[2] * along + v[2] * c + turned[2] * s,
    )
