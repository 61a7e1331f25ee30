"""What the files say that an experiment names: the only place of the resolver that reads any.

Each file is read once as long as it stays what it is: what it says is kept by its name, inode, time of change and size
(:mod:`nanobragg.resolver.memory`), so that a loop over orientations, say, reads its structure factors once. Pipes are
read every time. A file that only links to others (EIGER's master files) is known by its own time alone.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.resolver import headers
from nanobragg.resolver.header_files import (
    assumed,
    check_choices,
    doubts_of_rotation,
    doubts_of_smv,
    line_of,
    refuse_what_is_bad,
    rendered_of_smv,
    rendered_pixels,
    replaced_by_option,
    swung,
)
from nanobragg.resolver.lists import matrix_of, sources_of
from nanobragg.resolver.log import Log, which
from nanobragg.resolver.memory import identity_of, once

if TYPE_CHECKING:
    from nanobragg.io.factors.kinds import FileKind
    from nanobragg.io.factors.models import ModelFile
    from nanobragg.io.factors.types import ReflectionFile
    from nanobragg.io.geometry.any_file import FileGeometry, Wanted
    from nanobragg.io.images.smv import SmvHeader
    from nanobragg.records.experiment import Beam, Crystal, Detector, Experiment
    from nanobragg.records.structure_factors import StructureFactors
    from nanobragg.resolver.body import Body


class Said(NamedTuple):
    """The experiment, and what its files tell."""

    experiment: Experiment
    """In the frame of the geometry's file, where that has one."""
    header: headers.HeaderValues
    """Defaults of the geometry."""
    framed: bool
    """Whether a file chose the convention: custom, with its vectors."""
    mask: np.ndarray | None
    mask_name: str
    """'' without a mask"""
    body: Body | None
    """Where the panels of a detector of several stand before any option moves them."""
    axes: np.ndarray | None
    """(3, 3) Å: rows a, b, c at phi = 0, that came with the geometry"""
    turn: np.ndarray | None
    """(3, 3): rotation of the crystal by axes of its goniometer that are not scanned"""
    matrix: np.ndarray | None
    """(3, 3) columns a*, b*, c* in units of 1/λ"""
    sources: np.ndarray | None
    """(n, 5)"""
    spectrum: bool
    """Whether the sources are the spectrum of the geometry's file, whose weights count"""
    factors: StructureFactors | ReflectionFile | ModelFile | None
    """A list in P1, or what one is yet to be made of; ``None``: neither a file, nor an array, nor a cache."""
    log: Log


def read_files(experiment: Experiment, quirks: frozenset[str]) -> Said:
    """Read every file that the experiment names.

    Raises:
        InputError: for a file that cannot be read, or is not what it is taken for.

    """
    said = Said(
        experiment=experiment,
        header=headers.HeaderValues(),
        framed=False,
        mask=None,
        mask_name="",
        body=None,
        axes=None,
        turn=None,
        matrix=None,
        sources=None,
        spectrum=False,
        factors=None,
        log=Log(),
    )
    said = _mask(said, quirks)
    if experiment.detector.header is None:
        check_choices(experiment.detector, None)
    else:
        said = _image(said, os.fspath(experiment.detector.header), quirks, is_mask=False)
    said = _with_panels(said)
    matrix, said_of_matrix = matrix_of(experiment.crystal)
    sources, said_of_sources = sources_of(experiment)
    sources = said.sources if sources is None else sources
    factors, said_of_factors = _factors(experiment.crystal)
    log = said.log + said_of_matrix + said_of_sources + said_of_factors
    return said._replace(matrix=matrix, sources=sources, factors=factors, log=log)


def kind_of(path: str | os.PathLike[str], block: str | None = None) -> FileKind:
    """What a file of structure factors is (:func:`~nanobragg.io.factors.kinds.structure_factor_kind`)."""
    from nanobragg.io.factors.kinds import structure_factor_kind

    return once(structure_factor_kind, path, block)


