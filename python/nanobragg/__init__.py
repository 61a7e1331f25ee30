"""X-ray diffraction images of crystals: nanoBragg.c's answers, from Python.

    from nanobragg import simulate, Beam, Crystal, Detector
    image = simulate(crystal=Crystal(cell=(79, 79, 38, 90, 90, 90), cells=10, default_F=100),
                     beam=Beam(wavelength=0.98, flux=1e12), detector=Detector(distance=200))
    image.data          # float32 (slow, fast), photons/pixel

Names are imported when they are first used, so that ``import nanobragg`` costs nothing. ``__init__.pyi`` imports the
same names for type checkers and editors.
"""

from __future__ import annotations

_HOMES = {
    "Around": "records.around",
    "Beam": "records.experiment",
    "ChosenDevice": "rendering.devices",
    "Crystal": "records.experiment",
    "CudaDevice": "rendering.cuda_system",
    "CudaSystem": "rendering.cuda_system",
    "Detector": "records.experiment",
    "DeviceDetector": "rendering.on_device",
    "DeviceError": "errors",
    "Draw": "ensemble.plan",
    "Ensemble": "ensemble.ensemble",
    "Evaluation": "rendering.trace",
    "Experiment": "records.experiment",
    "Factor": "records.scene",
    "Geometry": "records.resolved",
    "Image": "results.image",
    "InputError": "errors",
    "Interpolation": "records.scene",
    "Material": "records.around",
    "Move": "records.experiment",
    "NoiseImage": "response.photons",
    "Output": "records.run",
    "Panel": "records.experiment",
    "Radiation": "records.resolved",
    "RefinedFactors": "refinement.factors_result",
    "RefinedShot": "refinement.result",
    "RefinedShots": "refinement.shots_result",
    "Refinement": "refinement.result",
    "RenderResult": "rendering.renderer",
    "Renderer": "rendering.renderer",
    "Resolved": "records.resolved",
    "Response": "records.response",
    "RingProfile": "rendering.background",
    "Run": "records.run",
    "Sample": "records.resolved",
    "Sampling": "records.experiment",
    "Scene": "records.scene",
    "SceneChange": "records.scene_change",
    "ScenePanel": "records.panel",
    "SceneSensor": "records.panel",
    "Shape": "records.shapes",
    "Shot": "ensemble.shot",
    "Statistics": "response.statistics",
    "Trace": "rendering.trace",
    "Truth": "ensemble.shot",
    "background_profile": "rendering.background",
    "choose_device": "rendering.devices",
    "cuda_system": "rendering.cuda_system",
    "parse_words": "inputs.words",
    "poisson_noise": "response.photons",
    "read_config": "inputs.toml",
    "read_pixels": "io.any_image",
    "read_trace": "rendering.trace",
    "refine": "refinement.refine",
    "refine_factors": "refinement.factors",
    "refine_shots": "refinement.shots",
    "render": "rendering.render",
    "render_jvp": "rendering.derivatives",
    "render_vjp": "rendering.derivatives",
    "resolve": "resolver.resolve",
    "save_cache": "resolver.cache",
    "simulate": "simulation",
    "statistics": "response.statistics",
    "trace_dict": "rendering.trace",
    "trace_pixel": "rendering.trace",
    "write_config": "inputs.toml",
    "write_nxmx": "results.image",
}
"""Public names, and the modules they are in."""

__all__ = sorted((*_HOMES, "__version__"))


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__version__":
        # CMakeLists.txt is where it is written.
        value: object = import_module("nanobragg._core").__version__
    elif name in _HOMES:
        import_module("nanobragg.simulation")  # binds the methods of Experiment, which any name may lead to
        value = getattr(import_module(f"nanobragg.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'nanobragg' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
