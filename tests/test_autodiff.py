"""Images as functions of the tensors of PyTorch and the arrays of JAX: their gradients are ours."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, resolve
from nanobragg.derivatives import gradient, jacobian, with_values
from nanobragg.differentiation.functions import ImageFunction
from nanobragg.rendering.derivatives import render_vjp_there

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not there (pip install 'nanobragg[torch]')"
)
needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not there (pip install 'nanobragg[jax]')")

STILL = Experiment(
    beam=Beam(wavelength=1.0, fluence=1e31),
    crystal=Crystal(cell=(60, 60, 80, 90, 90, 90), cells=5, misset=(10, 20, 30), default_F=10),
    detector=Detector(shape=(7, 9), pixel_size=1, distance=80),
    sampling=Sampling(oversample=1),
)
MISSETS = np.array([[10.0, 20.0, 30.0], [11.0, 19.5, 30.5]])


def columns_of(missets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, slow, fast), and columns by the misset (n, slow, fast, 3)."""
    names = [f"crystal.misset[{i}]" for i in range(3)]
    found = [jacobian(with_values(STILL, {"crystal.misset": m}), names) for m in missets]
    return np.array([image for image, _ in found]), np.array([np.moveaxis(c, 0, -1) for _, c in found])


def test_functions_of_tensors_take_a_precision() -> None:
    """Mixed is that of the Jacobian and of the gradient; others are refused when the function is made."""
    function = ImageFunction(STILL, ["crystal.misset"], [(3,)], precision="mixed")
    names, values = [f"crystal.misset[{i}]" for i in range(3)], [np.array([10.0, 20.0, 30.0])]
    image, columns = jacobian(STILL, names, precision="mixed")
    assert np.array_equal(function.image(values), image)
    assert not np.array_equal(image, jacobian(STILL, [])[0])
    (slope,) = function.slopes(values, np.ones(image.shape), [True])
    np.testing.assert_allclose(slope, columns.sum((1, 2)), rtol=1e-5)
    with pytest.raises(InputError, match="precision: found half, expected double or mixed"):
        ImageFunction(STILL, ["crystal.misset"], [(3,)], precision="half")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"crystal.misset": [1, math.nan, 2]}, "crystal.misset: found nan or inf, expected finite numbers"),
        ({"detector.distance": math.inf}, "detector.distance: found nan or inf, expected finite numbers"),
        (
            {"crystal.misset": [1, 2, 3], "crystal.misset[1]": 5},
            "crystal.misset[1]: found the same number in crystal.misset, expected one of the two",
        ),
        (
            {"crystal.cell[0]": 60, "crystal.cell.tetragonal.a": 60},
            "crystal.cell.tetragonal.a: found the same number in crystal.cell[0], expected one of the two",
        ),
    ],
)
def test_values_that_cannot_be_are_named(values: dict[str, Any], sentence: str) -> None:
    """What a diverging optimiser gives, and a value that would be in vain but for its gradient."""
    arrays = [np.array(value, dtype=float) for value in values.values()]
    with pytest.raises(InputError) as caught:
        ImageFunction(STILL, list(values), [array.shape for array in arrays]).image(arrays)
    assert str(caught.value) == sentence


