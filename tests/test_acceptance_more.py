"""The field's acceptance tests that need more than a command line, by their identifiers (golden_data/acceptance.md).

Those that are bare command lines are in test_acceptance.py; timed ones (PARALLEL-028, PERF) are in bench/.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, resolve, simulate, trace_pixel
from nanobragg.cli import main
from nanobragg.inputs.options import ALL_OPTIONS, GROUPS
from nanobragg.io.factors.hkl import read_dump
from nanobragg.io.images.smv import read_smv, read_smv_header
from nanobragg.parity.metrics import find_peaks
from nanobragg.rendering.trace import Trace
from nanobragg.response.photons import poisson_noise

CUBIC = "-cell 100 100 100 90 90 90 -N 5 -lambda 1.0 -distance 100 -pixel 0.1 -detpixels 64 -oversample 1"
QUIET = "-nonoise -nopgm -noprogress"
CONVENTIONS = ("mosflm", "xds", "adxv", "denzo", "dials")


def trace(args: str, slow: int, fast: int) -> Trace:
    return trace_pixel(resolve(Experiment.from_args(args)).scene, slow, fast)


def geometry(args: str, quirks: str = "all"):
    return resolve(Experiment.from_args(f"-quirks {quirks} {args}")).geometry


def run(words: str) -> None:
    assert main(words.split()) == 0


def reflections(reach: int, value, hole=lambda h, k, l: False) -> str:  # noqa: E741
    """Lines h k l F of a cube of indices."""
    span = range(-reach, reach + 1)
    return "".join(f"{h} {k} {l} {value(h, k, l)}\n" for h in span for k in span for l in span if not hole(h, k, l))  # noqa: E741


# ---- structure factors ------------------------------------------------------------------------------------


def test_AT_STR_001_grid_inside_default_outside(in_folder) -> None:
    """A reflection of the list has its amplitude, every other one the default."""
    folder = in_folder()
    (folder / "P1.hkl").write_text(reflections(2, lambda h, k, l: 100 + 9 * h + 3 * k + l))  # noqa: E741
    args = f"{CUBIC} -hkl P1.hkl -default_F 7 -nointerpolate -distance 60"
    scene = resolve(Experiment.from_args(args)).scene
    inside = outside = 0
    for slow in range(0, 64, 7):
        for fast in range(0, 64, 7):
            e = trace_pixel(scene, slow, fast).evaluations[0]
            h, k, l = e.hkl0  # noqa: E741
            within = max(abs(h), abs(k), abs(l)) <= 2
            assert e.F_cell == (100 + 9 * h + 3 * k + l if within else 7.0)
            inside, outside = inside + within, outside + (not within)
    assert min(inside, outside) > 10


def polynomial(points: np.ndarray, x: float) -> float:
    """The cubic through values at -1, 0, 1, 2, by its coefficients: another way than the program's."""
    return float(np.polyval(np.linalg.solve(np.vander([-1.0, 0.0, 1.0, 2.0], 4), points), x))


def test_AT_STR_002_tricubic_interpolation(in_folder) -> None:
    """Between grid points the amplitude is that of the cubic through 4 x 4 x 4 of them."""
    folder = in_folder()
    rng = np.random.default_rng(1)
    table = rng.uniform(50, 150, (19, 19, 19)).round(3)
    (folder / "P1.hkl").write_text(reflections(9, lambda h, k, l: table[h + 9, k + 9, l + 9]))  # noqa: E741
    args = f"{CUBIC} -hkl P1.hkl -interpolate -distance 60"
    scene = resolve(Experiment.from_args(args)).scene
    for slow, fast in ((5, 9), (20, 40), (31, 33), (60, 3)):
        e = trace_pixel(scene, slow, fast).evaluations[0]
        assert e.interpolated
        corner = [math.floor(h) for h in e.hkl]
        i, j, k = (9 + c - 1 for c in corner)
        block = table[i : i + 4, j : j + 4, k : k + 4]
        x, y, z = (h - c for h, c in zip(e.hkl, corner, strict=True))
        expected = polynomial(np.array([polynomial(np.array([polynomial(r, z) for r in p]), y) for p in block]), x)
        assert e.F_cell == pytest.approx(expected, rel=1e-9)


def test_AT_STR_002_out_of_range(in_folder) -> None:
    """The first evaluation out of range ends interpolation for good with the quirk, and only itself without."""
    folder = in_folder()
    (folder / "P1.hkl").write_text(reflections(4, lambda h, k, l: 100 + h))  # noqa: E741
    args = f"{CUBIC} -hkl P1.hkl -default_F 3 -interpolate -distance 40 -cell 60 60 60 90 90 90"
    on, off = (resolve(Experiment.from_args(f"-quirks {q} {args}")).scene for q in ("all", "none"))
    middle_on, middle_off = (trace_pixel(scene, 32, 34).evaluations[0] for scene in (on, off))
    assert not middle_on.interpolated
    assert middle_off.interpolated
    corner = trace_pixel(off, 0, 0).evaluations[0]
    assert not corner.interpolated
    assert corner.F_cell == (3.0 if max(map(abs, corner.hkl0)) > 4 else 100 + corner.hkl0[0])


