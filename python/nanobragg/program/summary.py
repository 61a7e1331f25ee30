"""The resolved experiment as text: nanoBragg.c's quantities under its labels, as scripts look for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

from nanobragg.maths.constants import AVOGADRO, DEGREES
from nanobragg.maths.vectors import Vec, cross, dot, norm
from nanobragg.records.panel import few

if TYPE_CHECKING:
    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Geometry, Radiation, Resolved, Sample

_PROTEIN_DENSITY = 1.2e6
"""g/m³"""
_SOURCE_DISTANCE = 10.0
"""m"""
_LONG_LIST = 100
_ENDS = 10
_SHAPES = {"round": "ellipsoidal", "square": "parallelpiped", "gauss": "gaussian", "tophat": "tophat-spot"}
"""The original's words and spelling; a shape of ours is called by its name."""


def heading() -> str:
    """The first line of the output: name and version."""
    from nanobragg import _core

    return f"nanobragg {_core.__version__}: X-ray diffraction images of crystals"


def summary(resolved: Resolved, noise_seed: int | None = None, *, with_heading: bool = True) -> str:
    """The resolved experiment, one quantity a line.

    Args:
        resolved: the experiment made explicit.
        noise_seed: seed of the noise image, as ``-seed`` takes it; ``None`` when there is none.
        with_heading: begin with :func:`heading`.

    """
    geometry, sample, radiation = resolved.geometry, resolved.sample, resolved.radiation
    panels = resolved.scene.panels
    lines = [
        *([heading()] if with_heading else []),
        *_frame_lines(geometry, panels),
        *_crystal_lines(sample),
        *_step_lines(geometry, radiation),
        *_source_lines(resolved),
        f"  created a total of {sample.mosaic_domains} mosaic domains",
        *_beam_lines(sample, radiation),
        *_detector_lines(geometry),
        *_sampling_lines(resolved, panels),
    ]
    if noise_seed is not None:
        # The original's spelling and sign: scripts look for these lines.
        lines += [
            "",
            "  noise image paramters:",
            f"  seed: {-noise_seed}",
            f"  water droplet size: {sample.water:g} m",
        ]
    return "\n".join(lines)


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _abridged(lines: list[str]) -> list[str]:
    """Long lists without their middle."""
    if len(lines) <= _LONG_LIST:
        return lines
    return [*lines[:_ENDS], f"... {len(lines) - 2 * _ENDS} more ...", *lines[-_ENDS:]]


def _frame_lines(g: Geometry, panels: Sequence[ScenePanel]) -> list[str]:
    pivot = "sample" if g.pivot == "sample" else "direct beam spot"
    lines = [f"{g.convention} convention selected.", f"pivoting detector around {pivot}"]
    if len(panels) == 1:
        (panel,) = panels
        incident = [dot(g.beam, axis.tolist()) for axis in (panel.fast, panel.slow, panel.normal)]
        lines.append(f"XDS incident beam: {_numbers(incident)}")
    return lines


def _matrix_lines(names: Sequence[str], vectors: Sequence[Vec]) -> list[str]:
    lines = ["     " + "  ".join(f"{name:<10}" for name in names)]
    for axis, row in zip("XYZ", zip(*vectors, strict=True), strict=True):
        lines.append(f"{axis}: " + " ".join(f"{value:11.8f}" for value in row))
    return lines


def _angstrom(v: Vec) -> Vec:
    return (v[0] * 1e10, v[1] * 1e10, v[2] * 1e10)


