"""What the ``nanobragg`` command does with what it is asked for: files and text (``specs/cli.md``).

What needs NumPy is imported when a run begins, so that help and mistakes are quick.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from nanobragg.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.inputs.request import Request
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.response import DetectorModel
    from nanobragg.records.run import Run
    from nanobragg.rendering.renderer import RenderResult


def carry_out(request: Request) -> int:
    """Carry out what a command line asks for, and give the exit status.

    The version and scripts for shells are the command's own (:mod:`nanobragg.cli`).

    Raises :class:`InputError` for what cannot be done.
    """
    if request.view is not None:
        from nanobragg.program.view import view

        return view(request.view)
    if request.run is None:
        _tell(request)
        return 0
    from nanobragg.program.requests import check_outputs, missing

    lacking = missing(request.run)
    if lacking is not None:
        from nanobragg.inputs.help import USAGE

        for warning in request.run.warnings:
            print(f"WARNING: {warning}")
        print(USAGE, end="")
        raise InputError(lacking)
    check_outputs(request, request.run)
    _simulate(request, request.run)
    return 0


def _tell(request: Request) -> None:
    if request.tell == "help":
        from nanobragg.inputs.help import help_text

        print(help_text(), end="")
    elif request.tell == "devices":
        from nanobragg.rendering.devices import describe

        print(describe(), end="")
    elif request.tell == "detectors":
        from nanobragg.records.detector_table import table

        print(table(), end="")


def _simulate(request: Request, run: Run) -> None:
    from nanobragg.program.outputs import without_stacks
    from nanobragg.program.progress import Progress
    from nanobragg.resolver.resolve import resolve

    shown = run.progress and not run.printout
    with Progress(label="structure factors") as progress:
        resolved = resolve(run.experiment, progress if shown else None)
    _check_trace_pixel(run, resolved)
    run = without_stacks(run, resolved)
    detector = _detector(run, resolved)
    _write_config(request, run)
    seed = _noise_seed(run)
    _introduce(run, resolved, seed)
    _tell_unused(run)
    _write_dump(resolved)
    result = _render(run, resolved)
    image = result.image.reshape(resolved.scene.image_shape)
    if resolved.surroundings is not None:
        from nanobragg.rendering.surroundings import surrounded

        image = surrounded(image, resolved, threads=run.threads)
    if result.device != "cpu":
        print(f"rendered on {result.device}")
    elif result.note:
        print(f"rendered on the CPU: {result.note}")
    if result.interpolation_left:
        _tell_sticky(run)
    _tell_tolerance(resolved.scene.tolerance, result)
    _print_pixels(run, resolved, image, request.trace_json)
    sphere = 100.0 * result.solid_angle / 4.0 / 3.141592653589793
    print(f"\nsolid angle subtended by detector = {result.solid_angle:g} steradian ( {sphere:g}% sphere)")
    from nanobragg.program.outputs import write_outputs

    write_outputs(run, resolved, image, seed, detector)


def _tell_tolerance(tolerance: float, result: RenderResult) -> None:
    """One line: what was left out, or why nothing was."""
    if tolerance <= 0.0:
        return
    wanted = f"tolerance of {tolerance:g} photons"
    if result.all_terms:
        print(f"{wanted}: all evaluations are made: {result.all_terms}")
        return
    share = 100.0 * result.left_out / max(result.left_out + result.evaluations, 1)
    print(
        f"{wanted}: {result.left_out} of {result.left_out + result.evaluations} evaluations ({share:.4g}%) are left "
        f"out, and no pixel is wrong by more than {result.error_bound:.3g} photons for it"
    )


def _write_config(request: Request, run: Run) -> None:
    if request.write_config is None:
        return
    from nanobragg.inputs.toml import write_config

    # A pipe can be read only once: nothing of its layout is left.
    like = request.config if request.config is not None and os.path.isfile(request.config) else None
    write_config(run, request.write_config, like)


def _detector(run: Run, resolved: Resolved) -> DetectorModel | None:
    """The detector of the counts, if they are wanted: its files are read, and found wanting, before the work."""
    if run.output.countsfile is None:
        return None
    from nanobragg.resolver.response import detector_model
    from nanobragg.response.measure import shot_of

    shot_of(0 if run.output.seed is None else run.output.seed, run.output.shot)
    model = detector_model(resolved)
    _check_holds(run.output.countsfile, model)
    return model


def _tell_unused(run: Run) -> None:
    """What is said of counts and makes no difference."""
    from nanobragg.records.response import Response

    counts, alone = run.output.countsfile is not None, vars(Response())
    if any(value is not alone[name] for name, value in vars(run.experiment.response).items()):
        from nanobragg.resolver.response import without_effect

        for line in without_effect(run.experiment.response, counts=counts):
            print(line)
    if run.output.shot != 0 and not counts:
        print("-shot: without effect: there are no counts (-countsfile)")


def _check_holds(name: str, model: DetectorModel) -> None:
    """Whether a file can hold the values of a detector: SMV has 16 bits and no sign."""
    from nanobragg.io.images.formats import option_format

    chosen = option_format(name, floats=False)
    if chosen.bits > 16:
        return
    if model.lowest < 0.0:
        raise InputError(
            f"-countsfile: found {name!r} ({chosen.name}, 16 bits without a sign), expected .cbf, .h5, .tif or .npy "
            "for values below 0 (-signed)"
        )
    if model.highest > 65535.0:
        print(f"WARNING: {name}: counts up to {model.highest:.0f} are kept up to 65535 in {chosen.name}")


def _noise_seed(run: Run) -> int | None:
    """Seed of the noise image and the counts, ``None`` without any."""
    if run.output.noisefile is None and run.output.countsfile is None:
        return None
    if run.output.seed is not None:
        return run.output.seed
    import time

    return int(time.time())


def _introduce(run: Run, resolved: Resolved, seed: int | None) -> None:
    """What is about to be rendered, and how it came about."""
    from nanobragg.program.summary import heading, summary, tell_quirk
    from nanobragg.records.quirks import QUIRKS

    print(heading())
    for note in resolved.notes:
        print(note)
    for warning in (*run.warnings, *resolved.warnings):
        print(f"WARNING: {warning}")
    print(summary(resolved, seed, with_heading=False))
    touched = dict((*resolved.quirks, *run.parse_quirks))
    for name in QUIRKS:
        if name in touched:
            tell_quirk(name, touched[name])
    sys.stdout.flush()


def _tell_sticky(run: Run) -> None:
    from nanobragg.program.summary import tell_quirk
    from nanobragg.records.quirks import QUIRKS, parse_quirks

    name = "sticky_interpolation_fallback"
    if name in parse_quirks(run.experiment.quirks):
        tell_quirk(name, QUIRKS[name])


def _write_dump(resolved: Resolved) -> None:
    """The cache of a list that was read; not being able to write it is no reason to stop."""
    from nanobragg.resolver.cache import is_cached, save_cache, saves_time

    if is_cached(resolved.experiment.crystal) and not saves_time(resolved):
        dump = os.fspath(resolved.experiment.crystal.dump or "")
        stays = f"; {dump} is that of an earlier run" if os.path.exists(dump) else ""
        megabytes = resolved.scene.f_grid.nbytes / 1e6
        print(
            f"no dump file is written: {megabytes:.0f} MB for {resolved.sample.reflections} structure factors would "
            f"not save time{stays}"
        )
        return
    try:
        name = save_cache(resolved)
    except InputError as error:
        print(f"WARNING: unable to write the dump file: {error}")
        return
    if name is not None:
        print(f"writing dump file for next time: {name}")


def _render(run: Run, resolved: Resolved) -> RenderResult:
    from nanobragg.program.forecast import forecast
    from nanobragg.program.progress import Progress
    from nanobragg.rendering.renderer import Renderer

    renderer = Renderer(resolved.scene, device=run.device, precision=run.precision, threads=run.threads)
    long = forecast(resolved, renderer, run.threads)
    if long is not None:
        print(f"WARNING: {long}", file=sys.stderr, flush=True)
    with Progress() as progress:
        return renderer.result(progress=progress if run.progress and not run.printout else None)


def _traced(run: Run) -> tuple[int, int, int] | None:
    """Panel, slow and fast of the pixel to trace."""
    if run.trace_pixel is None:
        return None
    panel, slow, fast = (0, *run.trace_pixel)[-3:]
    return panel, slow, fast


def _check_trace_pixel(run: Run, resolved: Resolved) -> None:
    traced, panels = _traced(run), resolved.scene.panels
    if traced is None:
        return
    panel, slow, fast = traced
    if panel >= len(panels):
        raise InputError(f"-trace_pixel: found panel {panel}, expected one from 0 to {len(panels) - 1}")
    nslow, nfast = panels[panel].shape
    if slow >= nslow or fast >= nfast:
        raise InputError(
            f"-trace_pixel: found slow {slow}, fast {fast}, expected a pixel of {nslow} (slow) x {nfast} (fast)"
        )


def _print_pixels(run: Run, resolved: Resolved, image: np.ndarray, trace_json: str | None) -> None:
    if run.printout:
        from nanobragg.program.printout import print_pixels

        print_pixels(resolved, run.printout_pixel, image)
    traced = _traced(run)
    if traced is not None:
        from nanobragg.rendering.trace import format_trace, trace_pixel

        panel, slow, fast = traced
        trace = trace_pixel(resolved.scene, slow=slow, fast=fast, panel=panel)
        for line in format_trace(trace):
            print(line)
        if trace_json is not None:
            from nanobragg.io.support.atomic import atomic_write

            with atomic_write(trace_json) as file:
                file.write(trace.to_json().encode())