def test_AT_STR_004_sparse_list_with_holes(in_folder) -> None:
    """Holes take the default, and intensities follow F²."""
    folder = in_folder()
    text = reflections(3, lambda h, k, l: 50 + 10 * h + k, hole=lambda h, k, l: (h + k + l) % 2 == 1)  # noqa: E741
    (folder / "P1.hkl").write_text(text)
    args = f"{CUBIC} -default_F 10 -distance 20"
    listed = simulate(args=f"{args} -hkl P1.hkl -nointerpolate").data
    unit = simulate(args=args.replace("-default_F 10", "-default_F 1")).data
    scene = resolve(Experiment.from_args(f"{args} -hkl P1.hkl -nointerpolate")).scene
    holes = 0
    for slow in range(1, 64, 5):
        for fast in range(2, 64, 5):
            h, k, l = trace_pixel(scene, slow, fast).evaluations[0].hkl0  # noqa: E741
            in_list = max(abs(h), abs(k), abs(l)) <= 3 and (h + k + l) % 2 == 0
            amplitude = 50 + 10 * h + k if in_list else 10
            holes += not in_list
            assert listed[slow, fast] == pytest.approx(amplitude**2 * unit[slow, fast], rel=1e-6)
    assert holes > 10


# ---- command line and files -------------------------------------------------------------------------------