def cell_in_files(experiment: Experiment) -> bool:
    """Whether the structure factors or the geometry come with a unit cell, and none has been said."""
    crystal, detector = experiment.crystal, experiment.detector
    if crystal.cell is not None:
        return False
    if isinstance(crystal.structure_factors, (str, os.PathLike)):
        from nanobragg.io.factors.kinds import FORMATS

        kind = kind_of(crystal.structure_factors, crystal.sf_block)
        if kind == "model" or (kind in FORMATS and FORMATS[kind].cell):
            return True
    if detector.header is None or not os.path.isfile(detector.header):
        return False
    from nanobragg.io.geometry.any_file import FileGeometry

    found = once(_read_image, detector.header, _as_mask(detector), _wanted(experiment))
    return isinstance(found, FileGeometry) and found.real_space is not None


# ---- headers and mask -------------------------------------------------------------------------------------


def _mask(said: Said, quirks: frozenset[str]) -> Said:
    given = said.experiment.detector.mask
    if given is None:
        return said
    if isinstance(given, (str, os.PathLike)):
        return _image(said, os.fspath(given), quirks, is_mask=True)
    return said._replace(mask=np.asarray(given), mask_name="an array")


def _as_mask(detector: Detector) -> bool:
    """Whether the header's file is the mask, too: then it is read once, with its pixels."""
    mask = detector.mask
    return isinstance(mask, (str, os.PathLike)) and os.fspath(mask) == os.fspath(detector.header or "")


def _wanted(experiment: Experiment) -> Wanted:
    from nanobragg.io.geometry.any_file import Wanted

    detector, sampling = experiment.detector, experiment.sampling
    data = None if detector.geometry_data is None else os.fspath(detector.geometry_data)
    return Wanted(
        experiment=detector.experiment,
        phi=sampling.phi,
        oscillation=sampling.oscillation,
        clen=detector.clen,
        data=data,
        version=None if data is None else identity_of(data),
    )


def _read_image(name: str, pixels: bool, wanted: Wanted) -> SmvHeader | FileGeometry:
    from nanobragg.io.geometry.any_file import is_smv, read_file_geometry
    from nanobragg.io.geometry.smv_file import smv_geometry
    from nanobragg.io.images.smv import read_smv, read_smv_header

    if is_smv(name):
        image = read_smv(name) if pixels else read_smv_header(name)
        return smv_geometry(image) or image
    return read_file_geometry(name, mask=pixels, wanted=wanted)


def _image(said: Said, name: str, quirks: frozenset[str], *, is_mask: bool) -> Said:
    """``said`` with what an image tells: the mask its pixels, too, and all else its axes and crystal."""
    from nanobragg.io.geometry.any_file import FileGeometry

    experiment = said.experiment
    image = once(_read_image, name, is_mask or _as_mask(experiment.detector), _wanted(experiment))
    if not is_mask:
        check_choices(experiment.detector, image)
    if isinstance(image, FileGeometry):
        return _mask_file(said, image) if is_mask else _geometry_file(said, image)
    mask, comment = rendered_of_smv(image) if is_mask else (said.mask, "")
    substring = "header_substring" in quirks
    image, left_out = headers.without_replaced(image, substring, lambda field: replaced_by_option(field, experiment))
    header = headers.apply_header(said.header, image, mask=is_mask, substring=substring)
    used = headers.used(image, substring=substring) + left_out
    log = Log(
        notes=(f"reading {name}", used + (f"; {comment}" if is_mask else assumed(header, experiment, None))),
        warnings=() if is_mask else doubts_of_smv(image, experiment),
        touched=which(header_substring=substring and headers.substring_matters(image)),
    )
    said = said._replace(header=header, log=said.log + log)
    return said._replace(mask=mask, mask_name=name) if is_mask else said


def _mask_file(said: Said, file: FileGeometry) -> Said:
    """``said`` with a mask that is no SMV image; what its header tells counts unless ``-img`` is given."""
    experiment = said.experiment
    kept, comment = rendered_pixels(file)
    said = said._replace(mask=kept, mask_name=file.name)
    log = Log(notes=(f"reading {file.name}", f"{file.used()}; {comment}"), warnings=file.warnings)
    if experiment.detector.header is None:
        warnings = refuse_what_is_bad(file, experiment)
        header = headers.apply_file(said.header, file)
        experiment, header, doubts = swung(experiment, header, file)
        said = said._replace(experiment=experiment, header=header)
        if file.several:
            said = _framed(said, file)
        log = log + Log(warnings=(*warnings, *doubts))
    else:
        said = said._replace(header=headers.apply_file(said.header, file))
    return said._replace(log=said.log + log)


