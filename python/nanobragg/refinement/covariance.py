"""How well shots determine what they have in common, and what each has of its own; in words what they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.refinement.arrow import Arrow
    from nanobragg.refinement.joint import Joint
    from nanobragg.refinement.variables import Variables

    Array = NDArray[np.float64]

_LEAST = 1e-15
"""a part of the largest eigenvalue; below it, nothing is known"""
_WEAK = 1e-3
"""An eigenvalue of the scaled normal matrix, whose diagonal is 1. A direction with one below is weak: along it the
numbers move 30 times as far as each of them alone could."""
_NOTHING = 1e-10
"""one that is 0 but for rounding"""
_NAMED = 0.2
"""a part of the largest component; smaller ones are not named"""
_AXES = "xyz"


class Determined(NamedTuple):
    """In the user's units."""

    covariances: list[Array]
    """(l + c, l + c) of each shot's own numbers and the common ones; what other shots leave unknown is in them"""
    weak: tuple[str, ...]
    """what the data cannot tell apart, in words"""


def determined(slopes: Arrow, target: Joint, x: Array) -> Determined:
    """Covariances and weak directions.

    Args:
        slopes: at the end; half the expected curvature of the misfit.
        target: whose slopes they are.
        x: (n,) where the refinement ended.

    """
    diagonal = slopes.diagonal
    dead = ~(diagonal > 0.0)
    size = np.sqrt(np.where(dead, 1.0, diagonal))
    scaled = slopes.scaled(np.where(dead, 0.0, 1.0 / size))
    inverses, alone = _inverted(scaled.blocks)
    follow = inverses @ scaled.borders
    values, vectors = np.linalg.eigh(scaled.head - np.einsum("slc,sld->cd", scaled.borders, follow))
    held = np.maximum(values, _LEAST * max(float(np.max(values, initial=0.0)), 1e-300))
    head = (vectors / held) @ vectors.T
    head_size, own_size = slopes.parted(size)
    head_dead, own_dead = slopes.parted(dead)
    every = target.unpacked(x)
    found = []
    for i, shot in enumerate(target.targets):
        mixed = -follow[i] @ head
        own = inverses[i] - mixed @ follow[i].T
        units = np.append(own_size[i], head_size)
        change = shot.variables.slopes(every[i]) / units
        covariance = change @ np.block([[own, mixed], [mixed.T, head]]) @ change.T
        gone = np.append(own_dead[i], head_dead)
        covariance[gone, gone] = np.inf
        found.append(covariance)
    words = []
    for vector, value, least in zip(_simplest(values, vectors).T, values, held, strict=True):
        own = -follow @ vector
        if value < _WEAK * (1.0 + float((own**2).sum())):
            moves = np.hstack([own / own_size, np.tile(vector / head_size, (len(own), 1))]) / np.sqrt(least)
            words.append(_words(np.append(np.sqrt((own**2).mean(axis=0)), vector), moves, target, every))
    return Determined(found, (*words, *_alone(alone, own_size, target, every), *_dead(head_dead, own_dead, target)))


def _inverted(blocks: Array) -> tuple[Array, list[tuple[int, Array, float]]]:
    """Inverses of the blocks, and their weak directions: shot, vector and value."""
    values, vectors = np.linalg.eigh(blocks)
    held = np.maximum(values, _LEAST * np.maximum(values.max(axis=1, initial=0.0), 1e-300)[:, None])
    weak = np.argwhere(values < _WEAK) if blocks.shape[1] > 1 else []
    directions = [(int(i), _simplest(values[i], vectors[i])[:, k], float(held[i, k])) for i, k in weak]
    return (vectors / held[:, None, :]) @ np.swapaxes(vectors, 1, 2), directions


def _simplest(values: Array, vectors: Array) -> Array:
    """Eigenvectors in columns; several of no value, any mixture of which is one, are turned so that each has few large
    components (varimax: H. F. Kaiser, *Psychometrika* **23** (1958) 187-200).
    """
    none = values < _NOTHING
    if none.sum() < 2:
        return vectors
    mixed = vectors[:, none]
    turn = np.eye(mixed.shape[1])
    for _ in range(100):
        turned = mixed @ turn
        left, _, right = np.linalg.svd(mixed.T @ (turned**3 - turned * (turned**2).mean(axis=0)))
        turn = left @ right
    found = vectors.copy()
    found[:, none] = mixed @ turn
    return found