def test_AT_CLI_001_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Every option is explained, by subject, with units and defaults."""
    assert main(["-h"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n{group}:\n" in text for group in GROUPS)
    assert all(name in text for option in ALL_OPTIONS for name in option.names)
    for unit in ("Å", "mm", "deg", "mrad", "µm", "eV", "photons/m²"):
        assert unit in text
    assert "(100)" in text  # the default distance


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("said", [None, "beam", "sample"])
def test_AT_CLI_003_pivots(convention: str, said: str | None) -> None:
    """Their tests expect -pivot to win; nanoBragg.c lets the convention win, and so do we with the quirk."""
    words = f"{CUBIC.replace('-distance 100', '')} -default_F 1 -{convention}"
    words += "" if said is None else f" -pivot {said}"
    own = "sample" if convention in ("xds", "dials") else "beam"
    assert geometry(words).pivot == own
    assert geometry(words, "none").pivot == (said or own)


CENTRES = {  # Fbeam, Sbeam in mm: the table of specs/geometry.md for 64 pixels of 0.1 mm
    "mosflm": (3.3, 3.3),
    "denzo": (3.25, 3.25),
    "adxv": (3.25, 6.4 - 3.15),
    "xds": (3.2, 3.2),
    "dials": (3.2, 3.2),
}


@pytest.mark.parametrize("quirks", ["all", "none"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_AT_CLI_003_centres(convention: str, quirks: str) -> None:
    """Without options the beam hits the middle, as each convention understands it."""
    g = geometry(f"{CUBIC} -default_F 1 -{convention}", quirks)
    assert (1000 * g.Fbeam, 1000 * g.Sbeam) == pytest.approx(CENTRES[convention], abs=1e-9)


def header_image(path: Path, keys: str, order: str = "little_endian", pixels: np.ndarray | None = None) -> None:
    pixels = np.ones((12, 16), np.uint16) if pixels is None else pixels
    text = f"{{\nHEADER_BYTES=512;\nDIM=2;\nBYTE_ORDER={order};\nTYPE=unsigned_short;\nSIZE1=16;\nSIZE2=12;\n"
    text += "".join(f"{key};\n" for key in keys.split()) + "}\f"
    path.write_bytes(text.encode().ljust(512) + pixels.astype("<u2" if order.startswith("l") else ">u2").tobytes())


@pytest.mark.parametrize("quirks", ["all", "none"])
def test_AT_PRE_001_header_of_image_and_mask(in_folder, quirks: str) -> None:
    """-mask is read before -img whatever their order; Y of a mask counts from the other side."""
    folder = in_folder()
    header_image(folder / "a.img", "PIXEL_SIZE=0.2 DISTANCE=111 BEAM_CENTER_X=1.1")
    header_image(folder / "m.img", "PIXEL_SIZE=0.1 DISTANCE=222 WAVELENGTH=1.5 BEAM_CENTER_X=0.7 BEAM_CENTER_Y=0.5")
    for words in ("-img a.img -mask m.img", "-mask m.img -img a.img"):
        resolved = resolve(Experiment.from_args(f"-quirks {quirks} -cell 50 -default_F 1 -denzo {words}"))
        g = resolved.geometry
        assert resolved.scene.panels[0].pixel_size == pytest.approx((0.2e-3, 0.2e-3))
        assert g.distance == pytest.approx(0.111)
        assert resolved.radiation.wavelength == pytest.approx(1.5e-10)
        assert g.Xbeam == pytest.approx(1.1e-3)
        assert g.Ybeam == pytest.approx(12 * 0.1e-3 - 0.5e-3)  # flipped with the mask's own pixels
        assert resolved.scene.shape == (12, 16)
    assert geometry("-cell 50 -default_F 1 -mask m.img -distance 90", quirks).distance == pytest.approx(0.09)


def test_AT_CLI_004_header_precedence(in_folder) -> None:
    """Precedence on the command line, as the header of the image that is written tells it."""
    folder = in_folder()
    header_image(folder / "a.img", "PIXEL_SIZE=0.2 DISTANCE=111")
    mask = np.ones((12, 16), np.uint16)
    mask[3, 5] = 0
    header_image(folder / "m.img", "PIXEL_SIZE=0.1 DISTANCE=222 WAVELENGTH=1.5", pixels=mask)
    for words in ("-img a.img -mask m.img", "-mask m.img -img a.img"):
        run(f"-cell 50 -default_F 100 {words} {QUIET}")
        header = read_smv_header("intimage.img")
        assert [header.value(key) for key in ("PIXEL_SIZE", "DISTANCE", "WAVELENGTH")] == [0.2, 111, 1.5]
        image = np.fromfile("floatimage.bin", np.float32).reshape(12, 16)
        assert image[3, 5] == 0
        assert (np.delete(image.ravel(), 3 * 16 + 5) > 0).all()


BEAM_CENTRES = {
    "xbeam": "-Xbeam 3.0 -Ybeam 4.0",
    "xclose": "-Xclose 3.0 -Yclose 4.0",
    "org": "-ORGX 30 -ORGY 40",
    "xbeam-pivot": "-Xbeam 3.0 -Ybeam 4.0 -pivot sample",
    "org-pivot": "-ORGX 30 -ORGY 40 -pivot beam",
}
NEAR_POINT_DEFAULT = 3.2  # mm, the middle


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("said", BEAM_CENTRES)
@pytest.mark.parametrize("quirks", ["all", "none"])
def test_AT_PRE_002_beam_centre_and_pivot(convention: str, said: str, quirks: str) -> None:
    """What the detector turns about, and the point that stays where the options put it (specs/geometry.md)."""
    g = geometry(f"{CUBIC} -default_F 1 -{convention} {BEAM_CENTRES[said]} -detector_rotx 3", quirks)
    own = "sample" if convention in ("xds", "dials") else "beam"
    implied = {"xbeam": "beam", "xclose": "sample", "org": "sample", "xbeam-pivot": "sample", "org-pivot": "beam"}
    assert g.pivot == (own if quirks == "all" else implied[said])
    beam = {"xbeam": (3.0, 4.0), "xbeam-pivot": (3.0, 4.0)}.get(said)
    org = (2.95, 3.95) if said.startswith("org") else (NEAR_POINT_DEFAULT, NEAR_POINT_DEFAULT)
    if g.pivot == "sample":  # only -ORGX says where the near point is
        expected, found = org, (g.Fclose, g.Sclose)
    else:
        found = (g.Fbeam, g.Sbeam)
        close = (3.0, 4.0) if said == "xclose" else org
        x, y = beam or (
            close if own == "sample" else {"mosflm": (3.25, 3.25), "adxv": (3.25, 3.15)}.get(convention, (3.25, 3.25))
        )
        expected = {
            "mosflm": (y + 0.05, x + 0.05),
            "denzo": (y, x),
            "adxv": (x, 6.4 - y),
            "xds": (x, y),
            "dials": (x, y),
        }[convention]
    assert tuple(1000 * v for v in found) == pytest.approx(expected, abs=1e-9)


def test_AT_CLI_005_and_ROI_001_region_and_mask(in_folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is rendered outside the region or where the mask is 0; statistics leave both out as specified."""
    folder = in_folder()
    mask = np.ones((12, 16), np.uint16)
    mask[4, 6] = mask[5, 5] = mask[0, 0] = 0
    header_image(folder / "m.img", "PIXEL_SIZE=0.5 DISTANCE=60 BEAM_CENTER_X=3 BEAM_CENTER_Y=3", pixels=mask)
    words = "-cell 100 -default_F 100 -N 4 -mask m.img -oversample 1"
    whole = simulate(args=words).data
    assert (whole[mask == 0] == 0).all()
    for x0, x1, y0, y1 in ((3, 9, 2, 7), (0, 15, 0, 11), (8, 40, 6, 30), (5, 5, 5, 5), (-1, -1, 3, 5)):
        run(f"{words} -roi {x0} {x1} {y0} {y1} {QUIET}")
        image = np.fromfile("floatimage.bin", np.float32).reshape(12, 16)
        inside = np.zeros(image.shape, bool)
        rows = slice(max(y0, 0), 1 + (y1 if y1 >= 0 else 11))
        inside[rows, slice(max(x0, 0), 1 + (x1 if x1 >= 0 else 15))] = True
        assert (image[inside] == whole[inside]).all()
        assert (image[~inside] == 0).all()
        integers = read_smv("intimage.img").pixels
        assert (integers[~inside] == 0).all()
        assert (integers[inside & (mask == 0)] == 40).all()
        used, region = image[inside & (mask != 0)].astype(float), image[inside].astype(float)
        mean = used.sum() / max(used.size, 1)
        rms = math.sqrt((used**2).sum() / (max(used.size, 2) - 1))
        rmsd = math.sqrt(((region - mean) ** 2).sum() / (max(region.size, 2) - 1))
        printed = re.search(r"^mean= (\S+) rms= (\S+) rmsd= (\S+)", capsys.readouterr().out, re.MULTILINE)
        assert printed is not None
        assert [float(x) for x in printed.groups()] == pytest.approx([mean, rms, rmsd], rel=1e-5)