def _crystal_lines(s: Sample) -> list[str]:
    direct = (s.a0, s.b0, s.c0)
    lengths = [norm(v) for v in direct]
    size = [length * n * 1e6 for length, n in zip(lengths, s.cells, strict=True)]
    weight = lengths[0] * lengths[1] * lengths[2] * _PROTEIN_DENSITY * AVOGADRO
    return [
        f"Unit Cell: {_numbers(s.cell)}",
        f"Recp Cell: {_numbers(s.reciprocal_cell)}",
        f"volume = {s.volume:g} A^3",
        "real-space cell vectors (Angstrom):",
        *_matrix_lines(("a", "b", "c"), [_angstrom(v) for v in direct]),
        "reciprocal-space cell vectors (Angstrom^-1):",
        *_matrix_lines(("a_star", "b_star", "c_star"), (s.a_star, s.b_star, s.c_star)),
        f"crystal is {size[0]:g} x {size[1]:g} x {size[2]:g} microns",
        f"approximate MW = {weight:g}",
    ]


def _step_lines(g: Geometry, r: Radiation) -> list[str]:
    layers = [f"thick{i} = {depth * 1e6:g} um" for i, depth in enumerate(g.layer_depths)]
    phis = [f"phi{i} = {angle * DEGREES:g}" for i, angle in enumerate(r.phi_angles)]
    deviations = [f"divergence deviation: {h:g} {v:g}" for h, v in r.divergence_points]
    wavelengths = [f"lambda{i} = {value:.15g}" for i, value in enumerate(r.wavelengths)]
    return [line for block in (layers, phis, deviations, wavelengths) for line in _abridged(block)]


def _source_lines(resolved: Resolved) -> list[str]:
    scene = resolved.scene
    count = len(scene.source_wavelength)
    # A grid stands 10 m upstream; of a file's sources the direction is what counts.
    distance = _SOURCE_DISTANCE if resolved.radiation.divergence_steps >= 0 else 1.0
    lines = []
    for travel, weight, wavelength in zip(
        scene.source_direction.tolist(), scene.source_weight.tolist(), scene.source_wavelength.tolist(), strict=True
    ):
        position = _numbers([-distance * x for x in travel])
        lines.append(f"{position}   {weight / count:g} {wavelength:g}")
    return [f"  created a total of {count} sources:", *_abridged(lines)]


def _beam_lines(s: Sample, r: Radiation) -> list[str]:
    cells = "x".join(f"{n:.12g}" for n in s.cells)
    polarization = (
        f"  Kahn polarization factor: {r.kahn_factor:f}"
        if r.polarization_correction
        else "  polarization effect disabled"
    )
    return [
        f"  {s.reflections} initialized hkls (all others ={s.default_F:g})",
        f"  {_SHAPES.get(s.shape, s.shape)} xtal: {cells} cells",
        f"  wave={r.wavelength:g} meters +/- {r.dispersion * 100:g}% in {r.dispersion_steps} steps",
        polarization,
    ]


def _detector_lines(g: Geometry) -> list[str]:
    lines = []
    if g.curved:
        lines.append("  curved detector: all pixels same distance from origin")
    if g.point_pixel:
        lines.append("  pixel obliquity effect disabled")
    return lines


def _position_lines(g: Geometry, panels: Sequence[ScenePanel]) -> list[str]:
    normal = cross(g.beam, g.polar)
    x0, x1, y0, y1 = g.roi
    return [
        *_raster_lines(g, panels),
        *_sensor_lines(g, panels),
        f"  Xbeam={g.Xbeam:g} Ybeam={g.Ybeam:g}",
        f"  Fbeam={g.Fbeam:g} Sbeam={g.Sbeam:g}",
        f"  Xclose={g.Xclose:g} Yclose={g.Yclose:g}",
        f"  Fclose={g.Fclose:g} Sclose={g.Sclose:g}",
        *_axes_lines(panels),
        f"  INCIDENT_BEAM_DIRECTION= {_numbers(g.beam)}",
        f"  spindle ROTATION_AXIS= {_numbers(g.spindle)}",
        f"  POLARIZATION_PLANE_NORMAL= {_numbers(normal)}",
        f"  dials origin= {_numbers(g.dials_origin)}",
        f"  roi: {x0} < x < {x1} && {y0} < y < {y1}",
    ]


