"""X-ray diffraction images of crystals: nanoBragg.c's answers, from Python.

    from nanobragg import simulate, Beam, Crystal, Detector
    image = simulate(crystal=Crystal(cell=(79, 79, 38, 90, 90, 90), cells=10, default_F=100),
                     beam=Beam(wavelength=0.98, flux=1e12), detector=Detector(distance=200))
    image.data          # float32 (slow, fast), photons/pixel

Names are imported when they are first used, so that ``import nanobragg`` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs more to import than this whole package
if TYPE_CHECKING:
    from nanobragg.errors import DeviceError, InputError
    from nanobragg.records.experiment import Beam, Crystal, Detector, Experiment, Sampling
    from nanobragg.records.scene import Factor, Interpolation, Scene, Shape
    from nanobragg.rendering.render import render
    from nanobragg.rendering.renderer import Renderer
    from nanobragg.rendering.trace import trace_pixel
    from nanobragg.resolver import resolve
    from nanobragg.results.image import Image
    from nanobragg.simulation import simulate

_HOMES = {
    "Beam": "records.experiment",
    "Crystal": "records.experiment",
    "Detector": "records.experiment",
    "DeviceError": "errors",
    "Experiment": "records.experiment",
    "Factor": "records.scene",
    "Image": "results.image",
    "InputError": "errors",
    "Interpolation": "records.scene",
    "Renderer": "rendering.renderer",
    "Sampling": "records.experiment",
    "Scene": "records.scene",
    "Shape": "records.scene",
    "render": "rendering.render",
    "resolve": "resolver",
    "simulate": "simulation",
    "trace_pixel": "rendering.trace",
}

__all__ = [
    "Beam",
    "Crystal",
    "Detector",
    "DeviceError",
    "Experiment",
    "Factor",
    "Image",
    "InputError",
    "Interpolation",
    "Renderer",
    "Sampling",
    "Scene",
    "Shape",
    "__version__",
    "render",
    "resolve",
    "simulate",
    "trace_pixel",
]


def _version() -> str:
    """The version that the compiled core was built with (CMakeLists.txt is where it is written)."""
    from nanobragg import _core

    return _core.__version__


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__version__":
        value: object = _version()
    elif name in _HOMES:
        value = getattr(import_module(f"nanobragg.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'nanobragg' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