def pgm(path: str) -> tuple[bytes, np.ndarray]:
    data = Path(path).read_bytes()
    match = re.match(rb"P5\n(\d+) (\d+)\n(#[^\n]*)\n255\n", data)
    assert match is not None
    shape = (int(match[2]), int(match[1]))
    return match[3], np.frombuffer(data[match.end() :], np.uint8).reshape(shape)


def test_AT_CLI_006_scales(in_folder) -> None:
    """The integer image's maximum is 55000 unless -scale says otherwise; the picture has 250 at five times the rmsd."""
    in_folder()
    words = f"{CUBIC} -default_F 100 -detpixels_x 40 -nonoise -noprogress"
    run(words)
    image = np.fromfile("floatimage.bin", np.float32).reshape(64, 40).astype(float)
    integers = read_smv("intimage.img").pixels
    assert integers.max() == 55040
    assert (integers == np.floor(np.float32(image * (55000 / image.max()) + 40.5))).mean() > 0.99
    assert np.abs(integers - np.floor(image * (55000 / image.max()) + 40.5)).max() <= 1
    comment, grey = pgm("image.pgm")
    scale = 50 / math.sqrt(((image - image.mean()) ** 2).sum() / (image.size - 1))
    assert float(comment.split()[-1]) == pytest.approx(scale, rel=1e-5)
    assert np.abs(grey - np.trunc(np.minimum(255, image * scale))).max() <= 1
    run(f"{words} -scale 20 -adc 7 -pgmscale 3")
    assert (read_smv("intimage.img").pixels == np.floor(np.float32(image * 20 + 7.5))).all()
    assert (pgm("image.pgm")[1] == np.trunc(np.minimum(255, image * 3))).all()
    run(f"{words} -scale -1 -pgmscale 0")
    assert read_smv("intimage.img").pixels.max() == 55040
    assert pgm("image.pgm")[0] == comment


def test_AT_IO_002_picture(in_folder) -> None:
    """Header, comment and order of the PGM file."""
    in_folder()
    run(f"{CUBIC} -default_F 100 -detpixels_x 40 -detpixels_y 30 -pgmscale 2.5 -nonoise -noprogress -pgmfile p.pgm")
    data = Path("p.pgm").read_bytes()
    assert data.startswith(b"P5\n40 30\n# pixels scaled by 2.5\n255\n")
    assert len(data) == len(b"P5\n40 30\n# pixels scaled by 2.5\n255\n") + 1200
    image = np.fromfile("floatimage.bin", np.float32).reshape(30, 40)
    assert (pgm("p.pgm")[1] == np.trunc(np.minimum(255, image.astype(float) * 2.5))).all()


def test_AT_CLI_007_seeds(in_folder, capsys: pytest.CaptureFixture[str]) -> None:
    """The same seed is the same noise, another seed another; overloads are counted."""
    in_folder()
    words = f"{CUBIC} -default_F 100 -nopgm -noprogress -fluence 1e33"
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        run(f"{words} -seed {seed} -noisefile {name}")
    a, b, c = (Path(name).read_bytes() for name in "abc")
    assert a == b
    assert a != c
    printed = re.findall(r"photons on noise image \((\d+) overloads\)", capsys.readouterr().out)
    counted = [int(np.count_nonzero(read_smv(name).pixels == 65535)) for name in "abc"]
    assert [int(n) for n in printed] == counted
    assert counted[0] > 0


