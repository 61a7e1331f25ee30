"""What is printed of a run of ``nanobragg nonbragg`` before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nanobragg.records.nonbragg import ResolvedNonBragg


def print_summary(r: ResolvedNonBragg, seed: int) -> None:
    """Profile, sources, sample, detector and beam, as nonBragg.c lists them."""
    from nanobragg import _core

    print(f"nanobragg {_core.__version__}, nonbragg: scattering of amorphous material")
    print(f"pivoting detector around {'sample' if r.pivot == 'sample' else 'direct beam spot'}")
    print(f"reading {r.run.profile}")
    _sources(r)
    _sample(r)
    _detector(r)
    steps = len(r.points) if r.points is not None else 0
    print(f"  hdivrange={r.horizontal[0]:g} hdivstep={r.horizontal[1]:g}  radians")
    print(f"  vdivrange={r.vertical[0]:g} vdivstep={r.vertical[1]:g}  radians")
    print(f"  {steps} divergence steps")
    print(f"  {len(r.source_positions)} sources")
    print(f"  {r.scene.oversample} pixel oversample steps")
    if r.run.noisefile is not None:
        print(f"  seed: {seed}")


def _sources(r: ResolvedNonBragg) -> None:
    for h, v in r.points or ():
        print(f"divergence deviation: {h:g} {v:g}")
    for number, wavelength in enumerate(r.wavelengths):
        print(f"lambda{number} = {wavelength:.15g}")
    print(f"  created a total of {len(r.source_positions)} sources:")
    scene = r.scene
    for position, weight, wave in zip(r.source_positions, scene.source_weight, scene.source_wavelength, strict=True):
        print("{:g} {:g} {:g}   {:g} {:g}".format(*position, weight, wave))


def _sample(r: ResolvedNonBragg) -> None:
    run, scene = r.run, r.scene
    print(f"  {len(scene.profile_stol)} points of F, interpolated by cubic polynomials")
    print(f"  wave={r.wavelength:g} meters +/- {r.dispersion[0] * 100:g}% in {r.dispersion[1]} steps")
    polarization = f"Kahn polarization factor: {run.polarization:f}" if run.polarized else "no polarization factor"
    print(f"  {polarization}")
    for said, note in (
        (run.curved, "curved detector: all pixels at the same distance"),
        (run.point_pixel, "solid angles of 1/R^2, without obliquity"),
        (run.amplitudes, "F instead of photons in every pixel"),
    ):
        if said:
            print(f"  {note}")
    print(f"  incident fluence: {scene.fluence:g} photons/m^2")
    x, y, z = r.sample
    print(
        f"  sample is {x:g} m thick x {z:g} m high x {y:g} m wide, {r.density / 1e6:g} g/cm^3 and "
        f"{run.molecular_weight:g} g/mol ({scene.molecules:g} molecules)"
    )


def _detector(r: ResolvedNonBragg) -> None:
    scene = r.scene
    slow, fast = scene.shape
    print(
        f"  distance={scene.distance:g} detsize={r.detsize[0]:g}x{r.detsize[1]:g}  pixel={scene.pixel_size[0]:g} "
        f"meters ({fast}x{slow} pixels)"
    )
    print(f"  Xbeam={r.Xbeam:g} Ybeam={r.Ybeam:g}")
    for name, vector in (
        ("detector origin:", scene.origin),
        ("DIRECTION_OF_DETECTOR_X-AXIS=", scene.fast_axis),
        ("DIRECTION_OF_DETECTOR_Y-AXIS=", scene.slow_axis),
        ("INCIDENT_BEAM_DIRECTION=", scene.beam),
        ("POLARIZATION_PLANE_NORMAL=", scene.polarization_axis),
    ):
        print("  {} {:g} {:g} {:g}".format(name, *vector))
    x0, x1, y0, y1 = scene.roi
    print(f"  roi: {x0} < x < {x1} && {y0} < y < {y1}")
