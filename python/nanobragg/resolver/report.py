"""The numbers that people read, from the stages of the resolver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.maths.constants import DEGREES
from nanobragg.maths.vectors import scale
from nanobragg.records.resolved import Geometry, Radiation, Sample
from nanobragg.resolver.crystal import cell_constants

if TYPE_CHECKING:
    from nanobragg.resolver.stages import Stages


def geometry_of(stages: Stages) -> Geometry:
    """Detector and beam."""
    placed, detector = stages.detector, stages.said.experiment.detector
    at, frame, pixels, sensor = placed.placement, placed.placement.frame, placed.pixels, placed.sensor
    return Geometry(
        convention=at.convention,
        pivot=at.pivot,
        detsize_f=pixels.detsize_f,
        detsize_s=pixels.detsize_s,
        distance=at.distance,
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
        beam=frame.beam,
        polar=frame.polar,
        spindle=frame.spindle,
        twotheta=(detector.twotheta or 0.0) / DEGREES,
        roi=placed.roi,
        thickness=sensor.thickness,
        thickness_step=sensor.step,
        thickness_steps=sensor.count,
        layer_depths=tuple(sensor.layer_depths()),
        attenuation=sensor.attenuation,
        curved=detector.curved,
        point_pixel=detector.point_pixel,
        mask_name=stages.said.mask_name,
    )


def sample_of(stages: Stages) -> Sample:
    """Crystal, structure factors and water."""
    crystal, lattice, said = stages.crystal, stages.crystal.lattice, stages.said.experiment.crystal
    return Sample(
        cell=cell_constants(lattice.a, lattice.b, lattice.c),
        reciprocal_cell=cell_constants(lattice.a_star, lattice.b_star, lattice.c_star),
        volume=lattice.volume,
        a0=scale(1e-10, lattice.a),
        b0=scale(1e-10, lattice.b),
        c0=scale(1e-10, lattice.c),
        a_star=lattice.a_star,
        b_star=lattice.b_star,
        c_star=lattice.c_star,
        cells=crystal.cells,
        shape=said.shape,
        misset=crystal.misset,
        misset_random=crystal.misset_random,
        mosaic_spread=crystal.mosaic.spread,
        mosaic_domains=crystal.mosaic.count,
        mosaic_seed=crystal.mosaic.seed,
        reflections=stages.grid.count,
        default_F=said.default_F,
        interpolate=stages.grid.interpolate,
        water=stages.water.thickness,
    )


def radiation_of(stages: Stages) -> Radiation:
    """Beam, rotation and sampling."""
    light, sources, beam = stages.light, stages.light.sources, stages.said.experiment.beam
    rotation = stages.crystal.rotation
    return Radiation(
        wavelength=light.wavelength,
        fluence=light.fluence,
        dispersion=sources.dispersion[0],
        dispersion_steps=sources.dispersion[2],
        hdivrange=sources.hdiv[0],
        hdivstep=sources.hdiv[1],
        vdivrange=sources.vdiv[0],
        vdivstep=sources.vdiv[1],
        divergence_steps=-1 if sources.from_file else len(sources.points),
        divergence_points=sources.points,
        wavelengths=sources.grid_wavelengths,
        kahn_factor=beam.polarization,
        polarization_correction=beam.polarization_correction,
        phi=rotation.start,
        oscillation=rotation.extent,
        phi_step=rotation.step,
        phi_steps=rotation.count,
        phi_angles=tuple(rotation.angles),
        oversample=stages.oversampling.number,
        oversample_chosen=stages.oversampling.chosen,
        steps=stages.samples,
    )