KEYS = [
    "HEADER_BYTES", "DIM", "BYTE_ORDER", "TYPE", "SIZE1", "SIZE2", "PIXEL_SIZE", "DISTANCE", "WAVELENGTH",
    "BEAM_CENTER_X", "BEAM_CENTER_Y", "ADXV_CENTER_X", "ADXV_CENTER_Y", "MOSFLM_CENTER_X", "MOSFLM_CENTER_Y",
    "DENZO_X_BEAM", "DENZO_Y_BEAM", "DIALS_ORIGIN", "XDS_ORGX", "XDS_ORGY", "CLOSE_DISTANCE", "PHI", "OSC_START",
    "OSC_RANGE", "TWOTHETA", "DETECTOR_SN", "BEAMLINE",
]  # fmt: skip


def test_AT_IO_001_smv_header_and_data(in_folder) -> None:
    """Programs that read the images find every key, in its unit, and the pixels in order."""
    in_folder()
    run(
        f"{CUBIC} -default_F 100 -detpixels_x 40 -detpixels_y 30 -distance 90 -phi 10 -osc 0.5 -phisteps 2 -twotheta 3 "
        "-seed 1 -nopgm -noprogress -scale 1"
    )
    words = f"{CUBIC} -default_F 100 -detpixels_x 40 -detpixels_y 30 -distance 90 -twotheta 3"
    (panel,), g = resolve(Experiment.from_args(words)).scene.panels, geometry(words)
    expected = {
        "SIZE1": 40, "SIZE2": 30, "PIXEL_SIZE": 0.1, "WAVELENGTH": 1.0, "PHI": 10, "OSC_START": 10, "OSC_RANGE": 0.5,
        "TWOTHETA": 3, "DISTANCE": 1000 * g.distance, "CLOSE_DISTANCE": 1000 * panel.close_distance,
        "BEAM_CENTER_X": 1000 * g.Xbeam, "BEAM_CENTER_Y": 1000 * g.Ybeam, "ADXV_CENTER_X": 1000 * g.Fbeam,
        "ADXV_CENTER_Y": 3.0 - 1000 * g.Sbeam, "MOSFLM_CENTER_X": 1000 * g.Sbeam - 0.05,
        "MOSFLM_CENTER_Y": 1000 * g.Fbeam - 0.05, "DENZO_X_BEAM": 1000 * g.Sbeam, "DENZO_Y_BEAM": 1000 * g.Fbeam,
        "XDS_ORGX": g.orgx, "XDS_ORGY": g.orgy,
    }  # fmt: skip
    for name in ("intimage.img", "noiseimage.img"):
        image = read_smv(name)
        head = Path(name).read_bytes()[:512]
        assert head[: head.index(b"}\f")].count(b"\n") == len(KEYS) + 1
        assert re.findall(r"^(\w+)=", image.text, re.MULTILINE) == KEYS
        assert head.endswith(b"}\f".ljust(512 - head.index(b"}\f")))
        for key, value in expected.items():
            assert image.value(key) == pytest.approx(value, rel=1e-5), key
    floats = np.fromfile("floatimage.bin", np.float32).reshape(30, 40)
    stored = np.frombuffer(Path("intimage.img").read_bytes()[512:], np.uint16)
    slow, fast = 11, 23
    assert stored[slow * 40 + fast] == math.floor(np.float32(float(floats[slow, fast]) + 40.5))


@pytest.mark.parametrize("order", ["little_endian", "big_endian"])
def test_AT_IO_001_both_byte_orders(in_folder, order: str) -> None:
    """Images of machines with the other byte order are the same images."""
    folder = in_folder()
    pixels = np.arange(192, dtype=np.uint16).reshape(12, 16) * 300
    header_image(folder / "a.img", "PIXEL_SIZE=0.2", order, pixels)
    assert (read_smv("a.img").pixels == pixels).all()


def test_AT_IO_003_cache(in_folder) -> None:
    """The cache is written, read when no list is given, and makes the identical image."""
    folder = in_folder()
    (folder / "P1.hkl").write_text(reflections(5, lambda h, k, l: 60 + h - 2 * k + l))  # noqa: E741
    words = f"{CUBIC} -distance 40 {QUIET}"
    run(f"{words} -hkl P1.hkl")
    first = Path("floatimage.bin").read_bytes()
    factors = read_dump("Fdump.bin")
    assert (factors.minimum, factors.grid[5, 5, 5]) == ((-5, -5, -5), 60)
    Path("floatimage.bin").unlink()
    Path("P1.hkl").unlink()
    run(words)
    assert Path("floatimage.bin").read_bytes() == first


