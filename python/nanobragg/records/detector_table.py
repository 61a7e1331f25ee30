"""Ready-made detectors, from public dimensions: modules, their gaps, and where the numbers are from.

Module tilts are 0, and so are the small deviations of one specimen from the next. Numbers are in the detector's own
frame, mm: x along the fast axis of its image, y along the slow one, z away from the sample, the beam at 0, 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from nanobragg.records.detectors import NAMES

TYPE_CHECKING = False  # typing's own costs a millisecond
if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[float, float]
Point = tuple[float, float, float]


class Module(NamedTuple):
    """A raster of pixels without gaps: a module, or a chip of one."""

    name: str
    group: str
    """the module of a chip"""
    shape: tuple[int, int]
    """(slow, fast) pixels"""
    corner: Point
    """mm, outer corner of the first pixel"""
    fast: Point
    slow: Point
    place: tuple[int, ...]
    """place of its first pixel in the detector's image: (slow, fast) in a slab, (module, slow, fast) in a stack"""


class Grid(NamedTuple):
    """Modules side by side, as one image with whole pixels in the gaps."""

    count: tuple[int, int]
    """(slow, fast) modules"""
    shape: tuple[int, int]
    gap: tuple[int, int]
    """(slow, fast) pixels"""


class Barrel(NamedTuple):
    """Rows of modules around the sample; the axis of the barrel is along the fast axis."""

    grid: Grid
    first: float
    """degrees from the beam to the middle of the first row"""
    step: float
    """degrees from row to row"""
    radius: float
    """mm"""


class Loose(NamedTuple):
    """Modules of chips, anywhere across the beam."""

    chips: tuple[int, int]
    """(slow, fast) of a module"""
    shape: tuple[int, int]
    """(slow, fast) pixels of a chip"""
    gap: Pair
    """mm between chips: slow, fast"""
    at: tuple[tuple[float, float, int, bool], ...]
    """For each module: its middle x, y (mm, y upwards), degrees from x to its fast axis (against the clock), and
    whether its slow axis is to the left of the fast one, instead of to the right as in a picture."""


class NamedDetector(NamedTuple):
    """A detector that can be bought, or visited."""

    name: str
    pixel_size: float
    """mm"""
    layout: Grid | Barrel | Loose
    source: str
    """where the dimensions are from"""
    material: str = "Si"
    thickness: float = 0.0
    """µm, of the sensor; 0: there are several"""
    distance: float | None = None
    """mm, for which it is built"""

    @property
    def also(self) -> tuple[str, ...]:
        """Other names."""
        return NAMES[self.name]

    @property
    def description(self) -> str:
        """One line: panels, pixels and their size."""
        modules = modules_of(self)
        slow, fast = modules[0].shape
        count = f"{len(modules)} panels of {fast} x {slow}" if len(modules) > 1 else f"{fast} x {slow}"
        return f"{count} pixels of {self.pixel_size:g} mm"


def modules_of(detector: NamedDetector) -> list[Module]:
    """The panels of a ready-made detector."""
    layout = detector.layout
    if isinstance(layout, Grid):
        return list(_on_grid(layout, detector.pixel_size))
    if isinstance(layout, Barrel):
        return list(_on_barrel(layout, detector.pixel_size))
    return list(_anywhere(layout, detector.pixel_size))


def _on_grid(grid: Grid, pixel: float) -> Iterator[Module]:
    (rows, columns), (slow, fast), (gap_slow, gap_fast) = grid
    middle = [(n * (size + gap) - gap) / 2.0 for n, size, gap in ((rows, slow, gap_slow), (columns, fast, gap_fast))]
    for row in range(rows):
        for column in range(columns):
            place = (row * (slow + gap_slow), column * (fast + gap_fast))
            x, y = (place[1] - middle[1]) * pixel, (place[0] - middle[0]) * pixel
            name = f"p{row * columns + column}"
            yield Module(name, "", grid.shape, (x, y, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), place)


def _on_barrel(barrel: Barrel, pixel: float) -> Iterator[Module]:
    height, columns = 0.5 * barrel.grid.shape[0] * pixel, barrel.grid.count[1]
    for number, flat in enumerate(_on_grid(barrel.grid, pixel)):
        row = number // columns
        angle = math.radians(barrel.first + barrel.step * row)
        sine, cosine = math.sin(angle), math.cos(angle)
        x = flat.corner[0]
        y = barrel.radius * sine - height * cosine
        z = barrel.radius * (cosine - 1.0) + height * sine
        yield flat._replace(group=f"row{row}", corner=(x, y, z), slow=(0.0, cosine, -sine))