def test_functions_of_tensors_are_computed_on_a_device(gpu: str) -> None:
    """Where it is asked for, with the gradients of the processors."""
    values, shapes = [MISSETS], [MISSETS.shape]
    weights = np.random.default_rng(1).random((2, 7, 9))
    here, there = (ImageFunction(STILL, ["crystal.misset"], shapes, device=device) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(there.image(values), here.image(values), rtol=1e-8)
    slopes, expected = (function.slopes(values, weights, [True])[0] for function in (there, here))
    np.testing.assert_allclose(slopes, expected, rtol=1e-8)


@pytest.mark.parametrize("missets", [MISSETS, MISSETS[0]], ids=["batch", "one"])
def test_images_and_weights_stay_on_a_device(gpu: str, missets: np.ndarray) -> None:
    """Nothing is copied to the host and back for libraries whose tensors are on the device, too."""
    function = ImageFunction(STILL, ["crystal.misset"], [missets.shape], device="cuda")
    there = function.images_there([missets])
    assert there is not None
    image = np.stack([one.numpy() for one in there]).reshape(function.shape)
    assert image.dtype == np.float64
    assert np.array_equal(image, function.image([missets]))
    found = function.slopes([missets], there, [True])[0]
    np.testing.assert_allclose(found, function.slopes([missets], image, [True])[0], rtol=1e-12)
    assert ImageFunction(STILL, ["crystal.misset"], [missets.shape]).images_there([missets]) is None
    with pytest.raises(InputError, match="weights: expected float64 in a row on the device, one for each of 63 pixels"):
        render_vjp_there(resolve(STILL).scene, np.ones(63), 0)


# ---- PyTorch ----------------------------------------------------------------------------------------------


@needs_torch
@pytest.mark.cuda
def test_tensors_on_a_device_have_their_images_and_gradients_there() -> None:
    """A loop on a GPU copies nothing but parameters, and gets what it gets on the processors."""
    import torch

    from nanobragg.rendering.cuda_system import cuda_system
    from nanobragg.torch import simulate

    if cuda_system().reason or not torch.cuda.is_available():
        pytest.skip(cuda_system().reason or "PyTorch finds no CUDA device")
    for missets in (MISSETS, MISSETS[0], MISSETS[:0]):
        gradients = {}
        for device in ("cuda", "cpu"):
            value = torch.tensor(missets, device=device, requires_grad=True)
            image = simulate(STILL, **{"crystal.misset": value})
            assert (image.device.type, image.dtype) == (device, torch.float64)
            (image**2).sum().backward()
            assert value.grad is not None
            gradients[device] = value.grad.cpu().numpy()
        np.testing.assert_allclose(gradients["cuda"], gradients["cpu"], rtol=1e-8)


@needs_torch
def test_gradcheck_passes() -> None:
    """PyTorch's own check of a function against differences, in double precision: of several kinds of parameters."""
    import torch

    from nanobragg.torch import simulate

    names = ("crystal.misset", "crystal.cell.tetragonal.a", "detector.distance", "crystal.cells", "beam.wavelength")
    values = ([10.0, 20.0, 30.0], 60.0, 80.0, [5.2, 4.3, 6.1], 1.0)
    tensors = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]

    def image(*given: torch.Tensor) -> torch.Tensor:
        return simulate(STILL, **dict(zip(names, given, strict=True)))

    assert torch.autograd.gradcheck(image, tensors, eps=1e-6, atol=1e-3, rtol=1e-5)
    assert float(image(*tensors).detach().max()) > 1e3  # against which that tolerance is small


@needs_torch
def test_transformations_of_functions_take_images() -> None:
    """torch.func: whoever writes losses as functions maps and differentiates them so."""
    import torch

    from nanobragg.torch import simulate

    def image(misset: torch.Tensor, wavelength: torch.Tensor) -> torch.Tensor:
        return simulate(STILL, **{"crystal.misset": misset, "beam.wavelength": wavelength})

    def loss(misset: torch.Tensor, wavelength: torch.Tensor) -> torch.Tensor:
        return (image(misset, wavelength) ** 2).sum()

    missets, wavelength = torch.from_numpy(MISSETS), torch.tensor(1.0, dtype=torch.float64)
    images, columns = columns_of(MISSETS)
    moved = [with_values(STILL, {"crystal.misset": misset}) for misset in MISSETS]
    slopes = [gradient(m, 2 * i, ["crystal.misset"])["crystal.misset"] for m, i in zip(moved, images, strict=True)]
    np.testing.assert_array_equal(torch.func.vmap(image, (0, None))(missets, wavelength), images)
    np.testing.assert_array_equal(torch.func.vmap(torch.func.grad(loss), (0, None))(missets, wavelength), slopes)
    found, pulled = torch.func.vjp(image, missets[1], wavelength)
    np.testing.assert_array_equal(pulled(2 * found)[0], slopes[1])
    rows = torch.func.jacrev(image)(missets[0], wavelength)
    np.testing.assert_allclose(rows, columns[0], atol=1e-12 * np.abs(columns[0]).max())


