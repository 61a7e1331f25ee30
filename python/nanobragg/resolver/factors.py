"""Factors and background of a pixel: where solid angle, polarization and capture are evaluated, and what water adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nanobragg.maths.constants import AVOGADRO, THOMSON
from nanobragg.records.scene import Factor
from nanobragg.resolver.log import Log, which

if TYPE_CHECKING:
    from nanobragg.maths.vectors import Vec
    from nanobragg.records.experiment import Crystal, Experiment, Sampling
    from nanobragg.resolver.sensor import Sensor

WATER_F = 2.57
"""electrons"""
WATER_MW = 18.0
"""g/mol"""


class Factors(NamedTuple):
    """Where each factor of a pixel is evaluated."""

    omega: Factor
    polar: Factor
    capture: Factor
    running_product: bool
    last_layer: bool
    """Every layer is multiplied by the last one's capture fraction."""
    log: Log


class Water(NamedTuple):
    """The background."""

    thickness: float
    """m"""
    at_start: float
    """F² units: every pixel's sum begins with it"""
    once: float
    """photons/sr, added once per pixel"""
    log: Log


def factors_of(
    experiment: Experiment,
    sensor: Sensor,
    travel: list[Vec],
    oversample: int,
    orientations: int,
    quirks: frozenset[str],
) -> Factors:
    """Where solid angle, polarization and capture are evaluated.

    Args:
        experiment: what is said about them.
        sensor: its layers.
        travel: the direction of each source.
        oversample: subpixels along each axis.
        orientations: of the crystal, all together.
        quirks: those that are kept.

    """
    sampling, polarized = experiment.sampling, experiment.beam.polarization_correction
    usual = Factor.FIRST if "first_subpixel_factors" in quirks else Factor.CENTRE
    running = "running_product" in quirks
    last_layer = "last_layer_capture" in quirks and not sampling.oversample_thick

    def place(everywhere: bool, matters: bool) -> Factor:
        if everywhere and (running or matters):
            return Factor.EACH
        return usual if matters else Factor.OFF

    samples = len(travel) * orientations * oversample**2
    touched = which(
        running_product=running and _running_matters(sampling, polarized, sensor, samples),
        last_layer_capture=last_layer and sensor.absorbs and sensor.count > 1,
        first_subpixel_factors=usual is Factor.FIRST
        and (_first_matters(sampling, polarized, sensor, travel, oversample) or _culled_matter(experiment)),
    )
    return Factors(
        omega=Factor.EACH if sampling.oversample_omega else usual,
        polar=place(sampling.oversample_polar, polarized),
        capture=place(sampling.oversample_thick, sensor.absorbs),
        running_product=running,
        last_layer=last_layer,
        log=Log(touched=touched),
    )


def _running_matters(sampling: Sampling, polarized: bool, sensor: Sensor, samples: int) -> bool:
    flags = (sampling.oversample_thick, sampling.oversample_polar, sampling.oversample_omega)
    # With a single term the product of the sum is the product of the term.
    several = samples * sensor.count > 1
    odd = (sampling.oversample_thick and not sensor.absorbs) or (sampling.oversample_polar and not polarized)
    return any(flags) and (several or odd)


def _first_matters(sampling: Sampling, polarized: bool, sensor: Sensor, travel: list[Vec], oversample: int) -> bool:
    polar_matters = polarized and not sampling.oversample_polar
    capture_matters = sensor.absorbs and not sampling.oversample_thick
    if oversample > 1 and (not sampling.oversample_omega or polar_matters or capture_matters):
        return True
    return (polar_matters and len(set(travel)) > 1) or (capture_matters and sensor.count > 1)


def _culled_matter(experiment: Experiment) -> bool:
    """A pixel beyond dmin has no first subpixel that was not left out: its polarization is 0, and so is its water."""
    sampling, beyond = experiment.sampling, experiment.sampling.dmin or 0.0
    first = experiment.beam.polarization_correction and not sampling.oversample_polar
    return first and beyond > 0 and experiment.crystal.water != 0


def water_of(crystal: Crystal, fluence: float, quirks: frozenset[str]) -> Water:
    """The background of a droplet of water in a beam of ``fluence`` photons/m²."""
    thickness = crystal.water / 1e6
    volume = thickness * thickness * thickness
    background = WATER_F * WATER_F * THOMSON * fluence * volume * 1e6 * AVOGADRO / WATER_MW
    first = "water_scaling" in quirks
    return Water(
        thickness=thickness,
        at_start=background if first else 0.0,
        once=0.0 if first else background,
        log=Log(touched=which(water_scaling=first and background != 0.0)),
    )
