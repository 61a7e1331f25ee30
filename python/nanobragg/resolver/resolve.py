"""The experiment resolved, step by step in the order of ``specs/geometry.md``."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.maths.vectors import DEGREES, Vec, norm, scale
from nanobragg.records.field_checks import checked
from nanobragg.records.quirks import QUIRKS, parse_quirks
from nanobragg.records.resolved import Geometry, Radiation, Resolved, Sample
from nanobragg.records.scene import Factor, Interpolation, Scene, Shape
from nanobragg.resolver import beam as beams
from nanobragg.resolver import crystal as crystals
from nanobragg.resolver import detector as detectors
from nanobragg.resolver import headers, orientation, resolution, steps, structure_factors
from nanobragg.resolver.sensor import Sensor, layer_table, sensor_of

if TYPE_CHECKING:
    from nanobragg.records.experiment import Experiment

WATER_F = 2.57
"""electrons"""
WATER_MW = 18.0
"""g/mol"""
AVOGADRO = 6.02214179e23

_SHAPES = {"square": Shape.SQUARE, "round": Shape.ROUND, "gauss": Shape.GAUSS, "tophat": Shape.TOPHAT}


class _Log:
    """What there is to say, in order."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.touched: set[str] = set()

    def touch(self, name: str, touches: bool) -> None:
        if touches:
            self.touched.add(name)


def resolve(experiment: Experiment) -> Resolved:
    """Make an experiment explicit.

    Returns:
        The Scene, the numbers that people read, and what there is to say about the way from one to the other.

    Raises:
        InputError: one sentence naming the field or file, what was found and what was expected.

    """
    return _Resolver(checked(experiment)).run()


