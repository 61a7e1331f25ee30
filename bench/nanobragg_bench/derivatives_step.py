"""Derivatives beside the image of the same Scene, in one process and thread: what they cost, in images."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from nanobragg_bench.arithmetic import slope_operations
from nanobragg_bench.comparison import Agreement
from nanobragg_bench.peak import ideal_seconds
from nanobragg_bench.programs import ask_worker
from nanobragg_bench.rows import Row, Settings

WORDS = "-lambda 1 -cell 100 100 100 90 90 90 -N 5 -default_F 100 -distance 100 -misset 5 10 15"
EDGE = {True: 24, False: 1024}
"""pixels, by ``quick``"""
DOMAINS, DEVICE_DOMAINS = 25, 1000
NAMES = tuple(
    f"crystal.{field}[{n}]" for field, count in (("misset", 3), ("cell", 6), ("cells", 3)) for n in range(count)
)
MANY = {
    "directions": ("-oversample 1 -hdiv 1 -hdivsteps 5 -vdiv 1 -vdivsteps 5 -square_div", 25),
    "wavelengths": ("-oversample 1 -dispersion 1 -dispsteps 25", 25),
    "subpixels": ("-oversample 5", 25),
}
"""What there are many of instead of mosaic domains, and how many evaluations a pixel has."""
MOVED = ("detector.distance", "detector.rotx", "detector.roty", "detector.rotz", "beam.wavelength", "crystal.misset[0]")
"""Columns that move the detector, in the last way."""
SHAPES = {"square": "", "gauss": "-gauss_xtal -fudge 0.01", "gauss_index": "-gauss_index -Ndef 1 -1 1"}


@dataclass(frozen=True)
class Way:
    """What is differentiated."""

    kind: str
    """``gradient`` (of a weighted sum of pixels, by everything) or ``jacobian`` (columns of :data:`NAMES`)"""
    shape: str
    precision: str
    many: str = "domains"
    """one of :data:`MANY`, or domains"""
    names: tuple[str, ...] = NAMES
    """The columns."""

    @property
    def variant(self) -> str:
        """The name of this way in the table."""
        many = "" if self.many == "domains" else f", {self.many}"
        moved = ", moved" if self.names == MOVED else ""
        return f"{self.kind} {self.shape}" + (" mixed" if self.precision == "mixed" else "") + many + moved

    def words(self, edge: int, domains: int) -> list[str]:
        """The command line."""
        many = f"-oversample 1 -mosaic 0.5 -mosaic_dom {domains}" if self.many == "domains" else MANY[self.many][0]
        return f"{WORDS} {many} -detpixels {edge} {SHAPES[self.shape]}".split()

    def evaluations(self, edge: int, domains: int) -> int:
        """How many one image takes."""
        return edge * edge * (domains if self.many == "domains" else MANY[self.many][1])


WAYS = (
    *(
        Way(kind, shape, precision)
        for precision in ("double", "mixed")
        for kind in ("gradient", "jacobian")
        for shape in SHAPES
    ),
    *(Way(kind, "square", "double", many) for kind in ("gradient", "jacobian") for many in MANY),
    Way("jacobian", "square", "double", "subpixels", MOVED),
)


def measure_derivatives(settings: Settings) -> list[Row]:
    """One row for each way; its ratio is the time of the image in the same precision over its own."""
    folder = settings.scratch / "derivatives"
    folder.mkdir(parents=True)
    edge, rows, gpu = EDGE[settings.quick], [], settings.device.gpu
    domains = DOMAINS if gpu is None else DEVICE_DOMAINS
    for way in WAYS:
        if gpu is not None and (way.precision == "mixed" or way.many != "domains"):
            continue  # a device computes in double, and takes many more evaluations
        settings.say(f"derivatives: {way.variant}")
        evaluations = way.evaluations(edge, domains)
        answer = ask_worker(
            folder,
            "derivatives",
            words=way.words(edge, domains),
            kind=way.kind,
            names=list(way.names),
            pairs=settings.repeat,
            precision=way.precision,
            device=settings.device.name,
        )
        images, times = answer["image_seconds"], answer["seconds"]
        processor, ours = answer["image_processor_seconds"], answer["processor_seconds"]
        ideal = (
            None
            if settings.rates is None or gpu is not None
            else ideal_seconds(settings.rates, slope_operations(way.kind, way.shape, way.precision))
        )
        ratios = tuple(image / each for image, each in zip(images, times, strict=True))
        rows.append(
            Row(
                case="derivatives",
                what="derivatives",
                variant=way.variant,
                device=settings.device.label,
                threads=1,
                seconds=statistics.median(times),
                ratios=ratios,
                evaluations=evaluations,
                peak_memory_bytes=answer["peak_memory_bytes"],
                fraction_of_peak=None if ideal is None else ideal * evaluations / ours,
                agreement=Agreement("reference renderer" if gpu is None else "CPU", edge * edge, answer["outside"]),
                note=f"{1 / statistics.median(ratios):.2f} images; the ratio is the image's time over this; "
                f"least seconds of the processor: {ours / processor:.2f} images, "
                f"{ours / evaluations * 1e9:.2f} ns an evaluation"
                + ("" if ideal is None else f", {ours / evaluations / ideal:.2f} times the counted arithmetic"),
                extra={
                    "image_seconds": statistics.median(images),
                    "image_processor_seconds": processor,
                    "processor_seconds": ours,
                },
            )
        )
    return rows
