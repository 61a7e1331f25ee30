"""What the ``nanobragg`` command does: words in, files and text out (``specs/cli.md``).

What needs NumPy is imported when a run begins, so that help and mistakes are quick.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, TextIO

from nanobragg.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.resolved import Resolved
    from nanobragg.records.run import Run
    from nanobragg.rendering.renderer import RenderResult

FATAL = 9
"""Exit status of every mistake, as of the original's fatal errors."""
INTERRUPTED = 128 + 2
"""Of SIGINT. (The module signal would cost a millisecond to import.)"""
PIPE_CLOSED = 128 + 13
"""What a shell reports of a program that SIGPIPE ended."""


def run_program(words: list[str]) -> int:
    """Run the program with the words of a command line and give its exit status."""
    # NumPy's linear algebra, which is not used, would start a thread for each processor.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _have_streams()
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_characters(stream)
    try:
        status = _guarded(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _close_pipe()
        return PIPE_CLOSED
    return status


def _guarded(words: list[str]) -> int:
    """The program with every error made one sentence."""
    try:
        return _program(words)
    except InputError as error:
        # A pipe that closed while a file was written through it is no mistake in the input.
        if isinstance(error.__cause__, BrokenPipeError):
            raise BrokenPipeError from error
        return _fail(str(error))
    except BrokenPipeError:
        raise
    except MemoryError as error:
        detail = f" ({error})" if str(error) else ""
        return _fail(f"out of memory{detail}: expected fewer pixels, structure factors or steps")
    except OSError as error:
        name = "" if error.filename is None else f"{error.filename}: "
        return _fail(f"{name}{error.strerror or error}")


def _fail(sentence: str) -> int:
    sys.stdout.flush()
    _say(sentence)
    return FATAL


def _say(sentence: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(f"nanobragg: {' '.join(sentence.split())}", file=sys.stderr, flush=True)


def _have_streams() -> None:
    """A process whose output or error stream was closed before it began has none."""
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _never_fail_on_characters(stream: TextIO) -> None:
    """File names may hold bytes, and help units, that the terminal's encoding does not know."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _close_pipe() -> None:
    """Whoever read our output is gone: let the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _program(words: list[str]) -> int:
    from nanobragg.inputs.options import help_text

    if words[:1] == ["view"]:
        from nanobragg.program.view import view

        return view(words[1:])
    from nanobragg.inputs.words import (
        completion_to_print,
        config_to_read,
        config_to_write,
        parse_words,
        trace_json_to_write,
    )

    if any(word in ("-h", "--help", "-help") for word in words):
        print(help_text(), end="")
        return 0
    if "--devices" in words:
        from nanobragg.rendering.devices import describe

        print(describe(), end="")
        return 0
    shell = completion_to_print(words)
    if shell is not None:
        from nanobragg.completion.scripts import completion_script

        print(completion_script(shell), end="")
        return 0
    run = parse_words(words)
    missing = _missing(run)
    if missing is not None:
        from nanobragg.inputs.options import USAGE

        for warning in run.warnings:
            print(f"WARNING: {warning}")
        print(USAGE, end="")
        return _fail(missing)
    config, trace_json = config_to_write(words), trace_json_to_write(words)
    _check_outputs(run, config, trace_json)
    _simulate(run, config, config_to_read(words), trace_json)
    return 0


def _missing(run: Run) -> str | None:
    """What a run cannot do without and has not got."""
    crystal = run.experiment.crystal
    if crystal.matrix is None and (not crystal.cell or crystal.cell[0] == 0.0) and not _cell_in_files(run):
        return "-cell or -mat: found neither, expected a unit cell or an orientation matrix"
    if crystal.structure_factors is None and crystal.default_F == 0.0:
        dump = None if crystal.dump is None else os.fspath(crystal.dump)
        if dump is None or not os.path.exists(dump):
            cache = "" if dump is None else f" and no cache {dump}"
            return f"-hkl: found no structure factors{cache}, expected -hkl FILE, a cache, or a -default_F other than 0"
    return None


def _cell_in_files(run: Run) -> bool:
    crystal, detector = run.experiment.crystal, run.experiment.detector
    if crystal.structure_factors is None and detector.header is None:
        return False
    from nanobragg.resolver.files import cell_in_files

    return cell_in_files(run.experiment)


def _check_outputs(run: Run, config: str | None, trace_json: str | None) -> None:
    """Find out before the work whether its results can be written."""
    if trace_json is not None and run.trace_pixel is None:
        raise InputError(f"-trace_json: found {trace_json!r} without a pixel, expected -trace_pixel SLOW FAST as well")
    output = run.output
    files = {
        "-write_config": config,
        "-trace_json": trace_json,
        "-floatfile": output.floatfile,
        "-intfile": output.intfile,
        "-pgmfile": output.pgmfile,
        "-noisefile": output.noisefile,
        "-pngfile": output.pngfile,
        "-truthfile": output.truthfile,
    }
    for option, file in files.items():
        if file is None:
            continue
        if not file or "\0" in file:
            raise InputError(f"{option}: found {file!r}, expected the name of a file")
        folder = os.path.dirname(os.path.realpath(file))
        if os.path.isdir(file):
            raise InputError(f"{option}: found {file!r}, which is a folder, expected the name of a file")
        if not os.path.isdir(folder):
            raise InputError(f"{option}: found {file!r} in a folder that does not exist, expected an existing folder")
        if not os.access(file if os.path.exists(file) else folder, os.W_OK):
            raise InputError(f"{option}: found {file!r}, which is not writable, expected a file that can be written")
    _check_formats(run)


def _check_formats(run: Run) -> None:
    """Whether files can be what their extensions say, and the packages for that are there."""
    from nanobragg.io.images.formats import check_format

    output = run.output
    for option, file in (
        ("-floatfile", output.floatfile),
        ("-intfile", output.intfile),
        ("-noisefile", output.noisefile),
    ):
        if file is not None:
            check_format(option, file, floats=option == "-floatfile")
    if output.pngfile is not None:
        from nanobragg.io.support.extras import need

        need("pillow", "-pngfile", module="PIL.Image")
        if output.png_rings is not None:
            from nanobragg.io.images.picture import parse_rings

            parse_rings(output.png_rings)
    if output.truthfile is not None:
        from nanobragg.io.tables import check_truth_name

        if check_truth_name(output.truthfile) in (".h5", ".hdf5"):
            from nanobragg.io.support.extras import need

            need("h5py", "-truthfile")


def _simulate(run: Run, config: str | None, like: str | None, trace_json: str | None) -> None:
    from nanobragg.resolver.resolve import resolve

    resolved = resolve(run.experiment)
    _check_trace_pixel(run, resolved)
    if config is not None:
        from nanobragg.inputs.toml import write_config

        # A pipe can be read only once: nothing of its layout is left.
        write_config(run, config, like if like is not None and os.path.isfile(like) else None)
    seed = _noise_seed(run)
    _introduce(run, resolved, seed)
    _write_dump(resolved)
    result = _render(run, resolved)
    image = result.image[0]
    if result.device != "cpu":
        print(f"rendered on {result.device}")
    elif result.note:
        print(f"rendered on the CPU: {result.note}")
    if result.interpolation_left:
        _tell_sticky(run)
    _print_pixels(run, resolved, image, trace_json)
    sphere = 100.0 * result.solid_angle / 4.0 / 3.141592653589793
    print(f"\nsolid angle subtended by detector = {result.solid_angle:g} steradian ( {sphere:g}% sphere)")
    from nanobragg.program.outputs import write_outputs

    write_outputs(run, resolved, image, seed)


def _noise_seed(run: Run) -> int | None:
    """Seed of the noise image, ``None`` without one."""
    if run.output.noisefile is None:
        return None
    if run.output.seed is not None:
        return run.output.seed
    import time

    return int(time.time())


def _introduce(run: Run, resolved: Resolved, seed: int | None) -> None:
    """What is about to be rendered, and how it came about."""
    from nanobragg.program.summary import heading, summary
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
            _tell_quirk(name, touched[name])
    sys.stdout.flush()


def _tell_quirk(name: str, sentence: str) -> None:
    from nanobragg.records.quirks import off_switch

    print(f"quirk {name}: {sentence} (switch off with {off_switch(name)})")


def _tell_sticky(run: Run) -> None:
    from nanobragg.records.quirks import QUIRKS, parse_quirks

    name = "sticky_interpolation_fallback"
    if name in parse_quirks(run.experiment.quirks):
        _tell_quirk(name, QUIRKS[name])


def _write_dump(resolved: Resolved) -> None:
    """The cache of a list that was read; not being able to write it is no reason to stop."""
    from nanobragg.resolver.cache import save_cache

    try:
        name = save_cache(resolved)
    except InputError as error:
        print(f"WARNING: unable to write the dump file: {error}")
        return
    if name is not None:
        print(f"writing dump file for next time: {name}")


def _render(run: Run, resolved: Resolved) -> RenderResult:
    from nanobragg.program.progress import Progress
    from nanobragg.rendering.render import render_scene

    with Progress() as progress:
        return render_scene(
            resolved.scene,
            precision=run.precision,
            threads=run.threads,
            device=run.device,
            progress=progress if run.progress and not run.printout else None,
        )


def _check_trace_pixel(run: Run, resolved: Resolved) -> None:
    nslow, nfast = resolved.scene.shape
    if run.trace_pixel is not None:
        slow, fast = run.trace_pixel
        if slow >= nslow or fast >= nfast:
            raise InputError(
                f"-trace_pixel: found slow {slow}, fast {fast}, expected a pixel of {nslow} (slow) x {nfast} (fast)"
            )


def _print_pixels(run: Run, resolved: Resolved, image: np.ndarray, trace_json: str | None) -> None:
    if run.printout:
        from nanobragg.program.printout import print_pixels

        print_pixels(resolved, run.printout_pixel, image)
    if run.trace_pixel is not None:
        from nanobragg.rendering.trace import format_trace, trace_pixel

        slow, fast = run.trace_pixel
        trace = trace_pixel(resolved.scene, slow=slow, fast=fast)
        for line in format_trace(trace):
            print(line)
        if trace_json is not None:
            from nanobragg.io.support.atomic import atomic_write

            with atomic_write(trace_json) as file:
                file.write(trace.to_json().encode())
