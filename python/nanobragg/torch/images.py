"""Images as functions of tensors, with exact gradients."""

from __future__ import annotations

from collections.abc import Sequence
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
    are none of gradients. ``grad``, ``vjp``, ``jacrev`` and ``vmap`` of ``torch.func`` may be put around it; it has no
    forward mode.

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
    def forward(function: ImageFunction, *values: torch.Tensor) -> torch.Tensor:  # type: ignore[bad-override]
        arrays = [_array(value) for value in values]
        there = function.images_there(arrays) if _stay(function, values) else None
        if there is None:
            image = torch.from_numpy(function.image(arrays))
        else:
            image = torch.stack([torch.from_dlpack(one) for one in there]).reshape(function.shape)
        floating = [value.dtype for value in values if value.is_floating_point()]
        dtype = reduce(torch.promote_types, floating) if floating else torch.float64
        return image.to(device=values[0].device if values else None, dtype=dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.function, *values = inputs
        ctx.save_for_backward(*values)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:
        return (None, *_Slopes.apply(ctx.function, ctx.needs_input_grad[1:], grad_outputs[0], *ctx.saved_tensors))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        function, *values = args
        return torch.stack([_Image.apply(function, *each) for each in _each(info, in_dims[1:], values)]), 0


class _Slopes(torch.autograd.Function):
    """The derivatives of Σ weights · image by the values; of these there are none."""

    @staticmethod
    def forward(  # type: ignore[bad-override]
        function: ImageFunction, wanted: tuple[bool, ...], weights: torch.Tensor, *values: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        own: Any = None
        if _stay(function, values):
            images = weights.detach().to(device=f"cuda:{function.place}", dtype=torch.float64).contiguous()
            own = list(images) if function.batched else [images]
            torch.cuda.current_stream(images.device).synchronize()  # its work on them is done
        else:
            own = _array(weights)
        slopes = function.slopes([_array(value) for value in values], own, wanted)
        return tuple(torch.from_numpy(s).to(value) for s, value in zip(slopes, values, strict=True))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise InputError("nanobragg.torch: found a gradient of a gradient, expected first derivatives alone")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        function, wanted, *tensors = args
        rows = [_Slopes.apply(function, wanted, *each) for each in _each(info, in_dims[2:], tensors)]
        return tuple(torch.stack(column) for column in zip(*rows, strict=True)), (0,) * (len(tensors) - 1)


def _each(info: Any, in_dims: Sequence[int | None], tensors: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
    """The tensors of each member of a batch that torch.func.vmap makes of a function."""
    return [
        [tensor if dim is None else tensor.select(dim, i) for tensor, dim in zip(tensors, in_dims, strict=True)]
        for i in range(info.batch_size)
    ]


def _stay(function: ImageFunction, values: Sequence[torch.Tensor]) -> bool:
    """Whether images of these values stay on a device."""
    return bool(values) and values[0].is_cuda and function.place is not None


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().to(device="cpu", dtype=torch.float64).contiguous().numpy()
