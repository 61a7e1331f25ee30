"""Images as functions of tensors, with exact gradients."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch

from nanobragg.differentiation.functions import ImageFunction
from nanobragg.errors import InputError
from nanobragg.records.experiment import Experiment
from nanobragg.rendering.devices import Device


def simulate(
    experiment: Experiment,
    *,
    precision: str = "double",
    threads: int = 0,
    device: Device | None = None,
    roi: tuple[int, int, int, int] | None = None,
    **tensors: Any,
) -> torch.Tensor:
    """The image as a function of some of the experiment's parameters, which PyTorch differentiates::

        orientation = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64, requires_grad=True)
        image = nanobragg.torch.simulate(experiment, **{"crystal.misset": orientation})
        loss(image).backward()                               # orientation.grad, per degree

    Gradients are those of :func:`nanobragg.derivatives.gradient`, exact and, unless said, in double precision; there
    are none of gradients.

    Args:
        experiment: what else is simulated.
        precision: ``double`` or ``mixed``, as :func:`nanobragg.derivatives.gradient` has them.
        threads: 0 for all processors.
        device: where both are computed, as :func:`nanobragg.derivatives.gradient` has it; ``None``: on the CUDA device
            of the tensors if this installation has CUDA, else on the processors.
        roi: fast first, fast last, slow first, slow last; all else is 0.
        tensors: values of parameters, by the names of :func:`nanobragg.derivatives.parameters`, in their units and
            shapes; or with one more axis before, a batch of values. Batches are of one length, and what is no batch
            holds for all.

    Returns:
        The image (slow, fast), or as :attr:`nanobragg.Scene.image_shape` has it, without noise; with a batch (n, …). In
        the tensors' type and on their device; without floating-point ones float64.

    Raises:
        InputError: for a name or precision that there is not, a value of another shape, and one that cannot be.

    """
    given = [_tensor(name, value) for name, value in tensors.items()]
    shapes = [tuple(tensor.shape) for tensor in given]
    function = ImageFunction(
        experiment, list(tensors), shapes, precision=precision, threads=threads, device=device, roi=roi
    )
    numbers = [tensor.device.index for tensor in given if tensor.is_cuda]
    return _Image.apply(function.beside(numbers), *given)


def _tensor(name: str, value: Any) -> torch.Tensor:
    try:
        found = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: found {value!r:.60}, expected a tensor of numbers") from error
    if found.is_complex():
        raise InputError(f"{name}: found complex numbers, expected real ones")
    return found


class _Image(torch.autograd.Function):
    """What PyTorch is told: how the image is made, and how what depends on it depends on the values."""

    @staticmethod
    def forward(ctx: Any, function: ImageFunction, *values: torch.Tensor) -> torch.Tensor:
        ctx.function = function
        ctx.save_for_backward(*values)
        arrays = [_array(value) for value in values]
        there = function.images_there(arrays) if values and values[0].is_cuda else None
        if there is None:
            image = torch.from_numpy(function.image(arrays))
        else:
            image = torch.stack([torch.from_dlpack(one) for one in there]).reshape(function.shape)
        ctx.place = image.device  # that of the values, or another that was asked for
        floating = [value.dtype for value in values if value.is_floating_point()]
        dtype = reduce(torch.promote_types, floating) if floating else torch.float64
        return image.to(device=values[0].device if values else None, dtype=dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:  # type: ignore[bad-override]
        values, weights = ctx.saved_tensors, grad_outputs[0]
        if ctx.place.type == "cuda":
            images = weights.detach().to(device=ctx.place, dtype=torch.float64).contiguous()
            weights = list(images) if ctx.function.batched else [images]
            torch.cuda.current_stream(images.device).synchronize()  # its work on them is done
        else:
            weights = _array(weights)
        slopes = ctx.function.slopes([_array(value) for value in values], weights, ctx.needs_input_grad[1:])
        return (None, *(torch.from_numpy(s).to(value) for s, value in zip(slopes, values, strict=True)))


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().to(device="cpu", dtype=torch.float64).contiguous().numpy()
