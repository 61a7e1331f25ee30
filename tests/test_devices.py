"""Where images are rendered: whoever has a GPU gets the same images from it, and whoever has none is told why.

Where there is no GPU, the CPU plays one (``_core.PlayedRenderer``): the same C++ but for CUDA's own calls. Where there
is a CUDA compiler, it also emulates one (``_emulated``): nvcc's code, CUDA's own calls and checks of every access.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nanobragg
from conftest import outside_bar
from nanobragg import (
    Around,
    Beam,
    Crystal,
    Detector,
    DeviceDetector,
    DeviceError,
    Experiment,
    Image,
    InputError,
    Material,
    Renderer,
    Response,
    Sampling,
    _core,
    resolve,
    simulate,
)
from nanobragg.cli import main
from nanobragg.records.kinds import DEVICE
from nanobragg.records.scene import Interpolation
from nanobragg.rendering.cuda_system import cuda_system
from nanobragg.rendering.devices import choose_device, describe, evaluations
from nanobragg.rendering.render import render_scene
from nanobragg.rendering.surroundings import surrounded
from nanobragg.response.photons import poisson_noise

needs_cuda = pytest.mark.skipif(bool(cuda_system().reason), reason=cuda_system().reason or "there is a CUDA device")
needs_none = pytest.mark.skipif(not cuda_system().reason, reason="there is a CUDA device")
SMALL = "-cell 50 60 70 80 90 100 -N 5 -default_F 10 -lambda 1 -distance 100 -detpixels 32 -nopgm -nonoise"


def small(**changes: Any) -> Experiment:
    """A crystal of few cells before a small detector."""
    whole = Experiment(
        beam=Beam(wavelength=1.0, flux=1e20),
        crystal=Crystal(cell=(50, 60, 70, 80, 90, 100), cells=5, default_F=10, mosaic_spread=1, mosaic_domains=7),
        detector=Detector(shape=(24, 40), pixel_size=1.0, distance=80),
        sampling=Sampling(oversample=1),
        quirks="none",
    )
    return replace(whole, **changes)


@pytest.mark.parametrize("name", ["cpu", "cuda", "auto", "cuda:0", "cuda:12"])
def test_names_of_devices(name: str) -> None:
    """These are the names that options, files and arguments take."""
    assert DEVICE.checked(name, "device") == name


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:-1", "cuda:1.5", "cuda:123456", "", "cuda:²", 0, None])
def test_other_names_are_refused(name: object) -> None:
    """A misspelt device must not silently render elsewhere."""
    with pytest.raises(InputError, match="expected cpu, cuda, cuda:NUMBER or auto"):
        DEVICE.checked(name, "device")
    with pytest.raises(InputError, match="device"):
        render_scene(resolve(small()).scene, device=name)  # type: ignore[arg-type]


def test_devices_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`nanobragg --devices` tells of the CPU, and of every CUDA device or why there is none."""
    assert main(["--devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"cpu: {_core.thread_count(0)} threads, {_core.instruction_set()}"
    system = cuda_system()
    if system.reason:
        assert lines[1:] == [f"cuda: not available: {system.reason}"]
    else:
        assert lines[1].startswith(f"cuda:0: {system.devices[0].name}, compute capability ")


def test_a_played_device_is_listed(played: None) -> None:
    """The list names number, capability, memory and versions."""
    assert describe().splitlines()[1:] == [
        "cuda:0: Played, compute capability 9.0, 16 GiB",
        "CUDA: driver for 13.0, built with 13.0",
    ]
    (device,) = cuda_system().devices
    assert (device.multiprocessors, device.clock_hz, device.memory_bandwidth) == (100, 1e9, 2e12)


@needs_none
def test_cuda_without_a_device_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks for a GPU that is not there learns why, and finds no files."""
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL.split(), "-device", "cuda"]) == 9
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert cuda_system().reason in error
    assert list(tmp_path.glob("*.*")) == []
    with pytest.raises(DeviceError, match="expected a CUDA device, or the device cpu"):
        Renderer(small(), device="cuda")


@needs_none
def test_auto_without_a_device_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts with `auto` run anywhere, and large work says why it was not done by a GPU."""
    scene = resolve(small()).scene
    expected = render_scene(scene)
    little = render_scene(scene, device="auto")
    assert (little.image == expected.image).all()
    assert (little.device, little.note) == ("cpu", "")
    monkeypatch.setattr("nanobragg.rendering.devices.WORTHWHILE", 0.0)
    assert render_scene(scene, device="auto").note == cuda_system().reason


def test_auto_takes_the_gpu_for_large_work(played: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """... and for that only: waking a GPU takes longer than a small image."""
    scene = resolve(small()).scene
    assert evaluations(scene) == 24 * 40 * 7
    assert choose_device("auto", scene).name == "cpu"
    monkeypatch.setattr("nanobragg.rendering.devices.WORTHWHILE", 24 * 40 * 7)
    assert choose_device("auto", scene).name == "cuda:0"
    assert render_scene(scene, device="auto").device == "cuda:0"


def test_what_only_the_cpu_renders(played: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order-dependent quirks are refused if CUDA was asked for, and done on the CPU under auto, with a note."""
    scene = replace(resolve(small()).scene, running_product=True, omega=nanobragg.Factor.EACH)
    with pytest.raises(InputError, match=r"found 'cuda', expected cpu or auto, since .*order of evaluations"):
        render_scene(scene, device="cuda")
    monkeypatch.setattr("nanobragg.rendering.devices.WORTHWHILE", 0.0)
    result = render_scene(scene, device="auto")
    assert result.device == "cpu"
    assert "order of evaluations" in result.note
    assert (result.image == render_scene(scene).image).all()


def test_a_device_that_is_not_there(played: None) -> None:
    """cuda:1 on a computer with one device."""
    with pytest.raises(DeviceError, match=r"found 'cuda:1', expected cuda:0$"):
        render_scene(resolve(small()).scene, device="cuda:1")


def test_the_command_renders_on_the_device(
    played: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-device cuda` gives the files that the CPU gives, and says where they come from."""
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL.split(), "-floatfile", "cpu.bin"]) == 0
    assert main([*SMALL.split(), "-floatfile", "gpu.bin", "-device", "cuda"]) == 0
    assert "rendered on cuda:0" in capsys.readouterr().out
    cpu, gpu = np.fromfile("cpu.bin", np.float32), np.fromfile("gpu.bin", np.float32)
    assert not outside_bar(gpu, cpu).any()


def _turned(scene: Any, count: int) -> np.ndarray:
    """Other orientations of the Scene's cell."""
    rng = np.random.default_rng(count)
    turns = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    return np.einsum("nij,kj->nki", turns, scene.orientations[0])


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_new_orientations(device: str, precision: Any) -> None:
    """A Renderer's image of other orientations is that of a Scene with them; the Scene's own come back after it."""
    scene = resolve(small()).scene
    renderer = Renderer(scene, device=device, precision=precision)
    for count in (7, 3, 40):
        cells = _turned(scene, count)
        expected = render_scene(replace(scene, orientations=cells, steps=count)).image
        assert not outside_bar(renderer.render(cells), expected, precision).any()
    assert not outside_bar(renderer.render(), render_scene(scene).image, precision).any()
    other = resolve(small(beam=Beam(wavelength=1.2, flux=1e20))).scene
    renderer.load(other)
    assert renderer.scene is other
    assert not outside_bar(renderer.render(), render_scene(other).image, precision).any()


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((0, 3, 3)), np.zeros((2, 3, 4)), "cells"])
def test_bad_orientations(device: str, bad: Any) -> None:
    """They are refused by name, and the Renderer works on."""
    scene = resolve(small()).scene
    renderer = Renderer(scene, device=device)
    with pytest.raises(InputError, match=r"orientations.*expected"):
        renderer.render(bad)
    assert not outside_bar(renderer.render(), render_scene(scene).image).any()


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_structure_factors_stay_where_they_are(device: str, precision: Any) -> None:
    """A Scene with the same array of structure factors is rendered with it; one with another array with the other."""
    grid = np.random.default_rng(1).uniform(0, 100, (21, 21, 21))
    crystal = Crystal(cell=(20, 20, 20, 90, 90, 90), cells=3, default_F=1)
    scene = replace(resolve(small(crystal=crystal)).scene, f_grid=grid, f_min=(-10, -10, -10))
    renderer = Renderer(scene, device=device, precision=precision)
    for changed in (
        scene,
        replace(scene, source_wavelength=scene.source_wavelength * 1.1),
        replace(scene, default_F=7.0),
        replace(scene, interpolation=Interpolation.TRICUBIC),
        replace(scene, interpolation=Interpolation.TRICUBIC_STICKY),
        replace(scene, f_grid=grid[::-1].copy()),
        replace(scene, f_grid=np.empty((0, 0, 0))),
        scene,
    ):
        renderer.load(changed)
        assert not outside_bar(renderer.render(), render_scene(changed).image, precision).any()


