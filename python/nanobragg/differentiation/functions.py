"""The image of an experiment as a function of some of its parameters: what libraries of tensors are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.differentiation.names import targets_of
from nanobragg.differentiation.point import Point, moved, point_of
from nanobragg.differentiation.slopes import image_at, slopes_at, slopes_there
from nanobragg.differentiation.values import replaced
from nanobragg.errors import InputError
from nanobragg.rendering.derivatives import render_there, stays
from nanobragg.rendering.devices import checked_precision, checked_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.differentiation.names import Target
    from nanobragg.records.experiment import Experiment
    from nanobragg.rendering.devices import Device

    Arrays = Sequence[NDArray[np.float64]]


class ImageFunction:
    """The image of an experiment as a function of some parameters, and the derivatives of its weighted sums.

    A value is of the parameter's shape, or has one axis before that, a batch; batches are of one length. Files are read
    once, and structure factors of a model held.

    Args:
        experiment: what else is simulated.
        names: of the parameters, in the order of their values.
        shapes: of the values.
        precision: ``double`` or ``mixed``.
        threads: 0 for all processors.
        device: where it is computed, as :func:`nanobragg.derivatives.jacobian` has it; ``None``: on the processors,
            unless :meth:`beside` is told of another.
        roi: fast first, fast last, slow first, slow last.

    Raises:
        InputError: for a name or precision that there is not, and values of other shapes.

    """

    def __init__(
        self,
        experiment: Experiment,
        names: Sequence[str],
        shapes: Sequence[Sequence[int]],
        *,
        precision: str = "double",
        threads: int = 0,
        device: Device | None = "cpu",
        roi: tuple[int, int, int, int] | None = None,
    ) -> None:
        self._threads, self._roi = checked_threads(threads), roi
        self._is_asked_for = device is not None
        self._how: dict[str, Any] = {"precision": checked_precision(precision), "device": device or "cpu"}
        self._experiment, self._point = experiment, point_of(experiment, roi, around=True)
        self._targets = targets_of(names, self._point)
        _apart(self._targets)
        self._new_factors = any(target.of_grid for target in self._targets)
        self._batched = [_batched(target, tuple(shape)) for target, shape in zip(self._targets, shapes, strict=True)]
        lengths = {shape[0] for shape, batched in zip(shapes, self._batched, strict=True) if batched}
        if len(lengths) > 1:
            found = ", ".join(str(length) for length in sorted(lengths))
            raise InputError(f"{names[self._batched.index(True)]}: found batches of {found}, expected one length")
        self._length = next(iter(lengths), None)
        self._count = 1 if self._length is None else self._length
        one = self._point.scene.image_shape
        self.batched = self._length is not None
        """Whether there is a batch of images."""
        self.shape: tuple[int, ...] = one if self._length is None else (self._length, *one)
        """Shape of the image; with a batch, of one image after the other."""

    def beside(self, numbers: Sequence[int]) -> ImageFunction:
        """The function of arrays on CUDA devices of these numbers: unless a device was asked for, it is computed on the
        first of them if this installation can, else on the processors.
        """
        from nanobragg.rendering.cuda_system import cuda_system

        if self._is_asked_for or not numbers or numbers[0] not in [one.number for one in cuda_system().devices]:
            return self
        other = copy(self)
        other._how = {**self._how, "device": f"cuda:{numbers[0]}"}
        return other

    @property
    def place(self) -> int | None:
        """The number of the CUDA device where images stay; ``None`` where they do not."""
        return None if self._point.veil is not None else stays(self._point.scene, self._how["device"])

    def image(self, values: Arrays) -> NDArray[np.float64]:
        """The image, or images, at some values."""
        out = np.empty(self.shape)
        for number in range(self._count):
            out[... if self._length is None else number] = image_at(
                self._at(values, number), self._threads, **self._how
            )
        return out

    def images_there(self, values: Arrays) -> list[Any] | None:
        """The images of a batch one by one (of none: of one), each in the memory of the CUDA device that it is computed
        on (:func:`~nanobragg.rendering.derivatives.render_there`); ``None`` where they do not stay there, or there are
        none.
        """
        number = self.place
        if number is None or self._count == 0:
            return None
        return [render_there(self._at(values, which).scene, number) for which in range(self._count)]

    def slopes(self, values: Arrays, weights: Any, wanted: Sequence[bool]) -> list[NDArray[np.float64]]:
        """The derivatives of Σ weights · image by each value, in its shape; zeros by those that are not ``wanted``.
        ``weights``: in the shape of the image; or where images stay on the device a list of what lies there, one for
        each image (:func:`~nanobragg.rendering.derivatives.render_vjp_there`).
        """
        out = [np.zeros(np.shape(value)) for value in values]
        chosen = [number for number, is_wanted in enumerate(wanted) if is_wanted]
        names = [self._targets[number].name for number in chosen]
        for number in range(self._count if chosen else 0):
            point = self._at(values, number)
            targets = targets_of(names, point)
            if isinstance(weights, list):
                where = stays(point.scene, self._how["device"])
                assert where is not None
                found = slopes_there(point, targets, weights[number], where)
            else:
                own = weights if self._length is None else weights[number]
                found = slopes_at(point, targets, own, self._threads, **self._how)
            for which, slope in zip(chosen, found, strict=True):
                out[which][number if self._batched[which] else ...] += slope
        return out

    def _at(self, values: Arrays, number: int) -> Point:
        """Where a member of the batch is."""
        own = [value[number] if batched else value for value, batched in zip(values, self._batched, strict=True)]
        for target, value in zip(self._targets, own, strict=True):
            if not np.isfinite(value).all():
                raise InputError(f"{target.name}: found nan or inf, expected finite numbers")
        if self._new_factors:
            return point_of(replaced(self._experiment, self._targets, own, self._point), self._roi, around=True)
        return moved(self._point, replaced(self._point.said.experiment, self._targets, own, self._point), self._roi)


def _apart(targets: Sequence[Target]) -> None:
    """Raises :class:`InputError` for a number that two of the targets are: one of their values would be in vain."""
    taken: dict[tuple[str, tuple[int, ...]], str] = {}
    for target in targets:
        of_grid = target.row.name == "crystal.structure_factors"  # h, k, l; of others one index or several
        numbers = target.numbers
        places = {one.index for one in numbers} if of_grid else {(i,) for one in numbers for i in one.index}
        for place in places or {()}:
            first = taken.setdefault((target.row.name, place), target.name)
            if first != target.name:
                raise InputError(f"{target.name}: found the same number in {first}, expected one of the two")


def _batched(target: Target, shape: tuple[int, ...]) -> bool:
    """Whether a value of this shape is a batch of the parameter's values."""
    if shape == target.shape:
        return False
    if len(shape) == len(target.shape) + 1 and shape[1:] == target.shape:
        return True
    one = " x ".join(str(n) for n in target.shape) or "one number"
    raise InputError(f"{target.name}: found values of shape {shape}, expected {one}, or a batch of such")