def _geometry_file(said: Said, file: FileGeometry) -> Said:
    """``said`` with what a file that is no SMV image tells."""
    experiment = said.experiment
    warnings = refuse_what_is_bad(file, experiment)
    header = headers.apply_file(said.header, file)
    warnings = (*file.warnings, *warnings, *doubts_of_rotation(file, experiment))
    said = _framed(said._replace(header=header), file)
    line = line_of(file, experiment) + assumed(header, experiment, file)
    experiment, header, doubts = swung(said.experiment, said.header, file)
    said = said._replace(experiment=experiment, header=header, **_spectrum(experiment.beam, file))
    log = Log(notes=(f"reading {file.name}", line), warnings=(*warnings, *doubts))
    return _bad_pixels(said._replace(log=said.log + log), file)


def _framed(said: Said, file: FileGeometry) -> Said:
    """``said`` in the frame of a file, with its crystal and its panels; in the frame of a named convention the panels
    keep their places to beam and polarization, and a panel alone has the convention's axes.
    """
    experiment, vectors = said.experiment, file.vectors
    framed = headers.with_vectors(experiment, file)
    if framed is not None:
        mirrored = vectors is not None and vectors.mirrored and experiment.detector.normal_axis is None
        said = said._replace(
            header=said.header._replace(mirrored=mirrored),
            framed=experiment.detector.convention is None,
            axes=file.real_space,
            turn=file.turn,
            experiment=framed,
        )
    elif vectors is not None:
        convention = experiment.detector.convention
        what = "crystal is" if file.several else "axes and crystal are"
        if not file.several or file.real_space is not None:
            doubt = f"{file.name}: its {what} not used in the {convention} convention"
            said = said._replace(log=said.log + Log(warnings=(doubt,)))
    if not file.several:
        return said
    from nanobragg.resolver.bodies import body_of_file

    experiment = said.experiment
    if experiment.beam.polarization == 0.0 and file.polarization is not None:  # it turns with the file's frame
        experiment = replace(experiment, beam=replace(experiment.beam, polarization=file.polarization))
    return said._replace(experiment=experiment, body=body_of_file(experiment, file))


def _spectrum(beam: Beam, file: FileGeometry) -> dict[str, Any]:
    """The sources of a file's spectrum, where nothing is said of wavelengths or divergence."""
    said = (beam.wavelength, beam.energy, beam.sources, beam.dispersion, beam.dispersion_steps)
    said += (beam.horizontal_divergence, beam.vertical_divergence)
    said += (beam.horizontal_divergence_step, beam.vertical_divergence_step)
    said += (beam.horizontal_divergence_steps, beam.vertical_divergence_steps)
    if file.spectrum is None or any(value is not None for value in said):
        return {}
    table = np.full((len(file.spectrum), 5), np.nan)
    table[:, 3], table[:, 4] = file.spectrum[:, 1], file.spectrum[:, 0] * 1e-10
    return {"sources": table, "spectrum": True}


def _bad_pixels(said: Said, file: FileGeometry) -> Said:
    """Pixels that the file calls bad are not rendered, where no mask says which are."""
    bad = file.bad_pixels
    if bad is None or said.mask is not None:
        return said
    shapes = (said.experiment.detector.shape or (None, None), (file.nslow, file.nfast))
    if any(n is not None and n != m for shape in shapes for n, m in zip(shape, bad.shape, strict=True)):
        doubt = f"{file.name}: its bad pixels are not used, since the detector has other numbers of pixels"
        return said._replace(log=said.log + Log(warnings=(doubt,)))
    return said._replace(mask=~bad, mask_name=file.name)


# ---- panels -----------------------------------------------------------------------------------------------


