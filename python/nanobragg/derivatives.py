"""Derivatives of the image by what users say (``specs/derivatives.md``).

    from nanobragg.derivatives import gradient, jacobian, parameters
    image, columns = jacobian(experiment, ["crystal.misset[0]", "detector.distance"])   # photons per degree, per mm
    slopes = gradient(experiment, weights, ["crystal.cell[0]", "crystal.misset"])       # slopes of Σ weights · image

Both are exact: nothing is a difference of two images. Parameters have the names and units of the experiment's fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.differentiation.fields import Parameter, known
from nanobragg.differentiation.names import choose, targets_of
from nanobragg.differentiation.point import point_of
from nanobragg.differentiation.slopes import columns_at, slopes_at
from nanobragg.differentiation.values import with_values as with_values
from nanobragg.records.experiment import Experiment
from nanobragg.rendering.devices import Device

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Region = tuple[int, int, int, int]


def parameters(experiment: Experiment) -> Mapping[str, Parameter]:
    """What the image of an experiment can be differentiated by, by name, with value, unit, shape and smoothness.

    Fields that nobody said are not among them, but for those that may be said without another effect
    (``crystal.misset``, ``beam.wavelength``, ``beam.fluence``, ``sampling.phi``).

    Raises:
        InputError: as :func:`nanobragg.resolve` does.

    """
    return {name: parameter for name, (_, parameter) in known(point_of(experiment, around=True)).items()}


def jacobian(
    experiment: Experiment,
    names: Iterable[str],
    *,
    precision: str = "double",
    threads: int = 0,
    device: Device = "cpu",
    roi: Region | None = None,
    pixels: ArrayLike | None = None,
    progress: Callable[[float], object] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The image, and its derivatives by some parameters.

    Args:
        experiment: what is simulated.
        names: k of them, each of one number: ``beam.wavelength``, ``crystal.misset[2]``, ``crystal.cell[0]``;
            ``crystal.cell.hexagonal.a`` (a and b together), for the free numbers of each crystal system;
            ``crystal.structure_factors[1,2,3]`` (h, k, l, in P 1).
        precision: ``double``, or ``mixed``: shapes and their derivatives in single precision, 0.7 to 1 of the time.
        threads: 0 for all processors. The result does not depend on it.
        device: ``cpu``, ``cuda``, ``cuda:NUMBER`` or ``auto`` (a GPU if there is one and the work is worth it). A CUDA
            device computes in double precision whichever is asked for.
        roi: fast first, fast last, slow first, slow last; all else is 0.
        pixels: which pixels are wanted, a boolean array in the image's shape; ``None``: all. Others take no time.
        progress: called now and then with the fraction done, where it takes seconds; what it raises ends it.

    Returns:
        The image, float64 (slow, fast), or as :attr:`nanobragg.Scene.image_shape` has it for several panels; and the
        columns, (k, slow, fast), photons per unit of the parameter. With n chosen pixels these alone, (n,) and (k, n),
        as ``image[pixels]`` has them.

    Raises:
        InputError: for a name that there is not, with those that there are; for an image that depends on the order of
            evaluations (quirk running_product); and as :func:`nanobragg.resolve` does.
        DeviceError: if there is no such device, or too little memory on it.
        KeyboardInterrupt: on Ctrl-C, within seconds.

    """
    point = point_of(experiment, roi, around=True)
    return columns_at(
        point, choose(names, point), threads, precision=precision, device=device, pixels=pixels, progress=progress
    )


def gradient(
    experiment: Experiment,
    weights: ArrayLike,
    names: Iterable[str] | None = None,
    *,
    precision: str = "double",
    threads: int = 0,
    device: Device = "cpu",
    roi: Region | None = None,
    pixels: ArrayLike | None = None,
    progress: Callable[[float], object] | None = None,
) -> dict[str, float | NDArray[np.float64]]:
    """The derivatives of Σ weights · image by some parameters, at the price of several images however many they are.

    Args:
        experiment: what is simulated.
        weights: one for each pixel, in the image's shape (with n chosen pixels (n,)): for a target function, its
            derivative by the pixel.
        names: as :func:`jacobian` has them; without an index, of all numbers of a field; ``None``: everything in
            :func:`parameters`.
        precision: ``double``, or ``mixed``: shapes and their derivatives in single precision, 0.7 to 1.1 of the time.
        threads: 0 for all processors. The result does not depend on it.
        device: ``cpu``, ``cuda``, ``cuda:NUMBER`` or ``auto`` (a GPU if there is one and the work is worth it). A CUDA
            device computes in double precision whichever is asked for.
        roi: fast first, fast last, slow first, slow last.
        pixels: which pixels are wanted, a boolean array in the image's shape; ``None``: all. Others take no time.
        progress: called now and then with the fraction done, where it takes seconds; what it raises ends it.

    Returns:
        A number for each name, or an array of the parameter's shape; of structure factors (H, K, L) on whole indices
        from ``scene.f_min`` on.

    Raises:
        InputError: as :func:`jacobian` does, and for weights of another shape.
        DeviceError: as :func:`jacobian` does.
        KeyboardInterrupt: on Ctrl-C, within seconds.

    """
    point = point_of(experiment, roi, around=True)
    targets = targets_of(names, point)
    slopes = slopes_at(
        point, targets, weights, threads, precision=precision, device=device, pixels=pixels, progress=progress
    )
    return dict(zip([target.name for target in targets], slopes, strict=True))