def _sensor_lines(g: Geometry, panels: Sequence[ScenePanel]) -> list[str]:
    """One for each sensor."""
    names: dict[tuple[float, float], list[str]] = {}
    for panel in panels:
        key = (g.thickness, g.attenuation) if panel.sensor is None else (panel.sensor.depth, panel.sensor.attenuation)
        names.setdefault(key, []).append(panel.name)
    return [
        f"  sensor{f' of {few(names[key])}' if len(names) > 1 else ''} is {key[0]:g} m thick in {g.thickness_steps} "
        f"layers with mu= {key[1]:g}"
        for key in names
    ]


def _raster_lines(g: Geometry, panels: Sequence[ScenePanel]) -> list[str]:
    if len(panels) == 1:
        (panel,) = panels
        return [
            f"  distance={g.distance:g} detsize={g.detsize_f:g}x{g.detsize_s:g}  pixel={panel.pixel_size[0]:g} meters "
            f"({panel.shape[1]}x{panel.shape[0]} pixels)"
        ]
    pixels = sum(panel.shape[0] * panel.shape[1] for panel in panels)
    lines = []
    for panel in panels:
        edges = "x".join(f"{edge:g}" for edge in dict.fromkeys(panel.pixel_size))
        where = f"at {_numbers(panel.origin.tolist())} along {_numbers(panel.fast.tolist())}"
        lines.append(
            f"  panel {panel.name}: {panel.shape[1]}x{panel.shape[0]} pixels of {edges} meters {where} "
            f"and {_numbers(panel.slow.tolist())}"
        )
    return [f"  distance={g.distance:g} meters, {len(panels)} panels, {pixels} pixels", *_abridged(lines)]


def _axes_lines(panels: Sequence[ScenePanel]) -> list[str]:
    if len(panels) > 1:
        return []
    (panel,) = panels
    return [
        f"  DIRECTION_OF_DETECTOR_{name}-AXIS= {_numbers(axis.tolist())}"
        for name, axis in (("X", panel.fast), ("Y", panel.slow), ("Z", panel.normal))
    ]


def _sampling_lines(resolved: Resolved, panels: Sequence[ScenePanel]) -> list[str]:
    g, s, r = resolved.geometry, resolved.sample, resolved.radiation
    sampling = resolved.experiment.sampling
    flags = {
        " +thick": sampling.oversample_thick,
        " +polar": sampling.oversample_polar,
        " +omega": sampling.oversample_omega,
    }
    extra = "".join(text for text, on in flags.items() if on)
    lines = [
        f"  incident fluence: {r.fluence:g} photons/m^2",
        *_position_lines(g, panels),
        f"  hdivrange={r.hdivrange:g} hdivstep={r.hdivstep:g}  radians",
        f"  vdivrange={r.vdivrange:g} vdivstep={r.vdivstep:g}  radians",
        f"  {r.divergence_steps} divergence steps",
        f"  {len(resolved.scene.source_wavelength)} sources",
        f"  {s.mosaic_domains} mosaic domains over mosaic spread of {s.mosaic_spread * DEGREES:g} degrees",
        f"  {r.phi_steps} phi steps from {r.phi * DEGREES:g} to {(r.phi + r.oscillation) * DEGREES:g} degrees",
        f"  {r.oversample}x{r.oversample} pixel oversample steps{extra}",
    ]
    if g.mask_name:
        lines.append(f"  skipping zero-flagged pixels in {g.mask_name}")
    return lines


def tell_quirk(name: str, sentence: str) -> None:
    """One line: a quirk that touches the run, and how to switch it off."""
    from nanobragg.records.quirks import off_switch

    print(f"quirk {name}: {sentence} (switch off with {off_switch(name)})")


def tell_quirks(quirks: Mapping[str, str], touched: Set[str]) -> None:
    """A line for each of ``quirks`` that is ``touched``."""
    for name, sentence in quirks.items():
        if name in touched:
            tell_quirk(name, sentence)
