"""The one call that most programs need, and the methods of :class:`~nanobragg.Experiment` that need the whole package.

``Experiment`` is a record, and records know nothing of words, files and the resolver. Its methods that do are bound to
it here. ``nanobragg`` imports this module before it gives any of its names, and a pickled experiment names it, so that
however one comes by an experiment, its methods are there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.records.around import Around
from nanobragg.records.experiment import Beam, Crystal, Detector, Experiment, Sampling
from nanobragg.records.response import Response

if TYPE_CHECKING:
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.scene import Scene
    from nanobragg.rendering.devices import Device
    from nanobragg.rendering.renderer import Precision
    from nanobragg.results.image import Image


def simulate(
    experiment: Experiment | None = None,
    *,
    crystal: Crystal | None = None,
    beam: Beam | None = None,
    detector: Detector | None = None,
    sampling: Sampling | None = None,
    around: Around | None = None,
    response: Response | None = None,
    args: str | Sequence[str] | None = None,
    quirks: str | None = None,
    precision: Precision = "double",
    threads: int = 0,
    device: Device = "cpu",
    progress: Callable[[float], object] | None = None,
) -> Image:
    """Simulate one diffraction image.

    The experiment is given whole, by its parts, or as a command line; parts and ``quirks`` replace what those say.

    Args:
        experiment: the whole experiment.
        crystal: the sample.
        beam: the incident X-rays.
        detector: the detector.
        sampling: rotation and fineness.
        around: amorphous materials, the way to the detector, and what stands in it.
        response: what the detector makes of photons, for :meth:`~nanobragg.Image.measured`.
        args: a command line, as one string or a list of words, whose output options are ignored; words that nobody
            knows are named in the image's ``resolved.warnings``.
        quirks: which of nanoBragg.c's deviations from physics to keep (``specs/quirks.md``); default ``"all"``.
        precision: ``double``, or ``mixed``: about twice as fast, relative error below 1e-5.
        threads: 0 for all processors; the image does not depend on it.
        device: ``cpu``, ``cuda``, ``cuda:NUMBER``, or ``auto``: a GPU if there is one and the work is worth it.
        progress: called now and then with the fraction done.

    Returns:
        The :class:`~nanobragg.Image`: float32, (slow, fast), photons per pixel.

    Raises :class:`InputError`: one sentence naming what was found and what was expected.
    """
    parts: dict[str, Any] = {"crystal": crystal, "beam": beam, "detector": detector, "sampling": sampling}
    parts |= {"around": around, "response": response, "quirks": quirks}
    resolved = _resolved(experiment, args, {name: part for name, part in parts.items() if part is not None})
    return _rendered(resolved, precision=precision, threads=threads, device=device, progress=progress)


def _resolved(experiment: Experiment | None, args: str | Sequence[str] | None, parts: dict[str, Any]) -> Resolved:
    """What the arguments of :func:`simulate` say, with the warnings of the command line first."""
    from nanobragg.resolver.resolve import resolve

    warnings: tuple[str, ...] = ()
    if args is not None:
        if experiment is not None:
            raise InputError("simulate: found an experiment and args, expected one of them")
        from nanobragg.inputs.words import parse_words

        # Some quirks are about what words mean. (What is no text is named by resolve.)
        quirks = parts.get("quirks")
        run = parse_words(args, quirks=quirks if isinstance(quirks, str) else None)
        experiment, warnings = run.experiment, run.warnings
    whole = experiment if experiment is not None else Experiment()
    if not isinstance(whole, Experiment):
        found = type(whole).__name__
        raise InputError(
            f"simulate: found {found}, expected an Experiment (its parts have names: crystal=, beam=, ...)"
        )
    resolved = resolve(replace(whole, **parts))
    return replace(resolved, warnings=(*warnings, *resolved.warnings)) if warnings else resolved


def _rendered(resolved: Resolved, **how: Any) -> Image:
    from nanobragg.rendering.render import render_scene
    from nanobragg.rendering.surroundings import surrounded
    from nanobragg.results.image import Image

    result = render_scene(resolved.scene, **how)
    image = surrounded(result.image.reshape(resolved.scene.image_shape), resolved, threads=how.get("threads", 0))
    return Image(image, resolved, solid_angle=result.solid_angle)


# ---- methods of Experiment --------------------------------------------------------------------------------


def from_args(cls: type[Experiment], args: str | Sequence[str]) -> Experiment:
    """The experiment that a command line describes (output options are ignored).

    Unknown words are ignored, too; :func:`nanobragg.parse_words` has them among its ``warnings``.
    """
    from nanobragg.inputs.words import parse_words

    return parse_words(args).experiment


def from_toml(cls: type[Experiment], path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment written by :meth:`to_toml` or by hand (``specs/config.md``)."""
    from nanobragg.inputs.toml import read_config

    return read_config(path).experiment


def to_toml(self: Experiment, path: str | os.PathLike[str]) -> None:
    """Write the experiment so that :meth:`from_toml` gives the same scene."""
    from nanobragg.inputs.toml import write_config
    from nanobragg.records.run import Run

    write_config(Run(experiment=self), path)


def scene(self: Experiment) -> Scene:
    """The resolved :class:`nanobragg.Scene`."""
    from nanobragg.resolver.resolve import resolve

    return resolve(self).scene


def _blank(kind: type[Experiment]) -> Experiment:
    return object.__new__(kind)


def _reduce(self: Experiment) -> tuple[object, ...]:
    """How an experiment is pickled: with a function of this module, so that the methods are there where it is read."""
    return _blank, (type(self),), vars(self)


for _name, _method in (
    ("from_args", classmethod(from_args)),
    ("from_toml", classmethod(from_toml)),
    ("to_toml", to_toml),
    ("scene", scene),
    ("__reduce__", _reduce),
):
    setattr(Experiment, _name, _method)
