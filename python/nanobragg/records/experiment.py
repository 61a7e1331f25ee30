"""What the user says: the experiment, in the user's units.

Frozen dataclasses (:class:`Beam`, :class:`Crystal`, :class:`Detector`, :class:`Sampling`,
:class:`~nanobragg.records.around.Around`, :class:`~nanobragg.records.response.Response`) make an :class:`Experiment`; a
detector may be made of :class:`Panel` objects, which :class:`Move` objects move. A field left at ``None`` is *unset*,
which is not the same as zero: the step-count rules of ``specs/geometry.md`` ask what was said and what was not. Nothing
is computed here; that is the task of :mod:`nanobragg.resolver`, which turns an experiment into a
:class:`nanobragg.Scene`.

Each field is one row (:func:`nanobragg.records.fields.row`): its kind, what it is, its unit, and the option of the
command line that sets it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, get_args

from nanobragg.records.around import Around
from nanobragg.records.detectors import DETECTOR, detector_name
from nanobragg.records.fields import document, list_of, part, row
from nanobragg.records.kinds import (
    ANGLES,
    CACHE_FILE,
    CELL,
    CELLS,
    DEPTH,
    EDGES,
    ELEMENT,
    FILE_OR_ARRAY,
    FLAG,
    INPUT_FILE,
    NAME,
    NATURAL,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    RASTER,
    REGION,
    REGIONS,
    SIZES,
    TWO_NUMBERS,
    TWO_WHOLE,
    VECTOR,
    WHOLE,
    choice,
)
from nanobragg.records.quirks import QUIRK_NAMES
from nanobragg.records.record import Record
from nanobragg.records.response import Response
from nanobragg.records.shapes import SHAPES
from nanobragg.records.solids import SOLID, SOLIDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from nanobragg.records.scene import Scene
    from nanobragg.records.shapes import CrystalShape

    PathOrArray = str | os.PathLike[str] | np.ndarray

Vector = tuple[float, float, float]
Convention = Literal["mosflm", "xds", "adxv", "denzo", "dials", "custom"]
Pivot = Literal["sample", "beam"]

_CONVENTION, _PIVOT, _SHAPE = choice(*get_args(Convention)), choice(*get_args(Pivot)), choice(*SHAPES)
_AXIS = "In the lab frame, of any length; for the custom convention, which it selects."


class Beam(Record):
    """The incident X-rays."""

    wavelength: float | None = row(
        NUMBER,
        "wavelength",
        unit="Å",
        option="-lambda",
        unset="1.0",
        more="An energy, or an image's header, says it as well.",
    )
    energy: float | None = row(NUMBER, "photon energy; instead of the wavelength", unit="eV", option="-energy")
    fluence: float | None = row(
        NUMBER,
        "fluence",
        unit="photons/m²",
        option="-fluence",
        unset="1.25932e+29: intensities are F²",
        more="The default is 1/r_e².",
    )
    flux: float | None = row(
        NUMBER, "flux; with exposure and beam size stronger than the fluence", unit="photons/s", option="-flux"
    )
    exposure: float | None = row(NUMBER, "exposure", unit="s", option="-exposure", unset="1")
    size: float | None = row(
        NUMBER,
        "edge of the square beam; clips the crystal along b and c, too",
        unit="mm",
        option="-beamsize",
        unset="0.1",
    )
    dispersion: float | None = row(
        NUMBER, "full spectral width", unit="percent of the wavelength", option="-dispersion", unset="0"
    )
    dispersion_steps: int | None = row(WHOLE, "wavelengths in that width", option="-dispsteps")
    horizontal_divergence: float | None = row(
        NUMBER, "full horizontal divergence", unit="mrad", option="-hdivrange", unset="0"
    )
    vertical_divergence: float | None = row(
        NUMBER, "full vertical divergence", unit="mrad", option="-vdivrange", unset="0"
    )
    horizontal_divergence_step: float | None = row(NUMBER, "horizontal step", unit="mrad", option="-hdivstep")
    vertical_divergence_step: float | None = row(NUMBER, "vertical step", unit="mrad", option="-vdivstep")
    horizontal_divergence_steps: int | None = row(WHOLE, "horizontal steps", option="-hdivsteps")
    vertical_divergence_steps: int | None = row(WHOLE, "vertical steps", option="-vdivsteps")
    round_divergence: bool = row(
        FLAG, "cut the divergence to an ellipse, instead of the whole raster", default=True, option="-round_div"
    )
    polarization: float = row(
        NUMBER, "Kahn polarization factor, -1 to 1", default=0.0, option="-polar", unset="0: unpolarized"
    )
    polarization_correction: bool = row(
        FLAG, "the polarization factor, instead of 1 everywhere", default=True, option="-nopolar"
    )
    direction: Vector | None = row(
        VECTOR,
        "direction of travel",
        option="-beam_vector",
        unset="1 0 0",
        more=_AXIS,
    )
    polarization_axis: Vector | None = row(
        VECTOR,
        "direction of the E vector",
        option="-polar_vector",
        unset="0 0 1",
        more=_AXIS,
    )
    sources: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "list of sources: x y z towards the source, weight, wavelength (m)",
        option="-sourcefile",
        more="As an array (n, 5): directions of any length, relative weights, wavelengths in metres; NaN takes the "
        "default of ``specs/formats.md``.",
    )


class Crystal(Record):
    """The sample: cell, orientation, size, structure factors, mosaicity, and the water around it."""

    cell: Sequence[float] | None = row(
        CELL,
        "unit cell; missing lengths copy a, missing angles are 90",
        unit="Å and degrees",
        option="-cell",
    )
    matrix: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "orientation matrix, as MOSFLM writes it",
        option="-mat",
        more="As an array (3, 3): columns a*, b*, c* in units of 1/λ.",
    )
    misset: Vector | Literal["random"] | None = row(
        ANGLES, "rotations of the crystal about lab x, y, z; or random", unit="degrees", option="-misset"
    )
    misset_seed: int | None = row(
        WHOLE,
        "seed of the random orientation",
        option="-misset_seed",
        unset="another one every time; on command lines that of the noise",
    )
    cells: float | tuple[float, float, float] = row(
        CELLS,
        "unit cells along a, b and c",
        default=1,
        option="-N",
        more="Real numbers, at least 1; on command lines whole ones.",
    )
    cells_off_diagonal: Vector | None = row(
        VECTOR,
        "N_ab, N_bc and N_ac of gauss_index crystals, whose N is a symmetric matrix",
        option="-Ndef",
        unset="0 0 0",
        more="Its diagonal is ``cells``; diffBragg's Nd, Ne, Nf.",
    )
    size: float | tuple[float | None, float | None, float | None] | None = row(
        SIZES, "size of the crystal along a, b and c; instead of unit cells", unit="mm", option="-xtalsize"
    )
    blocks: float = row(
        POSITIVE,
        "mosaic blocks of that size in the beam, whose photons add up",
        default=1.0,
        option="-blocks",
        more="One block is rendered; what is around the crystal is not multiplied.",
    )
    shape: CrystalShape = row(_SHAPE, "shape of the crystal, and so of its spots", default="square")
    fudge: float = row(NUMBER, "scale of the spots' radius; not of square crystals", default=1.0, option="-fudge")
    structure_factors: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "structure factors: h k l F, MTZ, CIF, SHELX, XDS, CrystFEL, Scalepack, or a model (PDB, CIF)",
        option="-hkl",
        more="As an array (n, 4): h, k, l, F. Arrays and text lists are P1: no symmetry is applied, not even "
        "Friedel's. Reflections of other files are expanded by symmetry, models are transformed; most of these files "
        "give the cell, too, where neither ``cell`` nor ``matrix`` does (``specs/formats.md``).",
    )
    sf_column: str | None = row(
        NAME, "column of an MTZ or CIF file", option="-sf_column", unset="amplitudes, else intensities"
    )
    sf_block: str | None = row(NAME, "block of a CIF", option="-sf_block", unset="the first with atoms, or with values")
    sf_group: str | None = row(
        NAME,
        "space group of a file of reflections or of a model, by name or number",
        option="-sf_group",
        unset="the file's",
        more="It is stronger than what the file says.",
    )
    sf_dmin: float | None = row(
        POSITIVE,
        "resolution of structure factors from a model, MTZ or CIF",
        unit="Å",
        option="-sf_dmin",
        unset="a model's: the detector's corner",
    )
    k_sol: float | None = row(
        NOT_NEGATIVE,
        "bulk solvent around a model",
        unit="electrons/Å³",
        option="-k_sol",
        unset="0.35; 0 in small-molecule crystals",
    )
    b_sol: float = row(NOT_NEGATIVE, "B factor of the bulk solvent", default=46.0, unit="Å²", option="-b_sol")
    default_F: float = row(
        NUMBER,
        "structure factor of reflections that are not listed",
        default=0.0,
        unit="electrons",
        option="-default_F",
    )
    dump: str | os.PathLike[str] | None = row(
        CACHE_FILE,
        "cache of the structure factors; written after a text list, read without",
        option="-dump",
        unset="none; on command lines Fdump.bin",
        more="Read where ``structure_factors`` is unset and the file exists. The command writes it after it has read a "
        "text list; from Python, ``nanobragg.save_cache`` does.",
    )
    interpolate: bool | None = row(
        FLAG,
        "tricubic interpolation of structure factors",
        option="-interpolate",
        unset="if a side has at most 2 cells",
    )
    mosaic_spread: float | None = row(
        NUMBER, "radius of the cap of mosaic rotations", unit="degrees", option="-mosaic", unset="0"
    )
    mosaic_domains: int | None = row(
        WHOLE, "mosaic domains", option="-mosaic_domains", unset="1; 10 with a mosaic spread"
    )
    mosaic_seed: int | None = row(WHOLE, "seed of the mosaic domains", option="-mosaic_seed", unset="12345678")
    spindle_axis: Vector | None = row(
        VECTOR,
        "right-handed rotation axis",
        option="-spindle_axis",
        unset="0 0 1",
        more=_AXIS,
    )
    water: float = row(NUMBER, "water around the crystal, along the beam", default=0.0, unit="µm", option="-water")


class Panel(Record):
    """A panel of a detector: a raster of pixels on a plane, and where it stands in the lab frame."""

    name: str | None = row(NAME, "name, another one than other panels have", unset="p and its number")
    group: str = row(NAME, "name of the panels that are moved together with it: a module, a quadrant", default="")
    shape: tuple[int, int] | None = row(RASTER, "pixels, slow and fast; must be said")
    pixel_size: float | tuple[float, float] | None = row(
        EDGES,
        "edge of a pixel; two numbers: along the fast axis, and along the slow one",
        unit="mm",
        unset="the detector's, else 0.1",
    )
    origin: Vector | None = row(VECTOR, "outer corner of the first pixel; must be said", unit="mm")
    fast_axis: Vector | None = row(
        VECTOR,
        "direction in which pixels follow each other, of any length",
        unset="the fast axis of the convention",
    )
    slow_axis: Vector | None = row(
        VECTOR,
        "direction in which rows follow each other, of any length",
        unset="the slow axis of the convention",
        more="It need not be at right angles to the fast axis.",
    )
    gain: float = row(POSITIVE, "units of a raw pixel for each photon; for files", default=1.0)
    saturation: float | None = row(
        POSITIVE, "largest count that a pixel holds; for files", unset="that of the file's format"
    )
    sensor_thickness: float | None = row(
        NOT_NEGATIVE,
        "thickness of the sensor",
        unit="µm",
        unset="the detector's",
        more="It absorbs where the detector has a thickness, or any panel an attenuation depth, or a thickness and a "
        "material whose absorption is known; else it is for files.",
    )
    attenuation_depth: float | None = row(
        POSITIVE, "attenuation depth of the sensor", unit="µm", unset="the detector's, else the material's"
    )
    sensor_material: str | None = row(
        NAME,
        "material of the sensor",
        unset="the detector's; files say Si",
        more=f"{', '.join(SOLIDS)} have an attenuation depth at the beam's wavelength; others are for files.",
    )
    mask: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "image (SMV, CBF, TIFF...) of the panel whose pixels of 0 are not rendered",
        more="As an array: (slow, fast).",
    )
    bad: tuple[tuple[int, int, int, int], ...] = row(
        REGIONS, "regions that are not rendered: fast from, to, slow from, to, inclusive", default=()
    )
    place: tuple[int, ...] | None = row(
        ELEMENT,
        "place of the first pixel in the file's array: slow and fast, before them its number in a stack",
        unset="a stack of panels of one shape, else a slab, one panel below the other",
    )


class Move(Record):
    """A panel, or a group of them, moved from where all else puts it: turned, then shifted."""

    panel: str | None = row(NAME, "name, or number from 0, of the panel that is moved")
    group: str | None = row(NAME, "name of the group that is moved instead of a panel, as one rigid body")
    shift: Vector = row(VECTOR, "shift along lab x, y and z", default=(0.0, 0.0, 0.0), unit="mm", unset="none")
    rotation: Vector = row(
        VECTOR, "rotation about lab x, then y, then z", default=(0.0, 0.0, 0.0), unit="degrees", unset="none"
    )
    pivot: Vector | None = row(
        VECTOR,
        "point in the lab frame that the rotation leaves in place",
        unit="mm",
        unset="the middle of the panel, or the mean of the middles of the group's",
    )


class Detector(Record):
    """The detector: pixels, position and orientation, sensor."""

    name: str | None = row(
        DETECTOR,
        "ready-made detector with its gaps; nanobragg --detectors lists them",
        option="-detector",
        more="It stands across the beam, as one flat detector of its size would, and is moved by the same fields.",
    )
    panels: tuple[Panel, ...] | None = row(
        list_of(Panel),
        "panels, each where it stands; instead of a shape, size and axes of one",
        more="Distances, beam centres, rotations and the swing move them as one rigid body (``specs/geometry.md``). "
        "None of nanoBragg.c's quirks touches a detector of panels.",
    )

    moves: tuple[Move, ...] | None = row(
        list_of(Move),
        "panels and groups that are moved on their own, one after the other",
        unset="none",
        more="After all that moves the detector as a whole. Of panels that are said, of files and of ready-made "
        "detectors.",
    )

    rendered: str | None = row(
        NAME,
        "panels to render, by name or number from 0, with commas between",
        option="-panels",
        unset="all",
        more="The others' pixels are 0, as outside the region of interest.",
    )

    shape: tuple[int | None, int | None] | None = row(
        TWO_WHOLE, "pixels, slow and fast; stronger than the size", option="-detpixels", unset="from the size"
    )
    size: tuple[float | None, float | None] | None = row(
        TWO_NUMBERS, "size, slow and fast", unit="mm", option="-detsize", unset="102.4 both ways"
    )
    pixel_size: float | None = row(NUMBER, "edge of a pixel", unit="mm", option="-pixel", unset="0.1")
    distance: float | None = row(
        NUMBER, "sample to detector along the beam", unit="mm", option="-distance", unset="100"
    )
    close_distance: float | None = row(
        NUMBER, "sample to the nearest point of the detector's plane", unit="mm", option="-close_distance"
    )
    beam_x: float | None = row(
        NUMBER,
        "direct beam in the convention's frame",
        unit="mm",
        option="-Xbeam",
        unset="centre of the detector",
    )
    beam_y: float | None = row(
        NUMBER,
        "direct beam in the convention's frame",
        unit="mm",
        option="-Ybeam",
        unset="centre of the detector",
    )
    close_x: float | None = row(NUMBER, "point nearest to the sample", unit="mm", option="-Xclose")
    close_y: float | None = row(NUMBER, "point nearest to the sample", unit="mm", option="-Yclose")
    orgx: float | None = row(NUMBER, "XDS origin", unit="pixels", option="-ORGX")
    orgy: float | None = row(NUMBER, "XDS origin", unit="pixels", option="-ORGY")
    convention: Convention | None = row(
        _CONVENTION, "frame and beam centre", unset="mosflm; custom if any vector is given"
    )
    pivot: Pivot | None = row(
        _PIVOT,
        "what the detector turns about",
        option="-pivot",
        unset="the convention's; see specs/geometry.md",
        more="It stays in place. Unset: the near point (sample) with any of ``twotheta``, ``close_distance``, "
        "``close_x``, ``close_y``, ``orgx``, ``orgy``; else the direct beam's spot (beam) with any of ``distance``, "
        "``beam_x``, ``beam_y``; else the convention's (see the quirk pivot_overridden).",
    )
    rotx: float = row(NUMBER, "rotation about lab x", default=0.0, unit="degrees", option="-detector_rotx")
    roty: float = row(NUMBER, "rotation about lab y, after x", default=0.0, unit="degrees", option="-detector_roty")
    rotz: float = row(NUMBER, "rotation about lab z, after y", default=0.0, unit="degrees", option="-detector_rotz")
    twotheta: float | None = row(NUMBER, "detector swing about its axis", unit="degrees", option="-twotheta", unset="0")
    twotheta_axis: Vector | None = row(
        VECTOR,
        "axis of the detector swing",
        option="-twotheta_axis",
        unset="0 1 0",
        more=_AXIS,
    )
    fast_axis: Vector | None = row(
        VECTOR,
        "fast axis",
        option="-fdet_vector",
        unset="0 0 1",
        more=_AXIS,
    )
    slow_axis: Vector | None = row(
        VECTOR,
        "slow axis",
        option="-sdet_vector",
        unset="0 -1 0",
        more=_AXIS,
    )
    normal_axis: Vector | None = row(
        VECTOR,
        "detector normal, away from the sample",
        option="-odet_vector",
        unset="1 0 0",
        more=_AXIS,
    )
    pix0: Vector | None = row(
        VECTOR,
        "first pixel before rotation",
        unit="m",
        option="-pix0_vector",
        more="In metres, for the custom convention, which it selects; see the quirk pix0_ignored.",
    )
    curved: bool = row(FLAG, "every pixel at the same distance from the sample", default=False, option="-curved_det")
    point_pixel: bool = row(FLAG, "solid angle 1/R², without obliquity", default=False, option="-point_pixel")
    attenuation_depth: float | None = row(
        DEPTH, "attenuation depth of the sensor; inf: nothing is absorbed", unit="µm", option="-detector_absorb"
    )
    material: str | None = row(
        SOLID,
        "material of the sensor, whose attenuation depth at the beam's wavelength is taken where none is said",
        option="-detector_material",
        unset="as the file says",
    )
    thickness: float | None = row(NUMBER, "thickness of the sensor", unit="µm", option="-detector_thick", unset="0")
    layers: int | None = row(WHOLE, "layers that the sensor is divided into", option="-detector_thicksteps", unset="1")
    own_sensors: bool = row(
        FLAG,
        "each panel absorbs with the thickness and the attenuation depth that its file tells",
        default=False,
        option="-own_sensors",
        more="What is not told is the detector's. Panels that are said have sensors of their own without it.",
    )
    roi: tuple[int, int, int, int] | None = row(
        REGION,
        "pixels to render: fast from, to, slow from, to, inclusive; negative: the default",
        option="-roi",
        unset="all",
    )
    mask: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "image (SMV, CBF, TIFF, FILE.h5:/PATH...) whose pixels of 0 are not rendered; its header gives defaults, too",
        option="-mask",
        more="As an array: (slow, fast).",
    )
    header: str | os.PathLike[str] | None = row(
        INPUT_FILE,
        "image (SMV, CBF, HDF5...), DIALS .expt or CrystFEL .geom that gives defaults for the geometry",
        option="-img",
    )
    experiment: int | None = row(
        NATURAL, "which experiment of a DIALS list, from 0", option="-experiment", unset="the first"
    )
    clen: float | None = row(
        NUMBER, "camera length of a CrystFEL .geom, before coffset", unit="mm", option="-clen", unset="the file's"
    )
    geometry_data: str | os.PathLike[str] | None = row(
        INPUT_FILE,
        "data file (HDF5) of a CrystFEL .geom, for what that leaves to it",
        option="-geomdata",
        more="Camera length, energy or wavelength, shifts, and masks.",
    )

    @classmethod
    def named(cls, name: str, **fields: Any) -> Detector:
        """A ready-made detector, with its gaps: ``Detector.named("EIGER2 16M", distance=200)``.

        Args:
            name: as ``nanobragg --detectors`` lists it, in any case, with or without blanks.
            fields: of the detector, such as its distance and beam centre.

        Raises:
            InputError: for a name that is not known, with the nearest one that is.

        """
        return cls(name=detector_name(name), **fields)


class Sampling(Record):
    """Rotation and the fineness of the simulation."""

    phi: float | None = row(NUMBER, "start of the rotation", unit="degrees", option="-phi", unset="0")
    oscillation: float | None = row(NUMBER, "range of the rotation", unit="degrees", option="-osc", unset="0")
    phi_step: float | None = row(NUMBER, "step of the rotation", unit="degrees", option="-phistep")
    phi_steps: int | None = row(WHOLE, "steps of the rotation", option="-phisteps", unset="1")
    oversample: int | None = row(
        WHOLE,
        "subpixels along each axis of a pixel",
        option="-oversample",
        unset="from crystal size, wavelength and geometry",
    )
    oversample_thick: bool = row(
        FLAG, "absorption in the sensor for every subpixel", default=False, option="-oversample_thick"
    )
    oversample_polar: bool = row(FLAG, "polarization for every subpixel", default=False, option="-oversample_polar")
    oversample_omega: bool = row(FLAG, "solid angle for every subpixel", default=False, option="-oversample_omega")
    dmin: float | None = row(NUMBER, "high-resolution limit", unit="Å", option="-dmin", unset="none")
    tolerance: float = row(
        NOT_NEGATIVE,
        "what no pixel may be wrong by, for terms that are left out; 0: all are computed",
        unit="photons",
        default=0.0,
        option="-tolerance",
        more='See ``specs/physics.md``, "Within a stated error".',
    )


class Experiment(Record):
    """Everything that decides an image."""

    beam: Beam = part(Beam)
    crystal: Crystal = part(Crystal)
    detector: Detector = part(Detector)
    sampling: Sampling = part(Sampling)
    around: Around = part(Around)
    response: Response = part(Response)
    quirks: str = row(
        QUIRK_NAMES,
        "deviations of nanoBragg.c from physics to keep; -name takes one away: all,-pix0_ignored",
        default="all",
        option="-quirks",
        more="``all``, ``none``, or names separated by commas; see ``specs/quirks.md``.",
    )

    if TYPE_CHECKING:
        # They are bound where the package is put together (nanobragg/simulation.py), since what they do is done in
        # rooms above this one.
        @classmethod
        def from_args(cls, args: str | Sequence[str]) -> Experiment: ...
        @classmethod
        def from_toml(cls, path: str | os.PathLike[str]) -> Experiment: ...
        def to_toml(self, path: str | os.PathLike[str]) -> None: ...
        def scene(self) -> Scene: ...


document(Beam, Crystal, Panel, Move, Detector, Sampling, Experiment)