def test_AT_IO_004_columns_and_comments(in_folder) -> None:
    """Lists with phases, sigmas and comments are the same list."""
    in_folder()
    rows = [line.split() for line in reflections(3, lambda h, k, l: 40 + h - 2 * k + l).splitlines()]  # noqa: E741
    lists = {
        "four": "".join(" ".join(row) + "\n" for row in rows),
        "phase": "".join(" ".join([*row, "123.4"]) + "\n" for row in rows),
        "sigma": "".join("\t".join([*row, "0.5", "-17"]) + "\r\n" for row in rows),
        "comments": "# h k l F\n\n" + "".join("  " + "   ".join(row) + "\n# and\n" for row in rows),
    }
    images, caches = set(), set()
    for name, text in lists.items():
        Path(name).write_text(text)
        run(f"{CUBIC} -distance 40 -hkl {name} {QUIET}")
        images.add(Path("floatimage.bin").read_bytes())
        caches.add(Path("Fdump.bin").read_bytes())
    assert len(images) == len(caches) == 1


# ---- sources ----------------------------------------------------------------------------------------------


def test_AT_SRC_001_weights_and_wavelengths(in_folder) -> None:
    """Two sources are averaged; their weights count without the quirk; their wavelengths always do.

    Their tests expect the wavelength column to be ignored; nanoBragg.c uses it, and so do we.
    """
    in_folder()
    Path("both.txt").write_text("-1 0 0 1.0 1.0e-10\n-1 0 0.002 3.0 1.3e-10\n")
    Path("one.txt").write_text("-1 0 0 1.0 1.0e-10\n")
    Path("two.txt").write_text("-1 0 0.002 1.0 1.3e-10\n")
    words = f"{CUBIC} -default_F 100 -nopolar -sourcefile"
    resolved = resolve(Experiment.from_args(f"{words} both.txt"))
    assert resolved.radiation.steps == 2
    assert resolved.scene.source_wavelength.tolist() == pytest.approx([1.0e-10, 1.3e-10])
    one, two = (simulate(args=f"{words} {name}").data.astype(float) for name in ("one.txt", "two.txt"))
    both = simulate(args=f"{words} both.txt").data
    np.testing.assert_allclose(both, (one + two) / 2, rtol=1e-5)
    weighted = simulate(args=f"{words} both.txt", quirks="all,-source_weights_ignored").data
    np.testing.assert_allclose(weighted, 0.25 * one + 0.75 * two, rtol=1e-5)


def test_AT_SRC_003_missing_columns_and_comments(in_folder) -> None:
    """Missing columns take -10 b, weight 1 and the beam's wavelength; comments and blank lines are no sources."""
    in_folder()
    Path("sources.txt").write_text(
        "# x y z weight wavelength\n\n-1 0 0\n-1, 0.01, 0; 2.0 # no wavelength\n-1 0 0.01 0.5 0.9e-10\n"
    )
    scene = resolve(
        Experiment.from_args(f"{CUBIC} -default_F 1 -lambda 1.25 -quirks none -sourcefile sources.txt")
    ).scene
    assert scene.source_wavelength.tolist() == pytest.approx([1.25e-10, 1.25e-10, 0.9e-10])
    assert scene.source_weight.tolist() == pytest.approx([3 * w / 3.5 for w in (1.0, 2.0, 0.5)])
    unit = np.array([[1, 0, 0], [1, -0.01, 0], [1, 0, -0.01]])
    np.testing.assert_allclose(scene.source_direction, unit / np.linalg.norm(unit, axis=1)[:, None], atol=1e-15)
    Path("empty.txt").write_text("1.0\n")
    alone = resolve(Experiment.from_args(f"{CUBIC} -default_F 1 -sourcefile empty.txt")).scene
    assert len(alone.source_wavelength) == 1


# ---- noise ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rng", ["exact", "fast"])
@pytest.mark.parametrize(
    ("mean", "offset"), [(0.3, 100.0), (5.0, 100.0), (11.9, 100.0), (12.5, 100.0), (1000.0, 0.0), (3e6, -2.97e6)]
)
def test_AT_NOISE_001_moments(mean: float, offset: float, rng: str) -> None:
    """A million draws of each branch have the mean and the variance of a Poisson distribution."""
    image = np.full((1000, 1000), mean, np.float32)
    noise = poisson_noise(image, seed=11, rng=rng, adc_offset=offset)
    drawn = noise.pixels.astype(float) - offset
    sigma = math.sqrt(mean)
    count = image.size
    assert drawn.mean() == pytest.approx(mean, abs=5 * sigma / math.sqrt(count) + (0.5 if mean > 1e6 else 0.0))
    kurtosis = 3 + 1 / mean
    assert drawn.var() == pytest.approx(mean, rel=5 * math.sqrt((kurtosis - 1) / count) + 1e-4)
    assert noise.overloads == 0


