"""The derivatives of the image, and of a weighted sum of its pixels, by what users say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.differentiation.fields import PROPORTIONAL, material_of
from nanobragg.differentiation.surroundings import veil_change
from nanobragg.differentiation.tangents import slopes_by, tangents
from nanobragg.errors import InputError
from nanobragg.records.panel import rendered_part
from nanobragg.records.scene_change import SceneChange
from nanobragg.rendering.derivatives import checked_weights, render_jvp, render_vjp, render_vjp_there

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.differentiation.names import Chosen, Target
    from nanobragg.differentiation.point import Point, Veil

_AROUND = ("material", "around")
"""Kinds of what moves nothing of the Scene."""
Slope = float | np.ndarray
"""By a target: a number, or an array of its shape."""


def image_at(point: Point, threads: int, **how: Any) -> NDArray[np.float64]:
    """The image. ``how``: see :func:`~nanobragg.rendering.derivatives.render_jvp`."""
    image, _ = columns_at(point, [], threads, **how)
    return image


def columns_at(
    point: Point, chosen: Sequence[Chosen], threads: int, *, pixels: ArrayLike | None = None, **how: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The image, and its derivatives by the chosen numbers. ``pixels``, ``how``: see
    :func:`~nanobragg.rendering.derivatives.render_jvp`.
    """
    changes = list(tangents([one for one in chosen if one.row.kind not in _AROUND], point))
    image, columns = render_jvp(point.scene, changes, threads=threads, pixels=pixels, **how)
    if point.veil is None:
        return image, columns
    veil, changed = point.veil.of(pixels), iter(zip(columns, changes, strict=True))
    found = np.empty((len(chosen), *image.shape))
    for one, column in zip(chosen, found, strict=True):
        if one.row.kind == "material":
            column[...] = _of_material(one, veil)
        else:
            of_spots, change = (0.0, SceneChange()) if one.row.kind == "around" else next(changed)
            column[...] = of_spots * veil.passed + _of_veil(one, change, point, veil, image, pixels)
    return image * veil.passed + veil.total, found


def _of_veil(
    one: Chosen, change: SceneChange, point: Point, veil: Veil, spots: NDArray[np.float64], pixels: ArrayLike | None
) -> NDArray[np.float64]:
    """How the image changes with a number by what is around the crystal, where the Scene changes so."""
    assert point.surroundings is not None
    brighter = _brighter(change, point) * veil.total
    own = one.parameter if one.row.kind == "around" or one.row.name == "beam.size" else None
    moved = veil_change(change, point.scene, point.surroundings, point.said.experiment, own)
    if moved is None:
        return brighter
    passed, added = moved if pixels is None else (each[np.asarray(pixels)] for each in moved)
    return brighter + spots * passed + added


def _brighter(change: SceneChange, point: Point) -> float:
    """How a material's photons, which are in proportion to the fluence, change by what there is of them."""
    if change.scale == 0.0:
        return 0.0
    if point.scene.scale == 0.0:
        raise InputError("-fluence (beam.fluence): found 0 with something around the crystal, expected another fluence")
    return change.scale / point.scene.scale


def _of_material(one: Chosen, veil: Veil) -> NDArray[np.float64]:
    """The derivative of a material's photons by a number that they go in proportion to."""
    number, field = material_of(one.parameter.name)
    return veil.added[number] * (PROPORTIONAL[field] / one.parameter.value)


def slopes_at(
    point: Point,
    targets: Sequence[Target],
    weights: ArrayLike,
    threads: int,
    *,
    pixels: ArrayLike | None = None,
    **how: Any,
) -> list[Slope]:
    """The derivatives of Σ weights · image by each target; ``how``: see
    :func:`~nanobragg.rendering.derivatives.render_vjp`. Pixels of no weight are left out, if most are.
    """
    given = checked_weights(weights)
    if pixels is None and given.shape == tuple(point.scene.image_shape) and _most_are_zero(given):
        pixels = given != 0
        given = given[pixels]
    grid = any(target.of_grid for target in targets)
    veil = None if point.veil is None else point.veil.of(pixels)
    behind = given
    if veil is not None and given.shape == veil.passed.shape:  # those of another shape are refused
        given = np.where(_rendered(point, pixels), given, 0.0)  # spots leave the others out, too, and be they NaN
        behind = given * veil.passed
    seen = veil is not None
    spots, change = render_vjp(point.scene, behind, threads=threads, grid=grid, pixels=pixels, image=seen, **how)
    numbers = [number for target in targets for number in target.numbers]
    if veil is None:
        slopes = iter(slopes_by(numbers, point, change))
    else:
        slopes = iter(_slopes_behind(numbers, point, veil, given, (spots, pixels), change))
    return [_taken(target, slopes, change) for target in targets]


def _most_are_zero(weights: NDArray[np.float64]) -> bool:
    """(Some tell whether all of them are worth counting: a million take a millisecond.)"""
    some = weights.reshape(-1)[:: max(1, weights.size // 2048) | 1]
    return bool(2 * np.count_nonzero(some) < some.size and 2 * np.count_nonzero(weights) < weights.size)


def _rendered(point: Point, pixels: ArrayLike | None) -> NDArray[np.bool_]:
    """Which of the chosen pixels are in the region of interest, and not masked."""
    every = np.concatenate([rendered_part(panel).ravel() for panel in point.scene.panels])
    every = every.reshape(point.scene.image_shape)
    return every if pixels is None else every[np.asarray(pixels)]


def slopes_there(point: Point, targets: Sequence[Target], weights: Any, number: int) -> list[Slope]:
    """The same by weights on a CUDA device (:func:`~nanobragg.rendering.derivatives.render_vjp_there`), where nothing
    is around the crystal.
    """
    change = render_vjp_there(point.scene, weights, number, grid=any(target.of_grid for target in targets))
    slopes = iter(slopes_by([n for t in targets for n in t.numbers], point, change))
    return [_taken(target, slopes, change) for target in targets]


def _slopes_behind(
    numbers: Sequence[Chosen],
    point: Point,
    veil: Veil,
    weights: NDArray[np.float64],
    seen: tuple[NDArray[np.float64], ArrayLike | None],
    change: SceneChange,
) -> list[float]:
    """The derivatives by some numbers where something is around the crystal. ``seen``: the crystal's photons, and which
    pixels they are of; ``change``: what the sum depends on the Scene by those that arrive.
    """
    moving = tangents([number for number in numbers if number.row.kind not in _AROUND], point)
    found = []
    for number in numbers:
        if number.row.kind == "material":
            found.append(float((weights * _of_material(number, veil)).sum()))
        else:
            tangent = SceneChange() if number.row.kind == "around" else next(moving)
            found.append(tangent.dot(change) + float((weights * _of_veil(number, tangent, point, veil, *seen)).sum()))
    return found


def _taken(target: Target, slopes: Iterator[float], change: SceneChange) -> Slope:
    """The derivatives by a target, from those by all numbers in their order."""
    if not target.numbers:
        return change.f_grid if change.f_grid is not None else np.zeros(target.shape)
    return np.array([next(slopes) for _ in target.numbers]) if target.whole else next(slopes)