def _with_panels(said: Said) -> Said:
    """``said`` with the panels that a user says, one by one or by the name of a detector."""
    experiment = said.experiment
    detector = experiment.detector
    ways = [way for way, value in (("-detector", detector.name), ("panels", detector.panels)) if value is not None]
    if not ways:
        return said
    from nanobragg.resolver.bodies import body_of_name, body_of_user

    if len(ways) > 1 or detector.header is not None:
        other = ways[1] if len(ways) > 1 else f"-img {detector.header}"
        raise InputError(f"{ways[0]}: found it with {other}, expected one of them")
    if any(value is not None for value in (said.header.distance, said.header.beam_x, said.header.centre)):
        doubt = f"{said.mask_name}: its distance and beam centre are not used, since the detector is one of panels"
        said = said._replace(log=said.log + Log(warnings=(doubt,)))
    if detector.name is not None:
        return said._replace(body=body_of_name(experiment))
    masks = [None if panel.mask is None else _panel_mask(panel.mask) for panel in detector.panels or ()]
    return said._replace(body=body_of_user(experiment, masks))


def _panel_mask(given: Any) -> np.ndarray:
    """The mask of one panel, 0 where it is not rendered."""
    if not isinstance(given, (str, os.PathLike)):
        return np.asarray(given)
    from nanobragg.io.geometry.any_file import FileGeometry, Wanted

    image = once(_read_image, given, True, Wanted())
    if isinstance(image, FileGeometry):
        return rendered_pixels(image)[0]
    return rendered_of_smv(image)[0]


# ---- structure factors ------------------------------------------------------------------------------------


def _factors(crystal: Crystal) -> tuple[StructureFactors | ReflectionFile | ModelFile | None, Log]:
    """The list of structure factors, or the file that one is made of."""
    given = crystal.structure_factors
    named = isinstance(given, (str, os.PathLike))
    kind = kind_of(given, crystal.sf_block) if named else "text"
    _check_options(crystal, kind)
    if given is None:
        return _dump(crystal)
    if not named:
        from nanobragg.io.factors.hkl import structure_factors_from_array

        return structure_factors_from_array(given, crystal.default_F), Log()
    if kind == "text":
        return _list(given, crystal)
    from nanobragg.io.factors.types import Choice

    choice = Choice(column=crystal.sf_column, block=crystal.sf_block, group=crystal.sf_group)
    if kind == "model":
        from nanobragg.io.factors.model_files import read_model

        return once(read_model, given, choice), Log()
    from nanobragg.io.factors.reflections import read_reflection_file

    return once(read_reflection_file, given, kind, choice), Log()


def _list(path: str | os.PathLike[str], crystal: Crystal) -> tuple[StructureFactors, Log]:
    """A text list, and what it says and does not say."""
    from nanobragg.io.factors.hkl import read_hkl

    cell = None if crystal.cell is None or crystal.matrix is not None else tuple(crystal.cell)
    factors = once(read_hkl, path, crystal.default_F, cell)
    low, high = (" ".join(map(str, index)) for index in (factors.minimum, factors.maximum))
    note = (
        f"read {factors.count} structure factors from {os.fspath(path)} ({factors.described}), taken as P 1: no "
        f"symmetry, nor Friedel's law, is applied; h k l from {low} to {high}"
    )
    return factors, Log(notes=(note,))


def _check_options(crystal: Crystal, kind: FileKind) -> None:
    if crystal.sf_column is not None and kind in ("text", "model"):
        raise InputError(f"-sf_column: found {crystal.sf_column!r} without a file of columns, expected -hkl MTZ or CIF")
    if crystal.sf_block is not None and kind not in ("reflections", "model"):
        raise InputError(f"-sf_block: found {crystal.sf_block!r} without a file of blocks, expected -hkl CIF")
    if crystal.sf_group is not None and kind == "text":
        raise InputError(
            f"-sf_group: found {crystal.sf_group!r}, expected none: lines h k l F and arrays are P 1, every mate said"
        )


def _dump(crystal: Crystal) -> tuple[StructureFactors | None, Log]:
    if crystal.dump is None or not os.path.exists(crystal.dump):
        return None, Log()
    from nanobragg.io.factors.hkl import read_dump

    name = os.fspath(crystal.dump)
    note = f"reading Fs from {name}, the cache of an earlier run ({_age(name)})"
    return once(read_dump, name), Log(notes=(note,))


def _age(path: str) -> str:
    seconds = max(0.0, time.time() - os.stat(path).st_mtime)
    for length, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} old"
    return f"{seconds:.0f} seconds old"