@needs_torch
@pytest.mark.parametrize("value", ["long", None, 1j])
def test_tensors_are_of_real_numbers(value: Any) -> None:
    """Others are named; of complex ones the imaginary part was lost."""
    from nanobragg.torch import simulate

    with pytest.raises(InputError, match=r"beam\.wavelength: found .*, expected"):
        simulate(STILL, **{"beam.wavelength": value})


@needs_torch
def test_a_batch_of_orientations_is_one_image_after_the_other() -> None:
    """With what is no batch shared by all of them, and its gradient the sum of theirs."""
    import torch

    from nanobragg.torch import simulate

    missets = torch.tensor(MISSETS, requires_grad=True)
    distance = torch.tensor(80.0, dtype=torch.float64, requires_grad=True)
    images = simulate(STILL, **{"crystal.misset": missets, "detector.distance": distance})
    expected, columns = columns_of(MISSETS)
    np.testing.assert_array_equal(images.detach().numpy(), expected)
    weights = np.random.default_rng(1).normal(size=expected.shape)
    (images * torch.from_numpy(weights)).sum().backward()
    assert missets.grad is not None
    assert distance.grad is not None
    np.testing.assert_allclose(missets.grad.numpy(), np.einsum("nsf,nsfi->ni", weights, columns), rtol=1e-9)
    names = ["detector.distance"]
    turned = [with_values(STILL, {"crystal.misset": misset}) for misset in MISSETS]
    slopes = [float(gradient(one, w, names)[names[0]]) for one, w in zip(turned, weights, strict=True)]
    assert float(distance.grad) == pytest.approx(sum(slopes), rel=1e-12)
    assert simulate(STILL, **{"crystal.misset": missets[:0]}).shape == (0, 7, 9)


@needs_torch
def test_images_have_the_type_of_their_tensors() -> None:
    """A float32 network stays float32; whole numbers and no tensors at all give float64. What needs none has none."""
    import torch

    from nanobragg.torch import simulate

    single = torch.tensor([10.0, 20.0, 30.0], requires_grad=True)
    image = simulate(STILL, **{"crystal.misset": single, "detector.distance": torch.tensor(80)})
    assert image.dtype == torch.float32
    image.sum().backward()
    assert single.grad is not None
    assert single.grad.dtype == torch.float32
    assert simulate(STILL).dtype == torch.float64
    assert not simulate(STILL, **{"crystal.misset": (10, 20, 30)}).requires_grad
    np.testing.assert_array_equal(simulate(STILL).numpy(), columns_of(MISSETS)[0][0])
    (slope,) = torch.autograd.grad(
        (simulate(STILL, **{"crystal.misset": single}) ** 2).sum(), single, create_graph=True
    )
    with pytest.raises(InputError, match="found a gradient of a gradient, expected first derivatives alone"):
        slope.sum().backward()


@needs_torch
def test_structure_factors_and_panels_are_tensors_too() -> None:
    """A network that makes structure factors is trained through images."""
    import torch

    from nanobragg.torch import simulate

    indices = np.indices((9, 9, 9)).reshape(3, -1).T - 4.0
    factors = np.random.default_rng(1).uniform(10, 90, len(indices))
    experiment = replace(
        STILL, crystal=replace(STILL.crystal, structure_factors=np.column_stack([indices, factors]), default_F=0)
    )
    grid = torch.tensor(factors.reshape(9, 9, 9), requires_grad=True)
    image = simulate(experiment, **{"crystal.structure_factors": grid}, roi=(0, 4, 0, 6))
    image.sum().backward()
    assert grid.grad is not None
    expected = gradient(experiment, np.ones((7, 9)), ["crystal.structure_factors"], roi=(0, 4, 0, 6))
    np.testing.assert_array_equal(grid.grad.numpy(), expected["crystal.structure_factors"])
    assert float(grid.grad.abs().max()) > 0
    assert not image[:, 5:].any()