class _Resolver:
    """The stages of one resolution; each reads the experiment and the stages before it."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.beam, self.crystal = experiment.beam, experiment.crystal
        self.detector, self.sampling = experiment.detector, experiment.sampling
        self.quirks = parse_quirks(experiment.quirks)
        self.log = _Log()

    def run(self) -> Resolved:
        self._headers()
        self._detector()
        self._steps()
        self._crystal()
        self._sources()
        self._structure_factors()
        self._orientations()
        self._background()
        scene = self._scene()
        self._touch_factors()
        return Resolved(
            experiment=self.experiment,
            scene=scene,
            geometry=self._geometry(),
            sample=self._sample(),
            radiation=self._radiation(),
            notes=tuple(self.log.notes),
            warnings=tuple(self.log.warnings),
            random_state=tuple(self.table.state()),
            quirks=tuple((name, QUIRKS[name]) for name in QUIRKS if name in self.log.touched),
        )

    def _on(self, name: str) -> bool:
        return name in self.quirks

    # ---- files that come first ----------------------------------------------------------------------------

    def _headers(self) -> None:
        """Headers of the mask and of the image, in this order."""
        self.header = headers.HeaderValues()
        self.mask: np.ndarray | None = None
        self.mask_name = ""
        self.axes: np.ndarray | None = None
        """(3, 3) Å: rows a, b, c at phi = 0, from a file"""
        substring = self._on("header_substring")
        for given, is_mask in ((self.detector.mask, True), (self.detector.header, False)):
            if given is None:
                continue
            if not isinstance(given, (str, os.PathLike)):
                self.mask = np.asarray(given)
                self.mask_name = "an array"
                continue
            from nanobragg.io.geometry.any_file import is_smv

            if not is_smv(given):
                self._file(os.fspath(given), is_mask)
                continue
            from nanobragg.io.images.smv import SmvImage, read_smv, read_smv_header

            image = read_smv(given) if is_mask else read_smv_header(given)
            self.log.notes.append(f"reading {os.fspath(given)}")
            self.log.notes.append(headers.used(image, substring=substring))
            self.header = headers.apply_header(self.header, image, mask=is_mask, substring=substring)
            self.log.touch("header_substring", substring and headers.substring_matters(image))
            if isinstance(image, SmvImage):
                self.mask = image.pixels
                self.mask_name = os.fspath(given)

    def _file(self, name: str, is_mask: bool) -> None:
        """What a file says that is no SMV image."""
        from nanobragg.io.geometry.any_file import read_file_geometry

        file = read_file_geometry(name, mask=is_mask)
        self.log.notes.append(f"reading {name}")
        self.log.notes.append(file.used())
        self.log.warnings.extend(file.warnings)
        self.header = headers.apply_file(self.header, file)
        if is_mask:
            self.mask, self.mask_name = file.pixels, name
        framed = None if is_mask else headers.with_vectors(self.experiment, file)
        if framed is not None:
            self.beam, self.crystal, self.detector = framed.beam, framed.crystal, framed.detector
            self.axes = file.real_space
        elif file.vectors is not None and not is_mask:
            convention = self.detector.convention
            self.log.warnings.append(f"{name}: its axes and crystal are not used in the {convention} convention")

    # ---- detector -----------------------------------------------------------------------------------------

    def _detector(self) -> None:
        self.pixels = detectors.pixels_of(self.detector, self.header)
        self.wavelength = beams.wavelength_of(self.beam, self.header)
        self.fluence = beams.fluence_of(self.beam)
        # The axes of a file are two: the third is to be generated.
        doubts = self.log.warnings if self.experiment.detector.convention == self.detector.convention else []
        self.placement = self._place(self.quirks, doubts)
        for name in ("pivot_overridden", "pix0_ignored"):
            if self._on(name):
                free = self._place(self.quirks - {name}, [])
                self.log.touch(name, not _same_place(free, self.placement))
        if self.detector.curved and self.placement.distance == 0.0:
            raise InputError("-curved_det: found a detector distance of 0, expected a sphere with a radius")
        self.roi = self._roi()
        self._check_mask()

    def _place(self, quirks: frozenset[str], warnings: list[str]) -> detectors.Placement:
        return detectors.place(self.beam, self.crystal, self.detector, self.header, self.pixels, quirks, warnings)

    def _roi(self) -> tuple[int, int, int, int]:
        said = (-1, -1, -1, -1) if self.detector.roi is None else self.detector.roi
        if len(said) != 4:
            raise InputError(f"-roi: found {said!r}, expected xmin xmax ymin ymax (pixels)")
        defaults = (0, self.pixels.nfast, 0, self.pixels.nslow)
        x0, x1, y0, y1 = (default if v < 0 else int(v) for v, default in zip(said, defaults, strict=True))
        if x1 < x0 or y1 < y0 or x0 >= self.pixels.nfast or y0 >= self.pixels.nslow:
            self.log.warnings.append(f"the region of interest {x0} {x1} {y0} {y1} holds no pixel: the image is black")
        return (x0, x1, y0, y1)

    def _check_mask(self) -> None:
        if self.mask is None:
            return
        shape = (self.pixels.nslow, self.pixels.nfast)
        if self.mask.shape != shape:
            found = " x ".join(str(n) for n in self.mask.shape[::-1])
            raise InputError(
                f"-mask: found {found} pixels in {self.mask_name}, expected the detector's {shape[1]} x {shape[0]}"
            )

    # ---- sampling -----------------------------------------------------------------------------------------

    def _steps(self) -> None:
        def radians(said: float | None, header: float | None = None) -> float | None:
            value = said if said is not None else header
            if value is not None and not math.isfinite(value):
                raise InputError(f"-phi, -osc or -phistep: found {value:g}, expected finite degrees")
            return None if value is None else value / DEGREES

        sampling = self.sampling
        self.phi0 = radians(sampling.phi, self.header.phi) or 0.0
        oscillation = radians(sampling.oscillation, self.header.oscillation)
        self.phi = steps.rotation(oscillation, radians(sampling.phi_step), sampling.phi_steps)
        self.sensor: Sensor = sensor_of(self.detector, self.quirks, self.log.warnings)
        self.log.touch("thickness_step", self.sensor.step_quirk)
        spread = None if self.crystal.mosaic_spread is None else self.crystal.mosaic_spread / DEGREES
        self.mosaic = steps.mosaic(spread, self.crystal.mosaic_domains, self.log.warnings)
        if self.phi[2] * self.mosaic[1] > orientation.MOST_ORIENTATIONS:
            raise InputError(
                f"-phisteps and -mosaic_dom: found {self.phi[2]} x {self.mosaic[1]} orientations, "
                f"expected at most {orientation.MOST_ORIENTATIONS}"
            )

    # ---- crystal ------------------------------------------------------------------------------------------

    def _crystal(self) -> None:
        self.table = _core.RandomTable()
        self.misset, self.misset_random = orientation.misset_of(self.crystal, self.table, self.quirks)
        self.log.touch("random_misset_units", self.misset_random and self._on("random_misset_units"))
        if self.misset_random and self.misset is not None:
            angles = " ".join(f"{angle * DEGREES:f}" for angle in self.misset)
            self.log.notes.append(f"random orientation misset angles: {angles} deg")
        self.factor_file = structure_factors.open_file(self.crystal)
        cell = self._cell()
        matrix = self._matrix()
        self.lattice = crystals.lattice_of(cell, matrix, self.wavelength, self.misset, self.quirks)
        from_cell = cell is not None and matrix is None
        self.log.touch("cell_angles", from_cell and self._on("cell_angles") and crystals.changes_angles(cell))
        self.said_cells = crystals.cells_of(self.crystal)
        a, b, c = (scale(1e-10, v) for v in (self.lattice.a, self.lattice.b, self.lattice.c))
        lengths = (norm(a), norm(b), norm(c))
        self.cells = crystals.crystal_cells(
            self.said_cells,
            crystals.sizes_of(self.crystal),
            beams.beam_size_of(self.beam),
            lengths,
            self.log.warnings,
        )
        self.extents: Vec = (
            lengths[0] * self.cells[0],
            lengths[1] * self.cells[1],
            lengths[2] * self.cells[2],
        )
        self._oversample()
        if self.crystal.shape not in _SHAPES:
            raise InputError(f"shape: found {self.crystal.shape!r}, expected square, round, gauss or tophat")

    def _cell(self) -> crystals.Cell | None:
        """The cell as said; where nothing is said, that of the file of structure factors."""
        said = self.crystal.cell
        if said is None and self.crystal.matrix is None and self.axes is None and self.factor_file is not None:
            said = self.factor_file.cell
            if said is not None:
                numbers = " ".join(f"{value:g}" for value in said)
                self.log.notes.append(f"unit cell {numbers} (Å, degrees) from {self.factor_file.name}")
        return None if said is None else crystals.cell_of(said)

    def _matrix(self) -> list[list[float]] | None:
        given = self.crystal.matrix
        if given is None:
            return self._matrix_of_file()
        if isinstance(given, (str, os.PathLike)):
            from nanobragg.io.lists.matrix import read_matrix

            self.log.notes.append(f"reading {os.fspath(given)}")
            given = read_matrix(given)
        table = np.asarray(given, dtype=float)
        if table.shape != (3, 3) or not np.isfinite(table).all():
            raise InputError(f"-mat: found an array of shape {table.shape}, expected (3, 3) finite numbers")
        return table.tolist()

    def _matrix_of_file(self) -> list[list[float]] | None:
        """The orientation that came with the geometry, where nothing is said."""
        if self.axes is None or self.crystal.cell is not None:
            return None
        return (np.linalg.inv(self.axes) * (self.wavelength * 1e10)).tolist()

    def _oversample(self) -> None:
        recommended = crystals.recommended_oversampling(
            self.extents, self.wavelength, self.placement.distance, self.pixels.pixel_size
        )
        said = self.sampling.oversample
        self.oversample_chosen = said is None or said <= 0
        self.oversample = recommended if said is None or said <= 0 else said
        if self.oversample > 10_000 and self.oversample_chosen:
            raise InputError(
                f"-oversample: found none, and a crystal of {max(self.extents) * 1e3:g} mm asks for "
                f"{float(self.oversample):g} subpixels along an axis; expected a smaller crystal, or -oversample"
            )
        if self.oversample > 10_000:
            raise InputError(f"-oversample: found {self.oversample}, expected at most 10000 subpixels along an axis")
        if self.oversample_chosen:
            self.log.notes.append(f"auto-selected {self.oversample}-fold oversampling")
        elif self.oversample < recommended:
            reciprocal_pixel = self.wavelength * self.placement.distance / self.pixels.pixel_size
            self.log.warnings.append(
                f"maximum dimension of sample is {max(self.extents) * 1e10:g} A but reciprocal pixel size is "
                f"{reciprocal_pixel * 1e10:g} A: intensity may vary significantly across a pixel; recommend "
                f"-oversample {recommended}"
            )

    def _structure_factors(self) -> None:
        said = self.crystal.interpolate
        wanted = min(self.said_cells) <= 2 if said is None else said
        lattice = self.lattice
        use = structure_factors.Use(
            cell=crystals.cell_constants(lattice.a, lattice.b, lattice.c),
            wavelength=self.wavelength,
            corner=self._corner,
            reach=2.5 if wanted else 0.5,
        )
        self.factors = structure_factors.load(self.crystal, self.factor_file, use, self.log.notes, self.log.warnings)
        if said is None:
            chosen = "tricubic interpolation of structure factors" if wanted else "no interpolation"
            self.log.notes.append(f"auto-selected {chosen}")
        self.interpolate = wanted and self.factors.count > 0

    def _corner(self) -> float:
        """The highest resolution that the detector sees, at any source, or ``dmin`` where that is lower, Å."""
        directions = np.array(self.sources.travel), np.array(self.sources.wavelengths)
        seen = resolution.highest(self.placement, self.pixels, *directions, curved=self.detector.curved)
        return max(seen, self.sampling.dmin or 0.0)

    def _interpolation(self) -> Interpolation:
        if not self.interpolate:
            return Interpolation.NEAREST
        sticky = self._on("sticky_interpolation_fallback")
        return Interpolation.TRICUBIC_STICKY if sticky else Interpolation.TRICUBIC

    # ---- beam ---------------------------------------------------------------------------------------------

    def _sources(self) -> None:
        frame = self.placement.frame
        given = self.beam.sources
        if given is None:
            self.sources = beams.grid_sources(
                self.beam, self.wavelength, frame.beam, frame.polar, self.placement.vertical
            )
        else:
            if isinstance(given, (str, os.PathLike)):
                from nanobragg.io.lists.sources import read_sources

                self.log.notes.append(f"reading {os.fspath(given)}")
                given = read_sources(given)
            table = np.asarray(given, dtype=float)
            if table.ndim != 2 or table.shape[1] != 5 or len(table) == 0:
                raise InputError(f"-sourcefile: found an array of shape {table.shape}, expected (n, 5)")
            self.sources = beams.listed_sources(table, self.beam, self.wavelength, frame.beam)
        weights = self.sources.weights
        ignored = self._on("source_weights_ignored")
        self.log.touch("source_weights_ignored", ignored and any(w != weights[0] for w in weights))

    def _orientations(self) -> None:
        domains = orientation.domains_of(*self.mosaic, self.crystal.mosaic_seed, self.table)
        phi = orientation.phi_cells(
            orientation.direct_cell(self.lattice),
            self.placement.frame.spindle,
            self.phi0,
            self.phi[1],
            self.phi[2],
            self._on("stale_phi_zero"),
        )
        self.log.touch("stale_phi_zero", phi.stale)
        self.orientations = orientation.with_domains(phi.general, domains)
        self.first_orientations = (
            np.empty((0, 3, 3)) if phi.first is None else orientation.with_domains(phi.first, domains)
        )

    def _background(self) -> None:
        if not math.isfinite(self.crystal.water):
            raise InputError(f"-water: found {self.crystal.water:g}, expected a finite thickness (µm)")
        self.water = self.crystal.water / 1e6
        volume = self.water * self.water * self.water
        self.background = WATER_F * WATER_F * beams.THOMSON * self.fluence * volume * 1e6 * AVOGADRO / WATER_MW
        self.log.touch("water_scaling", self._on("water_scaling") and self.background != 0.0)

    # ---- the Scene ----------------------------------------------------------------------------------------

    def _factors(self) -> dict[str, Factor]:
        """Where solid angle, polarization and capture are evaluated."""
        s = self.sampling
        usual = Factor.FIRST if self._on("first_subpixel_factors") else Factor.CENTRE
        running = self._on("running_product")
        if s.oversample_polar and (running or self.beam.polarization_correction):
            polar = Factor.EACH
        else:
            polar = usual if self.beam.polarization_correction else Factor.OFF
        if s.oversample_thick and (running or self.sensor.absorbs):
            capture = Factor.EACH
        else:
            capture = usual if self.sensor.absorbs else Factor.OFF
        return {"omega": Factor.EACH if s.oversample_omega else usual, "polar": polar, "capture": capture}

    def _touch_factors(self) -> None:
        s, sensor = self.sampling, self.sensor
        layered = sensor.absorbs and sensor.count > 1
        flags = (s.oversample_thick, s.oversample_polar, s.oversample_omega)
        # With a single term the product of the sum is the product of the term.
        several = self._steps_total() * sensor.count > 1
        odd = (s.oversample_thick and not sensor.absorbs) or (
            s.oversample_polar and not self.beam.polarization_correction
        )
        self.log.touch("running_product", self._on("running_product") and any(flags) and (several or odd))
        self.log.touch("last_layer_capture", self._on("last_layer_capture") and layered and not s.oversample_thick)
        polar_matters = self.beam.polarization_correction and not s.oversample_polar
        first = (
            (self.oversample > 1 and (not s.oversample_omega or polar_matters))
            or (self.oversample > 1 and sensor.absorbs and not s.oversample_thick)
            or (polar_matters and len(set(self.sources.travel)) > 1)
            or (layered and not s.oversample_thick)
        )
        self.log.touch("first_subpixel_factors", self._on("first_subpixel_factors") and first)

    def _steps_total(self) -> int:
        return len(self.sources.travel) * self.phi[2] * self.mosaic[1] * self.oversample * self.oversample

    def _clipped_roi(self) -> tuple[int, int, int, int]:
        x0, x1, y0, y1 = self.roi
        x1, y1 = min(x1, self.pixels.nfast - 1), min(y1, self.pixels.nslow - 1)
        return (x0, x1, y0, y1) if x0 <= x1 and y0 <= y1 else (0, -1, 0, -1)

    def _scene(self) -> Scene:
        frame, sensor = self.placement.frame, self.sensor
        if not math.isfinite(self.crystal.fudge):
            raise InputError(f"-fudge: found {self.crystal.fudge:g}, expected a finite number")
        shape = (self.pixels.nslow, self.pixels.nfast)
        last_layer = self._on("last_layer_capture") and not self.sampling.oversample_thick
        dmin = 0.0 if self.sampling.dmin is None else self.sampling.dmin * 1e-10
        water_first = self._on("water_scaling")
        weights = beams.scene_weights(self.sources, self._on("source_weights_ignored"))
        return Scene(
            shape=shape,
            pixel_size=self.pixels.pixel_size,
            panel_origin=np.array([self.placement.pix0]),
            panel_fast=np.array([frame.fast]),
            panel_slow=np.array([frame.slow]),
            panel_normal=np.array([frame.normal]),
            panel_close_distance=np.array([self.placement.close_distance]),
            curved_distance=self.placement.distance if self.detector.curved else 0.0,
            beam_direction=np.array(frame.beam),
            layers=np.array(layer_table(sensor, last_layer=last_layer)),
            attenuation=sensor.attenuation if sensor.absorbs else 0.0,
            sensor_depth=sensor.count * sensor.step,
            **self._factors(),
            point_pixel=self.detector.point_pixel,
            running_product=self._on("running_product"),
            kahn_factor=float(self.beam.polarization),
            polarization_axis=np.array(frame.polar),
            source_direction=np.array(self.sources.travel),
            source_wavelength=np.array(self.sources.wavelengths),
            source_weight=np.array(weights),
            orientations=self.orientations,
            first_orientations=self.first_orientations,
            crystal_shape=_SHAPES[self.crystal.shape],
            cells=self.cells,
            fudge=float(self.crystal.fudge),
            reciprocal=np.array([self.lattice.a_star, self.lattice.b_star, self.lattice.c_star]),
            f_grid=self.factors.values,
            f_min=self.factors.minimum,
            default_F=float(self.crystal.default_F),
            interpolation=self._interpolation(),
            oversample=self.oversample,
            dmin=dmin,
            background_sum=self.background if water_first else 0.0,
            background=0.0 if water_first else self.background,
            scale=beams.THOMSON * self.fluence,
            steps=self._steps_total(),
            roi=self._clipped_roi(),
            mask=None if self.mask is None else np.ascontiguousarray(self.mask[None] != 0).view(np.uint8),
        )

    # ---- numbers that people read -------------------------------------------------------------------------

    def _geometry(self) -> Geometry:
        at, frame, pixels = self.placement, self.placement.frame, self.pixels
        return Geometry(
            convention=at.convention,
            pivot=at.pivot,
            nfast=pixels.nfast,
            nslow=pixels.nslow,
            pixel_size=pixels.pixel_size,
            detsize_f=pixels.detsize_f,
            detsize_s=pixels.detsize_s,
            distance=at.distance,
            close_distance=at.close_distance,
            Xbeam=at.Xbeam,
            Ybeam=at.Ybeam,
            Xclose=at.Xclose,
            Yclose=at.Yclose,
            Fbeam=at.Fbeam,
            Sbeam=at.Sbeam,
            Fclose=at.Fclose,
            Sclose=at.Sclose,
            orgx=at.orgx,
            orgy=at.orgy,
            dials_origin=(1000.0 * at.pix0[2], 1000.0 * at.pix0[1], 1000.0 * -at.pix0[0]),
            pix0=at.pix0,
            fast=frame.fast,
            slow=frame.slow,
            normal=frame.normal,
            beam=frame.beam,
            polar=frame.polar,
            spindle=frame.spindle,
            twotheta=(self.detector.twotheta or 0.0) / DEGREES,
            roi=self.roi,
            thickness=self.sensor.thickness,
            thickness_step=self.sensor.step,
            thickness_steps=self.sensor.count,
            attenuation=self.sensor.attenuation,
            curved=self.detector.curved,
            point_pixel=self.detector.point_pixel,
            mask_name=self.mask_name,
        )

    def _sample(self) -> Sample:
        lattice, crystal = self.lattice, self.crystal
        return Sample(
            cell=crystals.cell_constants(lattice.a, lattice.b, lattice.c),
            reciprocal_cell=crystals.cell_constants(lattice.a_star, lattice.b_star, lattice.c_star),
            volume=lattice.volume,
            a0=scale(1e-10, lattice.a),
            b0=scale(1e-10, lattice.b),
            c0=scale(1e-10, lattice.c),
            a_star=lattice.a_star,
            b_star=lattice.b_star,
            c_star=lattice.c_star,
            cells=self.cells,
            shape=crystal.shape,
            misset=self.misset,
            misset_random=self.misset_random,
            mosaic_spread=self.mosaic[0],
            mosaic_domains=self.mosaic[1],
            mosaic_seed=12345678 if crystal.mosaic_seed is None else crystal.mosaic_seed,
            reflections=self.factors.count,
            default_F=float(crystal.default_F),
            interpolate=self.interpolate,
            interpolation_chosen=crystal.interpolate is None,
            water=self.water,
        )

    def _radiation(self) -> Radiation:
        sources = self.sources
        return Radiation(
            wavelength=self.wavelength,
            fluence=self.fluence,
            dispersion=sources.dispersion[0],
            dispersion_steps=sources.dispersion[2],
            hdivrange=sources.hdiv[0],
            hdivstep=sources.hdiv[1],
            vdivrange=sources.vdiv[0],
            vdivstep=sources.vdiv[1],
            divergence_steps=-1 if sources.from_file else len(sources.points),
            divergence_points=sources.points,
            wavelengths=sources.grid_wavelengths,
            kahn_factor=float(self.beam.polarization),
            polarization_correction=self.beam.polarization_correction,
            phi=self.phi0,
            oscillation=self.phi[0],
            phi_step=self.phi[1],
            phi_steps=self.phi[2],
            oversample=self.oversample,
            oversample_chosen=self.oversample_chosen,
            steps=self._steps_total(),
        )


def _same_place(one: detectors.Placement, other: detectors.Placement) -> bool:
    """Whether two placements are the same up to rounding."""

    def numbers(at: detectors.Placement) -> tuple[float, ...]:
        frame = at.frame
        return (*at.pix0, *frame.fast, *frame.slow, *frame.normal, at.close_distance)

    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(numbers(one), numbers(other), strict=True)
    )