@pytest.mark.parametrize("rng", ["exact", "fast"])
def test_AT_NOISE_001_overloads(rng: str) -> None:
    """What the pixels cannot hold is cut off and counted."""
    image = np.full((100, 100), 65535.0, np.float32)
    noise = poisson_noise(image, seed=5, rng=rng, adc_offset=0.0)
    assert noise.overloads == pytest.approx(5000, abs=300)
    # A photon count of exactly 65535 is at the top and no overload.
    assert 0 <= np.count_nonzero(noise.pixels == 65535) - noise.overloads < 100


def test_AT_PARALLEL_014_noise_keeps_mean_and_peaks() -> None:
    """Two seeds: other photons, the same mean and the same peaks."""
    flat = np.full((256, 256), 1000.0, np.float32)
    image = simulate(args=f"{CUBIC} -default_F 100 -distance 1000 -pixel 0.4 -fluence 1.2e30").data
    peak = find_peaks(image)[0]
    drawn = []
    for seed in (1, 2):
        noise = poisson_noise(flat, seed=seed, adc_offset=0.0)
        assert noise.pixels.mean() == pytest.approx(1000.0, abs=5 * math.sqrt(1000.0 / flat.size))
        noisy = poisson_noise(image, seed=seed, adc_offset=0.0).pixels.astype(np.float32)
        s, f = (round(v) for v in peak[:2])
        window = noisy[s - 5 : s + 6, f - 5 : f + 6]
        clean = image[s - 5 : s + 6, f - 5 : f + 6]
        ys, xs = np.mgrid[-5:6, -5:6]
        shift = [
            (window * axis).sum() / window.sum() - (clean * axis).sum(dtype=float) / clean.sum(dtype=float)
            for axis in (ys, xs)
        ]
        assert math.hypot(*shift) < 0.5
        drawn.append(noise.pixels)
    assert (drawn[0] != drawn[1]).any()


# ---- scaling laws -----------------------------------------------------------------------------------------


def slope(x: list[float], y: list[float]) -> tuple[float, float]:
    """The slope of a straight line in log-log, and R²."""
    u, v = np.log(x), np.log(y)
    line = np.polyfit(u, v, 1)
    return float(line[0]), float(np.corrcoef(u, v)[0, 1] ** 2)


LONG_WAVE = "-cell 100 100 100 90 90 90 -lambda 6.2 -distance 100 -pixel 0.1 -detpixels 256 -mosflm -oversample 1"


def test_AT_PARALLEL_009_crystal_size() -> None:
    """The brightest pixel grows with the square of the number of cells: N to the sixth power."""
    sizes = [1.0, 2.0, 3.0, 5.0, 10.0]
    peaks = [float(simulate(args=f"{LONG_WAVE} -default_F 100 -N {n:g}").data.max()) for n in sizes]
    power, r_squared = slope(sizes, peaks)
    assert power == pytest.approx(6.0, abs=0.3)
    assert r_squared >= 0.99


def test_AT_PARALLEL_009_structure_factor() -> None:
    """Intensities are proportional to F²."""
    amplitudes = [50.0, 100.0, 200.0, 500.0]
    peaks = [float(simulate(args=f"{LONG_WAVE} -default_F {f:g} -N 5").data.max()) for f in amplitudes]
    power, r_squared = slope(amplitudes, peaks)
    assert power == pytest.approx(2.0, abs=1e-5)
    assert r_squared >= 0.99


def test_AT_PARALLEL_010_distance() -> None:
    """Further away, the same pattern on pixels that grow with it: 1/R² for points, close_distance/R³ for squares."""
    distances = [50.0, 100.0, 200.0, 400.0]
    point, square = [], []
    for d in distances:
        args = f"{LONG_WAVE} -default_F 100 -N 5 -distance {d:g} -pixel {d / 1000:g}"
        point.append(float(simulate(args=f"{args} -point_pixel").data.sum(dtype=float)) * d**2)
        square.append(float(simulate(args=args).data.sum(dtype=float)) / (d / 1000) ** 2 * d**2)
    assert point == pytest.approx([point[0]] * 4, rel=1e-5)
    assert square == pytest.approx([square[0]] * 4, rel=1e-5)


@pytest.mark.parametrize("tilt", [0, 10, 20, 30])
@pytest.mark.parametrize("option", ["-detector_rotx", "-twotheta"])
def test_AT_PARALLEL_010_tilt(tilt: int, option: str) -> None:
    """A tilted square pixel covers pixel² × close_distance/R³ where a point counts 1/R²."""
    args = f"{LONG_WAVE} -default_F 100 -N 5 {option} {tilt} -detpixels 64 -pixel 0.4"
    (panel,) = resolve(Experiment.from_args(args)).scene.panels
    s, f = np.mgrid[:64, :64] + 0.5
    distance = np.linalg.norm(panel.at(f, s), axis=-1)
    expected = panel.pixel_size[0] * panel.pixel_size[1] * panel.close_distance / distance
    ratio = simulate(args=args).data.astype(float) / simulate(args=f"{args} -point_pixel").data
    np.testing.assert_allclose(ratio, expected, rtol=1e-6)