@needs_torch
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"crystal.nonsense": 1.0}, "crystal.nonsense: found no parameter of this name"),
        ({"crystal.misset": [1.0, 2.0]}, r"crystal.misset: found values of shape \(2,\), expected 3, or a batch"),
        (
            {"detector.distance": [[80.0]]},
            r"detector.distance: found values of shape \(1, 1\), expected one number, or",
        ),
        ({"crystal.misset": np.ones((2, 3)), "detector.distance": np.ones(3)}, "found batches of 2, 3, expected one"),
        ({"crystal.cell": [60.0, 60, 80, 90, 90, 300]}, "-cell: found '60 60 80 90 90 300'"),
    ],
)
def test_wrong_tensors_are_named(values: dict[str, Any], sentence: str) -> None:
    """By the parameter's name, in one sentence, not by PyTorch's."""
    from nanobragg.torch import simulate

    with pytest.raises(InputError, match=sentence):
        simulate(STILL, **values)


# ---- JAX --------------------------------------------------------------------------------------------------


@needs_jax
def test_jax_differentiates_backward() -> None:
    """Plain, compiled, mapped and batched; all columns by jacrev."""
    import jax
    import jax.numpy as jnp

    from nanobragg.jax import simulate

    jax.config.update("jax_enable_x64", True)

    def image(misset: Any) -> Any:
        return simulate(STILL, **{"crystal.misset": misset})

    images, columns = columns_of(MISSETS)
    missets = jnp.asarray(MISSETS)
    np.testing.assert_array_equal(image(missets[0]), images[0])
    np.testing.assert_array_equal(image(missets), images)
    np.testing.assert_array_equal(jax.vmap(image)(missets), images)
    expected = np.einsum("nsf,nsfi->ni", images, columns)

    def half_square(misset: Any) -> Any:
        return (image(misset) ** 2).sum() / 2

    np.testing.assert_allclose(jax.grad(half_square)(missets[0]), expected[0], rtol=1e-9)
    np.testing.assert_allclose(jax.jit(jax.grad(half_square))(missets), expected, rtol=1e-9)
    np.testing.assert_allclose(jax.vmap(jax.grad(half_square))(missets), expected, rtol=1e-9)
    scale = float(np.abs(columns).max())
    np.testing.assert_allclose(jax.jacrev(image)(missets[0]), columns[0], rtol=1e-9, atol=1e-12 * scale)
    with pytest.raises(InputError, match=r"crystal.misset: found values of shape \(2,\)"):
        image(jnp.ones(2))


@needs_jax
@pytest.mark.cuda
def test_arrays_on_a_device_have_their_images_and_gradients_there() -> None:
    """A loop on a GPU gets what it gets on the processors; compiled, too, where the device has to be said."""
    import jax
    import jax.numpy as jnp

    from nanobragg.jax import simulate
    from nanobragg.rendering.cuda_system import cuda_system

    if cuda_system().reason or jax.default_backend() != "gpu":
        pytest.skip(cuda_system().reason or "JAX finds no CUDA device")
    jax.config.update("jax_enable_x64", True)

    def half_square(misset: Any, device: str | None = None) -> Any:
        return (simulate(STILL, device=device, **{"crystal.misset": misset}) ** 2).sum() / 2

    for missets in (MISSETS, MISSETS[0], MISSETS[:0]):
        value = jnp.asarray(missets)
        assert simulate(STILL, **{"crystal.misset": value}).devices() == value.devices()
        expected = jax.grad(half_square)(value, "cpu")
        for slope in (jax.grad(half_square)(value), jax.jit(jax.grad(half_square), static_argnums=1)(value, "cuda")):
            assert slope.devices() == value.devices()
            np.testing.assert_allclose(slope, expected, rtol=1e-8)