def _anywhere(loose: Loose, pixel: float) -> Iterator[Module]:
    (rows, columns), (slow, fast) = loose.chips, loose.shape
    pitch_slow, pitch_fast = slow * pixel + loose.gap[0], fast * pixel + loose.gap[1]
    half_slow, half_fast = (rows * pitch_slow - loose.gap[0]) / 2.0, (columns * pitch_fast - loose.gap[1]) / 2.0
    for number, (x, y, degrees, left) in enumerate(loose.at):
        f = _quarter(degrees)
        s = (-f[1], f[0]) if left else (f[1], -f[0])
        for chip in range(rows * columns):
            row, column = divmod(chip, columns)
            along_f, along_s = column * pitch_fast - half_fast, row * pitch_slow - half_slow
            # Upwards in a picture is against the slow axis of the detector's frame.
            corner = (x + along_f * f[0] + along_s * s[0], -(y + along_f * f[1] + along_s * s[1]), 0.0)
            group = f"m{number}" if rows * columns > 1 else ""
            name = f"m{number}a{chip}" if rows * columns > 1 else f"m{number}"
            place = (number, row * slow, column * fast)
            yield Module(name, group, loose.shape, corner, (f[0], -f[1], 0.0), (s[0], -s[1], 0.0), place)


def _quarter(degrees: int) -> Pair:
    """Cosine and sine of a whole number of quarter turns, exactly."""
    return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[degrees // 90 % 4]


# ---- the table --------------------------------------------------------------------------------------------

_PYFAI = "pyFAI (MODULE_SIZE, MODULE_GAP)"


def _pilatus(size: str, slow: int, fast: int) -> NamedDetector:
    return NamedDetector(f"PILATUS {size}", 0.172, Grid((slow, fast), (195, 487), (17, 7)), _PYFAI)


def _eiger(size: str, slow: int, fast: int) -> NamedDetector:
    grid = Grid((slow, fast), (514, 1030), (37, 10))
    return NamedDetector(f"EIGER {size}", 0.075, grid, _PYFAI)


def _eiger2(size: str, slow: int, fast: int) -> NamedDetector:
    grid = Grid((slow, fast), (512, 1028), (38, 12))
    return NamedDetector(f"EIGER2 {size}", 0.075, grid, _PYFAI)


def _rayonix(binning: int) -> NamedDetector:
    pixels = 7680 // binning
    name = "Rayonix MX340-HS" + (f" {binning}x{binning}" if binning > 1 else "")
    source = "Rayonix: 340 mm, 7680 pixels"
    return NamedDetector(name, 340.0 / pixels, Grid((1, 1), (pixels, pixels), (0, 0)), source, material="phosphor")


def _centred(at: tuple[tuple[float, float, int], ...], left: bool) -> tuple[tuple[float, float, int, bool], ...]:
    """Modules of µm about their middle, mm."""
    x0, y0 = (sum(module[axis] for module in at) / len(at) for axis in (0, 1))
    return tuple(((x - x0) / 1000.0, (y - y0) / 1000.0, degrees, left) for x, y, degrees in at)


_CSPAD = (
    (51621, 112683, 90), (74168, 112907, 90), (16366, 124137, 0), (16415, 101350, 0),
    (27786, 159233, 270), (4845, 159260, 270), (62758, 168631, 0), (62881, 145851, 0),
    (107098, 129494, 0), (107067, 106699, 0), (118871, 164660, 270), (95879, 164632, 270),
    (153905, 153051, 180), (153838, 175841, 180), (163149, 117980, 270), (140287, 117936, 270),
    (123905, 73726, 270), (101282, 73699, 270), (159023, 62203, 180), (159024, 84885, 180),
    (147998, 26847, 90), (170404, 26856, 90), (112701, 17748, 180), (112640, 40586, 180),
    (68448, 57015, 180), (68292, 79701, 180), (56919, 21965, 90), (79497, 22002, 90),
    (21658, 33119, 0), (21748, 10489, 0), (12357, 68156, 90), (35247, 68250, 90),
)  # fmt: skip
"""µm and degrees: the middle of each 2x1 sensor."""
_EPIX10K2M = (
    (-59032, 23573, 270), (-59026, 64317, 270), (-17405, 23567, 270), (-17039, 63692, 270),
    (23423, 59147, 180), (64071, 59039, 180), (23779, 17334, 180), (63997, 17181, 180),
    (59152, -23403, 90), (58942, -64143, 90), (17468, -23658, 90), (17029, -63871, 90),
    (-23591, -59310, 0), (-64155, -59056, 0), (-23622, -17240, 0), (-63991, -17169, 0),
)  # fmt: skip
_JUNGFRAU_LCLS = (
    (-44005.5, -56807.1, 0), (-44005.5, -15557.5, 0), (-33921.7, 25692.1, 0), (-33921.7, 66941.7, 0),
    (33921.7, -66941.7, 0), (33921.7, -25692.1, 0), (44005.5, 15557.5, 0), (44005.5, 56807.1, 0),
)  # fmt: skip
_AGIPD_QUADRANTS = ((-525.0, 625.0), (-550.0, -10.0), (520.0, -160.0), (542.5, 475.0))
"""Pixels: the first pixel of each quadrant; x to the left as the beam sees it."""
_MPCCD = (
    (1.755, 51.711, -90), (1.711, 24.944, -90), (-0.817, -1.808, -90), (-0.812, -28.466, -90),
    (0.792, 28.544, 90), (0.781, 1.840, 90), (-1.650, -24.900, 90), (-1.655, -51.626, 90),
)  # fmt: skip
"""mm and degrees: the first corner of each sensor; x to the left as the beam sees it."""


def _agipd() -> tuple[tuple[float, float, int, bool], ...]:
    """Middles of the modules: a quadrant's are 128 + 29 pixels apart, their chips 64 + 2 along the slow axis."""
    found = []
    for number, (x, y) in enumerate(_AGIPD_QUADRANTS):
        sense = 1.0 if number < 2 else -1.0  # the other half of the detector is turned by 180 degrees
        for module in range(4):
            middle_x, middle_y = x + sense * (8 * 66 - 2) / 2, y - 157 * module - sense * 64
            # What is to the left as the beam sees it is to the right in our pictures with x to the right, y up.
            found.append((-0.2 * middle_x, 0.2 * middle_y, 270 if sense > 0 else 90, False))
    return tuple(found)


def _mpccd() -> tuple[tuple[float, float, int, bool], ...]:
    """Middles of the sensors of 1024 x 512 pixels of 0.05 mm."""
    found = []
    for x, y, degrees in _MPCCD:
        sense = 1.0 if degrees > 0 else -1.0
        # The fast axis is along y, the slow one along -x, both with this sense.
        found.append((-(x - sense * 25.6), y + sense * 12.8, degrees, False))
    return tuple(found)


_TABLE = (
    _pilatus("1M", 5, 2),
    _pilatus("2M", 8, 3),
    _pilatus("6M", 12, 5),
    NamedDetector(
        "P12M",
        0.172,
        Barrel(Grid((24, 5), (195, 487), (17, 7)), -98.2485, 8.344, 250.0),
        "dxtbx (FormatCBFMiniPilatusDLS12M)",
        distance=250.0,
    ),
    _eiger("1M", 2, 1),
    _eiger("4M", 4, 2),
    _eiger("9M", 6, 3),
    _eiger("16M", 8, 4),
    _eiger2("1M", 2, 1),
    _eiger2("4M", 4, 2),
    _eiger2("9M", 6, 3),
    _eiger2("16M", 8, 4),
    NamedDetector(
        "JUNGFRAU 4M",
        0.075,
        Grid((4, 2), (514, 1030), (36, 8)),
        "images of ESRF ID29: 2068 x 2164 pixels",
        thickness=320.0,
    ),
    NamedDetector(
        "JUNGFRAU 4M LCLS",
        0.075,
        Loose((2, 4), (256, 256), (0.15, 0.15), _centred(_JUNGFRAU_LCLS, left=True)),
        "psana (geometry-def-jungfrau4M, drawing LCL5004-007815)",
        thickness=320.0,
    ),
    NamedDetector(
        "CSPAD",
        0.10992,
        Loose((1, 2), (185, 194), (0.0, 0.32976), _centred(_CSPAD, left=False)),
        "psana (geometry-def-cspad, SENS2X1)",
        thickness=500.0,
    ),
    NamedDetector(
        "ePix10k2M",
        0.1,
        Loose((2, 2), (176, 192), (0.25, 0.25), _centred(_EPIX10K2M, left=False)),
        "psana (geometry-def-epix10ka2m, SegGeometryEpix10kaV1)",
        thickness=500.0,
    ),
    NamedDetector(
        "AGIPD 1M",
        0.2,
        Loose((8, 1), (64, 128), (0.4, 0.0), _agipd()),
        "EXtra-geom (AGIPD_1MGeometry)",
        thickness=500.0,
    ),
    NamedDetector(
        "MPCCD",
        0.05,
        Loose((1, 1), (1024, 512), (0.0, 0.0), _mpccd()),
        "dxtbx (FormatHDF5SaclaMPCCD), phase I",
        thickness=50.0,
    ),
    _rayonix(1),
    _rayonix(2),
    _rayonix(4),
)
DETECTORS = {detector.name: detector for detector in _TABLE}


def table() -> str:
    """All ready-made detectors, a line each: name, panels, and where the dimensions are from."""
    rows = [(", ".join((d.name, *d.also)), d.description, d.source) for d in _TABLE]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "".join(f"{name:<{widths[0]}}  {panels:<{widths[1]}}  {source}\n" for name, panels, source in rows)