@pytest.mark.parametrize("kahn", [0.0, 0.95])
def test_AT_PARALLEL_011_polarization(kahn: float) -> None:
    """Pixel by pixel Kahn's formula: ½(1 + cos² 2θ − K cos 2ψ sin² 2θ)."""
    args = f"{LONG_WAVE} -default_F 100 -N 5 -polar {kahn} -pixel 1 -detpixels 64"
    scene = resolve(Experiment.from_args(args)).scene
    incident, axis = np.array(scene.source_direction[0]), np.array(scene.polarization_axis)
    for slow, fast in ((0, 0), (3, 60), (31, 33), (50, 7), (63, 63)):
        found = trace_pixel(scene, slow, fast)
        d = np.array(found.evaluations[0].diffracted)
        vertical = np.cross(axis, incident)
        vertical /= np.linalg.norm(vertical)
        horizontal = np.cross(incident, vertical)
        psi = -math.atan2(d @ vertical, d @ horizontal)
        cos2, sin2 = (incident @ d) ** 2, 1 - (incident @ d) ** 2
        assert found.polar == pytest.approx(0.5 * (1 + cos2 - kahn * math.cos(2 * psi) * sin2), abs=1e-12)


def test_AT_PARALLEL_027_amplitudes() -> None:
    """Peaks of reflections with other amplitudes stand as F²."""
    amplitudes = [100.0, 50.0, 25.0, 12.5, 200.0, 150.0]
    indices = [(0, k, 0) for k in range(1, 7)]
    detector = Detector(shape=(40, 400), pixel_size=0.2, distance=300, convention="mosflm", beam_x=4.0, beam_y=10.0)

    def image(values: list[float]) -> np.ndarray:
        table = np.array([[*hkl, f] for hkl, f in zip(indices, values, strict=True)])
        crystal = Crystal(cell=(100, 100, 100, 90, 90, 90), cells=10, misset=(90.0, 0.0, 0.0), structure_factors=table)
        return simulate(crystal=crystal, beam=Beam(wavelength=1.0), detector=detector).data

    equal, found = image([100.0] * len(indices)), image(amplitudes)
    places = [(20, 50 + round(300 / 0.2 * math.tan(2 * math.asin(0.005 * k)))) for _, k, _ in indices]
    for slow, fast in places:  # brighter than halfway to the next one
        assert equal[slow, fast] > 10 * equal[slow, fast - 7]
    ratios = [float(found[slow, fast] / equal[slow, fast]) for slow, fast in places]
    assert ratios == pytest.approx([(f / 100.0) ** 2 for f in amplitudes], rel=0.01)


def test_AT_PARALLEL_029_oversampling() -> None:
    """Subpixels take the aliasing out of an image and leave its peaks where and as wide as they are."""
    args = "-cell 100 100 100 90 90 90 -default_F 100 -lambda 1.0 -N 5 -distance 50 -pixel 0.1 -detpixels 256 -mosflm"
    images = {n: simulate(args=f"{args} -oversample {n}").data.astype(float) for n in (1, 2, 4, 8)}
    cycles = np.fft.fftfreq(256)
    high = np.hypot(*np.meshgrid(cycles, cycles)) > 0.35
    power = {n: float((np.abs(np.fft.fft2(image - image.mean())) ** 2)[high].sum()) for n, image in images.items()}
    assert max(power[2], power[4], power[8]) <= 0.5 * power[1]
    assert power[2] > power[4] > power[8]
    places = [(int(s), int(f)) for s, f, _ in find_peaks(images[8].astype(np.float32))[:12].round()]
    ys, xs = np.mgrid[-2:3, -2:3]

    def centre_and_width(image: np.ndarray, place: tuple[int, int]) -> tuple[float, float, float]:
        box = image[place[0] - 2 : place[0] + 3, place[1] - 2 : place[1] + 3]
        y, x = (box * ys).sum() / box.sum(), (box * xs).sum() / box.sum()
        return y, x, math.sqrt((box * ((ys - y) ** 2 + (xs - x) ** 2)).sum() / box.sum())

    for place in places:
        at = {n: centre_and_width(image, place) for n, image in images.items()}
        assert at[4][2] == pytest.approx(at[8][2], rel=0.05)
        assert max(math.hypot(at[n][0] - at[8][0], at[n][1] - at[8][1]) for n in (1, 2, 4)) < 0.5
