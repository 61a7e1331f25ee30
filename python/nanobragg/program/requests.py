"""Whether what is asked for can be done: looked at before the work, so that no mistake costs a rendered image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from nanobragg.inputs.request import Request
    from nanobragg.records.run import Run


def missing(run: Run) -> str | None:
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


def check_outputs(request: Request, run: Run) -> None:
    """Find out before the work whether its results can be written.

    Raises :class:`InputError` for a file that cannot be what is asked for, naming its option.
    """
    trace = request.trace_json
    if trace is not None and run.trace_pixel is None:
        raise InputError(f"-trace_json: found {trace!r} without a pixel, expected -trace_pixel SLOW FAST as well")
    output = run.output
    files = {
        "-write_config": request.write_config,
        "-trace_json": trace,
        "-floatfile": output.floatfile,
        "-intfile": output.intfile,
        "-pgmfile": output.pgmfile,
        "-noisefile": output.noisefile,
        "-countsfile": output.countsfile,
        "-pngfile": output.pngfile,
        "-truthfile": output.truthfile,
    }
    check_files(files)
    _check_formats(run)


def check_files(files: Mapping[str, str | None]) -> None:
    """Raise :class:`InputError` unless all files, by the option that names them, can be written; ``None``: no file."""
    for option, file in files.items():
        if file is not None:
            _check_file(option, file)


def _check_file(option: str, file: str) -> None:
    """Whether a file of that name can be written."""
    if not file or "\0" in file:
        raise InputError(f"{option}: found {file!r}, expected the name of a file")
    folder = os.path.dirname(os.path.realpath(file))
    if os.path.isdir(file):
        raise InputError(f"{option}: found {file!r}, which is a folder, expected the name of a file")
    if not os.path.isdir(folder):
        raise InputError(f"{option}: found {file!r} in a folder that does not exist, expected an existing folder")
    if not os.access(file if os.path.exists(file) else folder, os.W_OK):
        raise InputError(f"{option}: found {file!r}, which is not writable, expected a file that can be written")


def _check_formats(run: Run) -> None:
    """Whether files can be what their extensions say, and the packages for that are there."""
    from nanobragg.io.images.formats import PNG, check_format

    output = run.output
    for option, file in (
        ("-floatfile", output.floatfile),
        ("-intfile", output.intfile),
        ("-noisefile", output.noisefile),
        ("-countsfile", output.countsfile),
    ):
        if file is not None:
            check_format(option, file, floats=option == "-floatfile")
    if output.pngfile is not None:
        PNG.check("-pngfile")
    if output.truthfile is not None:
        from nanobragg.io.tables import check_table

        check_table("-truthfile", output.truthfile)