# ---- in words -----------------------------------------------------------------------------------------------


def _words(share: Array, moves: Array, target: Joint, every: Array) -> str:
    """A direction in words: ``share`` (l + c) in standard deviations, ``moves`` (s, l + c) of each shot."""
    variables = target.targets[0].variables
    changes = np.array(
        [_change(t.variables, y) @ move for t, y, move in zip(target.targets, every, moves, strict=True)]
    )
    means, sizes = changes.mean(axis=0), np.sqrt((changes**2).mean(axis=0))
    alike = np.abs(means) > 0.5 * sizes
    names = [_name(variables, i) for i in range(len(variables))]
    if len(moves) > 1:
        names = [f"{n} of {'each shot' if alike[i] else 'shots'}" if i < target.own else n for i, n in enumerate(names)]
    return _named(share, np.where(alike, means, sizes), names, variables)


def _named(share: Array, moved: Array, names: Sequence[str], variables: Variables) -> str:
    """What a step of one standard deviation along a weak direction is, or a smaller one that people can imagine.

    Args:
        share: (n,) of each number, in standard deviations of it alone.
        moved: (n,) by how much it moves, in the user's units.
        names: of the numbers.
        variables: their starts and units.

    """
    large = np.flatnonzero(np.abs(share) >= _NAMED * np.abs(share).max())
    ordered = large[np.argsort(-np.abs(share[large]), kind="stable")]
    starts = np.array([abs(item.start) for item in variables.items])
    far = max((abs(moved[i]) / starts[i] for i in ordered if starts[i] > 0.0), default=0.0)
    part = min(1.0, 0.01 / far) if far > 0.1 else 1.0
    sign = part if moved[ordered[0]] >= 0.0 else -part
    parts = [f"{names[i]} {sign * moved[i]:+.3g} {variables.items[i].unit}".rstrip() for i in ordered]
    change = "1" if part == 1.0 else f"{part * part:.1g}"
    return f"together hardly determined: {', '.join(parts)} change chi-squared by {change}"


def _change(variables: Variables, y: Array) -> Array:
    """(n, n): the user's values by ``y``, of turns degrees about the laboratory's axes."""
    slopes = variables.slopes(y)
    for i in variables.turns:
        slopes[i] = 0.0
        slopes[i, i] = 1.0
    return slopes


def _name(variables: Variables, i: int) -> str:
    turn = variables.items[i].turn
    return variables.names[i] if turn is None else f"crystal.misset about lab {_AXES[turn]}"


def _alone(weak: list[tuple[int, Array, float]], sizes: Array, target: Joint, every: Array) -> list[str]:
    """What single shots cannot tell apart among their own numbers; the same of many is said once."""
    found: dict[tuple[int, ...], tuple[str, list[int]]] = {}
    for shot, vector, value in weak:
        moves = np.append(vector / sizes[shot] / np.sqrt(value), np.zeros(target.common))
        one = target.targets[shot].variables
        share = np.append(vector, np.zeros(target.common))
        names = [_name(one, i) for i in range(len(one))]
        text = _named(share, _change(one, every[shot]) @ moves, names, one)
        key = tuple(np.flatnonzero(np.abs(vector) >= _NAMED * np.abs(vector).max()).tolist())
        found.setdefault(key, (text, []))[1].append(shot)
    return [f"{_shots(shots, target)}{text}" for text, shots in found.values()]


def _shots(shots: Sequence[int], target: Joint) -> str:
    """Which shots a sentence is about; nothing where there is one only."""
    others = len(shots) - 1
    more = f" and {others} other{'s' if others > 1 else ''}" if others else ""
    return f"shot {shots[0]}{more}: " if len(target.targets) > 1 else ""


def _dead(head: NDArray[np.bool_], own: NDArray[np.bool_], target: Joint) -> list[str]:
    names = target.targets[0].variables.names
    words = [f"{names[target.own + i]}: the data do not depend on it" for i in np.flatnonzero(head)]
    for i in np.flatnonzero(own.any(axis=0)):
        shots = np.flatnonzero(own[:, i]).tolist()
        words.append(f"{_shots(shots, target)}{names[i]}: the data do not depend on it")
    return words