def test_a_device_that_fails_later(played: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `auto` the image comes from the CPU whenever it is that a device fails; with `cuda` the error does."""
    monkeypatch.setattr("nanobragg.rendering.devices.WORTHWHILE", 0.0)
    scene = resolve(small()).scene
    expected = render_scene(scene).image
    for step in ("load", "render"):
        for wanted in ("auto", "cuda"):
            renderer = Renderer(scene, device=wanted)
            assert renderer.place.name == "cuda:0"

            def fails(*_: object) -> None:
                raise DeviceError("CUDA: found too little memory on the device")

            broken = SimpleNamespace(load=renderer._device.load, render=renderer._device.render)
            setattr(broken, step, fails)
            renderer._device = broken
            again = renderer.load if step == "load" else lambda scene, use=renderer: use.render()
            if wanted == "cuda":
                with pytest.raises(DeviceError, match="too little memory"):
                    again(scene)
                continue
            again(scene)
            result = renderer.result()
            assert (result.image == expected).all()
            assert (result.device, result.note) == ("cpu", "CUDA: found too little memory on the device")


def test_images_for_other_libraries(played: None) -> None:
    """An image left on a device is read without a copy, and outlives its renderer."""
    scene = resolve(small()).scene
    renderer = Renderer(scene, device="cuda")
    image = renderer.render_on_device()
    expected = image.numpy()
    assert image.shape == expected.shape == (1, 24, 40)
    assert image.__dlpack_device__() == (1, 0)
    view = np.from_dlpack(image)
    assert view.dtype == np.float32
    other = renderer.render_on_device(_turned(scene, 3))
    del image, renderer
    assert (view == expected).all()
    assert (np.asarray(other) != expected).any()
    assert np.asarray(other, dtype=float).dtype == np.float64
    for stream in (None, 1, 2, 0x55D0_0000_0000):  # what is handed out is done: there is no stream that has to wait
        assert other.__dlpack__(stream=stream, max_version=(1, 1), dl_device=(1, 0), copy=False) is not None
    with pytest.raises(BufferError):
        other.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="no copy is made"):
        other.__dlpack__(copy=True)
    assert not hasattr(other, "__cuda_array_interface__")


def test_noise_on_the_device_is_the_cpus(gpu: str) -> None:
    """The same seed gives the same counts, to the last one, wherever they are drawn."""
    means = resolve(small(crystal=Crystal(cell=(50, 60, 70, 80, 90, 100), cells=3, default_F=10))).scene
    brightest = float(render_scene(means).image.max())
    for largest in (3.0, 30.0, 3e4, 1e7):
        scene = replace(means, scale=means.scale * largest / brightest)
        image = Renderer(scene, device="cuda").render_on_device()
        for seed in (1, -1, 2**40):
            expected = poisson_noise(image.numpy(), seed=seed, rng="fast", wide=True).pixels
            counts = image.noisy(seed)
            assert counts.numpy().dtype == np.int32
            assert (counts.numpy() == expected).all()
            assert np.asarray(counts).max() > 40
    part = image.noisy(3, adc_offset=7, roi=(3, 9, 2, 5)).numpy()
    assert (part[:, 2:6, 3:10] >= 7).all()
    assert part.sum() == part[:, 2:6, 3:10].sum()
    if gpu == "played":
        assert (np.from_dlpack(counts) == counts.numpy()).all()
    with pytest.raises(InputError, match="counts"):
        counts.noisy(1)


SPREADS = {
    "gauss": {"psf": "gauss", "psf_fwhm": 1500.0},
    "fiber": {"psf": "fiber", "psf_fwhm": 1500.0},
    "radius": {"psf": "fiber", "psf_fwhm": 1500.0, "psf_radius": 6},
    "kernel": {"psf_kernel": np.random.default_rng(6).uniform(0.0, 1.0, (5, 9))},
}


def measurable(**said: Any) -> Experiment:
    """A small experiment with everything that a pixel can have."""
    rng, shape = np.random.default_rng(4), (24, 40)
    mask = np.ones(shape, np.uint8)
    mask[3, 5:20] = 0
    bad = np.zeros(shape, np.uint8)
    bad[7, 8], bad[9, 10] = 1, 2
    response = Response(
        flicker=0.1,
        capture=0.9,
        calibration=0.05,
        gain=2.0,
        gain_map=rng.uniform(0.5, 1.5, shape),
        offset=10.0,
        dark_map=rng.uniform(0.0, 9.0, shape),
        readout=3.0,
        hot=0.02,
        dead=0.01,
        bad_pixels=bad,
        saturation=3000.0,
    )
    around = Around(
        materials=[Material("water", thickness=1.0)],
        flight_path="air",
        beamstop=2.0,
        shadow=rng.uniform(0.5, 1.0, shape),
    )
    detector = replace(small().detector, mask=mask, roi=(1, 38, 2, 23))
    parts = {"detector": detector, "around": around, "response": response, **said}
    return replace(small(beam=Beam(wavelength=1.0, flux=3e8, exposure=1, size=0.1)), **parts)


COUNTING = Response(reading="counting", flicker=0.1, calibration=0.05, dead=0.01, bits=20)
CHARGE = Response(preset="jungfrau", calibration=0.01)
SLOW = replace(COUNTING, dead_time=2e5)
BUSY = replace(SLOW, count_rate="nonparalyzable")


@pytest.mark.parametrize(
    "response",
    [None, COUNTING, CHARGE, Response(), SLOW, BUSY],
    ids=["all", "counting", "charge", "plain", "slow", "busy"],
)
def test_counts_on_the_device_are_the_cpus(gpu: str, response: Response | None) -> None:
    """The same seed and shot give the same counts, to the last one, wherever they are made, with all that is around."""
    experiment = measurable() if response is None else measurable(response=response)
    resolved = resolve(experiment)
    renderer = Renderer(resolved.scene, device="cuda")
    detector = DeviceDetector(experiment)
    image = renderer.render_on_device()
    for seed, shot in ((1, 0), (-1, 3), (2**40, 2**33)):
        photons = surrounded(image.numpy().reshape(resolved.scene.image_shape), resolved)
        expected = Image(photons, resolved).measured(seed=seed, shot=shot).data
        found = detector.measured(image, seed=seed, shot=shot)
        assert found.numpy().dtype == np.int32
        assert np.array_equal(found.numpy()[0], expected)
        assert np.unique(expected).size > 20
    with pytest.raises(InputError, match="counts"):
        detector.measured(found, seed=1)


@pytest.mark.parametrize("spread", [{}, SPREADS["radius"]], ids=["none", "radius"])
def test_counts_of_panels_on_the_device_are_the_cpus(gpu: str, spread: dict[str, Any]) -> None:
    """Each panel has random numbers of its own, and its light stays in it; panels of several shapes are one after the
    other.
    """
    one = resolve(measurable(response=Response(readout=2.0), around=Around()))
    (first,) = one.scene.panels
    second = replace(first, shape=(20, 12), roi=None, mask=None, origin=first.origin + first.normal * 1e-3)
    resolved = replace(one, scene=replace(one.scene, panels=(first, second)))
    image = Renderer(resolved.scene, device="cuda").render_on_device()
    response = Response(gain=3.0, readout=2.0, calibration=0.1, **spread)
    detector = DeviceDetector(resolved, response)
    expected = Image(image.numpy(), resolved).measured(seed=5, shot=2, response=response)
    found = detector.measured(image, seed=5, shot=2).numpy()
    assert (found != expected.data).sum() <= (1 if spread else 0)
    assert np.abs(found - expected.data).max() <= 1
    other = Renderer(one.scene, device="cuda").render_on_device()
    with pytest.raises(InputError, match="another"):
        detector.measured(other, seed=1)


@pytest.mark.parametrize("name", SPREADS)
def test_light_is_spread_on_the_device_as_on_the_cpu(gpu: str, name: str) -> None:
    """Photons of a detector that integrates, to the rounding of single precision; and none from what was not rendered,
    or out of the panel and in again.
    """
    gain = 1e5  # so that whole numbers tell of millionths of a photon
    response = Response(gain=gain, bits=32, flicker=0.1, calibration=0.05, dead=0.01, **SPREADS[name])
    experiment = measurable(response=response)
    resolved = resolve(experiment)
    image = Renderer(resolved.scene, device="cuda").render_on_device()
    found = DeviceDetector(experiment).measured(image, seed=1, shot=4).numpy()[0].astype(np.float64)
    photons = surrounded(image.numpy().reshape(resolved.scene.image_shape), resolved)
    expected = Image(photons, resolved).measured(seed=1, shot=4)
    assert expected.overloads == 0
    rms = np.sqrt((expected.data.astype(np.float64) ** 2).mean())
    assert rms > 10 * gain
    error = found - expected.data
    assert np.sqrt((error**2).mean()) < 4e-7 * rms
    assert np.abs(error).max() < 3e-6 * rms
    assert np.array_equal(found == 0, expected.data == 0)


@pytest.mark.parametrize("name", SPREADS)
def test_spread_means_are_counted_on_the_device_as_on_the_cpu(gpu: str, name: str) -> None:
    """A count differs where a mean that differs by its rounding falls on the other side of a deviate: once in 1e5."""
    experiment = measurable(response=replace(SLOW, **SPREADS[name]))
    resolved = resolve(experiment)
    image = Renderer(resolved.scene, device="cuda").render_on_device()
    photons = surrounded(image.numpy().reshape(resolved.scene.image_shape), resolved)
    expected = Image(photons, resolved).measured(seed=3, shot=1).data
    found = DeviceDetector(experiment).measured(image, seed=3, shot=1).numpy()[0]
    assert (found != expected).sum() <= 1
    assert np.unique(expected).size > 20


def test_memory_that_was_lent_is_used_again(gpu: str) -> None:
    """An image that another library read goes back to the device; the next ones may lie there, and are right."""
    scene = resolve(small()).scene
    renderer = Renderer(scene, device="cuda")
    expected = renderer.render()
    for _ in range(5):
        image = renderer.render_on_device()
        capsule = image.__dlpack__()
        del capsule, image
        assert (renderer.render() == expected).all()


def test_another_device(cuda: None) -> None:
    """Workers of a computer with several GPUs each take one: the image is the same, and tells where it is."""
    if len(cuda_system().devices) < 2:
        pytest.skip("there is one CUDA device")
    renderer = Renderer(small(), device="cuda:1")
    assert not outside_bar(renderer.render(), Renderer(small(), device="cuda:0").render()).any()
    assert renderer.render_on_device().__dlpack_device__() == (2, 1)


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_other_libraries_read_the_image(library: str) -> None:
    """Without a copy, on a stream of their own, also after the Renderer is gone."""
    module = pytest.importorskip(library)
    renderer = Renderer(small(), device="cuda")
    image = renderer.render_on_device()
    expected = image.numpy()
    if library == "torch":
        with module.cuda.stream(module.cuda.Stream()):
            tensor = module.from_dlpack(image)
            del image, renderer
            assert (tensor.clone().cpu().numpy() == expected).all()
    else:
        with module.cuda.Stream(non_blocking=True):
            array = module.from_dlpack(image)
            del image, renderer
            assert (module.asnumpy(array.copy()) == expected).all()


def test_auto_takes_the_cpu_when_the_gpu_fails(played: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little memory there is no reason for no image, and the note says why; who asked for CUDA gets the error."""
    from nanobragg import _cuda

    def no_memory(*_: object, **__: object) -> None:
        raise DeviceError("CUDA: found too little memory on the device")

    monkeypatch.setattr(_cuda, "Renderer", no_memory)
    monkeypatch.setattr("nanobragg.rendering.devices.WORTHWHILE", 0.0)
    scene = resolve(small()).scene
    expected = render_scene(scene)
    result = render_scene(scene, device="auto")
    assert (result.image == expected.image).all()
    assert (result.device, result.note) == ("cpu", "CUDA: found too little memory on the device")
    renderer = Renderer(scene, device="auto")
    assert renderer.place == (None, "CUDA: found too little memory on the device")
    assert (renderer.render() == expected.image).all()
    for ask in (lambda: render_scene(scene, device="cuda"), lambda: Renderer(scene, device="cuda")):
        with pytest.raises(DeviceError, match="too little memory"):
            ask()


def test_the_cpu_leaves_no_image_on_a_device() -> None:
    """Asking for it is an error, not a silent copy."""
    with pytest.raises(DeviceError, match="expected one on a CUDA device"):
        Renderer(small(), device="cpu").render_on_device()


def test_an_error_in_the_progress_callback_stops_the_device(gpu: str) -> None:
    """Ctrl-C and a user's exception come out, and the Renderer works on."""
    scene = resolve(small()).scene
    renderer = Renderer(scene, device="cuda")
    done: list[float] = []

    def stop(fraction: float) -> None:
        done.append(fraction)
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        renderer.render(_turned(scene, 500), progress=stop)
    assert len(done) == 3
    assert 0 < done[0] < done[2] < 1
    assert not outside_bar(renderer.render(), render_scene(scene).image).any()


def test_one_renderer_in_several_threads(gpu: str) -> None:
    """Images of several threads are those of their own orientations, and images go away in any thread."""
    from concurrent.futures import ThreadPoolExecutor

    scene = resolve(small()).scene
    renderer = Renderer(scene, device="cuda")
    cells = [_turned(scene, 2 + i) for i in range(24)]
    expected = [renderer.render(one) for one in cells]
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(renderer.render, cells))
    assert all((a == b).all() for a, b in zip(images, expected, strict=True))


