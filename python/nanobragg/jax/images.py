"""Images as functions of arrays, with exact gradients."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nanobragg.differentiation.functions import ImageFunction
from nanobragg.records.experiment import Experiment
from nanobragg.rendering.devices import Device

try:
    from jax import enable_x64
except ImportError:  # before JAX 0.8
    from jax.experimental import enable_x64

_CUDA = 2
"""DLPack's number of this kind of device."""


def simulate(
    experiment: Experiment,
    *,
    precision: str = "double",
    threads: int = 0,
    device: Device | None = None,
    roi: tuple[int, int, int, int] | None = None,
    **arrays: Any,
) -> jax.Array:
    """The image as a function of some of the experiment's parameters, which JAX differentiates backward::

        def loss(misset):
            return target(nanobragg.jax.simulate(experiment, **{"crystal.misset": misset}))

        jax.grad(loss)(jnp.array([10.0, 20.0, 30.0]))        # per degree

    Gradients are those of :func:`nanobragg.derivatives.gradient`, exact and, unless said, in double precision;
    ``jit``, ``grad``, ``vjp`` and ``vmap`` may be put around it. JAX has float64 arrays after
    ``jax.config.update("jax_enable_x64", True)`` alone: with float32, parameters have seven digits.

    Args:
        experiment: what else is simulated.
        precision: ``double`` or ``mixed``, as :func:`nanobragg.derivatives.gradient` has them.
        threads: 0 for all processors.
        device: where both are computed, as :func:`nanobragg.derivatives.gradient` has it; ``None``: on the CUDA device
            of the arrays, where images stay, if this installation has CUDA, else on the processors. ``jit`` and
            ``vmap`` do not tell where arrays are: ``None`` is the processors there, and images go by the host.
        roi: fast first, fast last, slow first, slow last; all else is 0.
        arrays: values of parameters, as :func:`nanobragg.torch.simulate` has them, batches too.

    Returns:
        The image (slow, fast), or as :attr:`nanobragg.Scene.image_shape` has it, without noise; with a batch (n, ...).
        float64, or float32 where JAX has no other.

    Raises:
        InputError: for a name or precision that there is not, and a value of another shape. What else a value cannot
            be, JAX raises as an error of its own when the image is computed, unless that stays on a device.

    """
    values = tuple(jnp.asarray(value, dtype=float) for value in arrays.values())
    shapes = [value.shape for value in values]
    function = ImageFunction(
        experiment, list(arrays), shapes, precision=precision, threads=threads, device=device, roi=roi
    )
    return _differentiable()(function, values)


@cache
def _differentiable() -> Any:
    image = jax.custom_vjp(_image, nondiff_argnums=(0,))
    image.defvjp(_forward, _backward)
    return image


def _image(function: ImageFunction, values: tuple[jax.Array, ...]) -> jax.Array:
    numbers, shape = _devices_of(values), jax.ShapeDtypeStruct(function.shape, jnp.result_type(float))
    function = function.beside(numbers)
    there = function.images_there(_arrays(values)) if function.place in numbers else None
    if there is not None:
        return jnp.stack([jnp.from_dlpack(one) for one in there]).reshape(shape.shape).astype(shape.dtype)

    def image(*given: jax.Array) -> Any:
        return function.image(_arrays(given)).astype(shape.dtype)

    return jax.pure_callback(image, shape, *values, vmap_method="sequential")


def _forward(function: ImageFunction, values: tuple[jax.Array, ...]) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    return _image(function, values), values


def _backward(function: ImageFunction, values: tuple[jax.Array, ...], weights: jax.Array) -> tuple[Any, ...]:
    numbers = _devices_of(values)
    function = function.beside(numbers)
    if function.place in numbers and function.place in _devices_of([weights]):
        return (_slopes_there(function, values, weights),)
    shapes = tuple(jax.ShapeDtypeStruct(value.shape, value.dtype) for value in values)

    def slopes(weights: jax.Array, *given: jax.Array) -> Any:
        found = function.slopes(_arrays(given), _arrays([weights])[0], [True] * len(given))
        return tuple(slope.astype(shape.dtype) for slope, shape in zip(found, shapes, strict=True))

    return (jax.pure_callback(slopes, shapes, weights, *values, vmap_method="sequential"),)


def _slopes_there(function: ImageFunction, values: tuple[jax.Array, ...], weights: jax.Array) -> tuple[jax.Array, ...]:
    with enable_x64(True):  # weights are float64 on the device even where JAX has float32 alone
        images = weights.astype(jnp.float64)
        there = list(images) if function.batched else [images]
    jax.block_until_ready(there)  # its work on them is done
    found = function.slopes(_arrays(values), there, [True] * len(values))
    return tuple(
        jax.device_put(slope.astype(value.dtype), value.sharding) for slope, value in zip(found, values, strict=True)
    )


def _devices_of(arrays: Sequence[Any]) -> list[int]:
    """The numbers of the CUDA devices that arrays are on: of none in ``jit`` and ``vmap``, nor of one on several."""
    if any(isinstance(array, jax.core.Tracer) for array in arrays):
        return []
    numbers = []
    for array in arrays:
        with suppress(BufferError):
            kind, number = array.__dlpack_device__()
            numbers += [number] if kind == _CUDA else []
    return numbers


def _arrays(given: Any) -> list[np.ndarray]:
    return [np.asarray(array, dtype=np.float64) for array in given]