@pytest.fixture
def arrays_there(played: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX's arrays say what they say where they are on the CUDA device that the CPU plays."""
    import jax.numpy as jnp

    def interface(array: Any) -> dict[str, Any]:
        place = array.unsafe_buffer_pointer(), True
        return {"shape": array.shape, "typestr": array.dtype.str, "data": place, "version": 2}

    kind = type(jnp.zeros(1))
    monkeypatch.setattr(kind, "__dlpack_device__", lambda array: (2, 0))
    monkeypatch.setattr(kind, "__cuda_array_interface__", property(interface))


@needs_jax
@pytest.mark.parametrize("wide", [True, False], ids=["float64", "float32"])
@pytest.mark.parametrize("missets", [MISSETS, MISSETS[0], MISSETS[:0]], ids=["batch", "one", "none"])
def test_images_of_arrays_on_a_device_do_not_go_by_the_host(
    arrays_there: None, monkeypatch: pytest.MonkeyPatch, missets: np.ndarray, wide: bool
) -> None:
    """A loop on a GPU copies nothing but parameters, in both of JAX's precisions, and no device has to be said."""
    import jax
    import jax.numpy as jnp

    from nanobragg.jax import simulate

    if missets.size > 0:
        monkeypatch.delattr(jax, "pure_callback")
    jax.config.update("jax_enable_x64", wide)
    value, distance = jnp.asarray(missets), jnp.asarray(80.0)
    dtype, rtol = (np.float64, 1e-8) if wide else (np.float32, 1e-5)

    def half_square(misset: Any, distance: Any) -> tuple[Any, Any]:
        image = simulate(STILL, **{"crystal.misset": misset, "detector.distance": distance})
        return (image**2).sum() / 2, image

    ((_, image), slopes) = jax.value_and_grad(half_square, (0, 1), has_aux=True)(value, distance)
    assert [array.dtype for array in (image, *slopes)] == [dtype] * 3
    here = ImageFunction(STILL, ["crystal.misset", "detector.distance"], [missets.shape, ()])
    values = [np.asarray(array, dtype=float) for array in (value, distance)]
    expected = here.image(values)
    np.testing.assert_allclose(image, expected, rtol=rtol)
    for slope, known in zip(slopes, here.slopes(values, expected, [True, True]), strict=True):
        np.testing.assert_allclose(slope, known, rtol=10 * rtol)


@needs_jax
def test_compiled_images_are_the_processors_unless_said(arrays_there: None) -> None:
    """Compiled, arrays do not tell where they are: no device is taken by chance, and one that is said is taken."""
    import jax
    import jax.numpy as jnp

    from nanobragg.jax import simulate

    jax.config.update("jax_enable_x64", True)
    images, columns = columns_of(MISSETS)
    there = ImageFunction(STILL, ["crystal.misset"], [MISSETS.shape], device="cuda").image([MISSETS])
    assert not np.array_equal(there, images)

    def image(misset: Any, device: str | None = None) -> Any:
        return simulate(STILL, device=device, **{"crystal.misset": misset})

    missets = jnp.asarray(MISSETS)
    np.testing.assert_array_equal(image(missets), there)
    np.testing.assert_array_equal(image(missets, "cpu"), images)
    compiled = jax.jit(image, static_argnums=1)
    np.testing.assert_array_equal(compiled(missets), images)
    np.testing.assert_array_equal(compiled(missets, "cuda"), there)
    np.testing.assert_array_equal(jax.vmap(image)(missets), images)
    scale = float(np.abs(columns).max())
    np.testing.assert_allclose(jax.jacrev(image)(missets[0]), columns[0], rtol=1e-8, atol=1e-9 * scale)


# ---- without them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_a_missing_library_is_named(library: str) -> None:
    """And nothing else of the package needs it."""
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "import nanobragg, nanobragg.derivatives\n"
        f"import nanobragg.{library} as ours\n"
        "try:\n    ours.simulate\n"
        "except nanobragg.InputError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == (
        f"nanobragg.{library}.simulate: found no package {library}, expected it to be installed "
        f"(pip install 'nanobragg[{library}]')\n"
    )