def test_simulate_on_cuda(cuda: None) -> None:
    """The one call that most programs need, on the GPU."""
    cpu, gpu = simulate(small()), simulate(small(), device="cuda")
    assert not outside_bar(gpu.data, cpu.data).any()
    assert gpu.solid_angle == pytest.approx(cpu.solid_angle, rel=1e-12)


def test_a_device_tells_its_rates(cuda: None) -> None:
    """The benchmark's ceilings are computed from them."""
    for device in cuda_system().devices:
        assert device.multiprocessors > 0
        assert 1e8 < device.clock_hz < 1e10
        assert 1e10 < device.memory_bandwidth < 1e14


def test_cuda_array_interface(cuda: None) -> None:
    """CuPy and others find the image by its address."""
    interface = Renderer(small(), device="cuda").render_on_device().__cuda_array_interface__
    assert interface["shape"] == (1, 24, 40)
    assert interface["typestr"] == "<f4"
    assert interface["data"][0] != 0


def test_too_little_memory_is_a_sentence(cuda: None) -> None:
    """A detector larger than the device's memory."""
    scene = resolve(small()).scene
    panels = tuple(replace(panel, shape=(2**20, 2**20)) for panel in scene.panels)
    scene = replace(scene, panels=panels).cropped((0, 9, 0, 9))
    with pytest.raises(DeviceError, match="too little memory"):
        Renderer(scene, device="cuda").render_on_device()
