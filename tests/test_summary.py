"""The summary: scripts look for the original's labels and numbers in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nanobragg.inputs.words import parse_words
from nanobragg.program.progress import Progress
from nanobragg.program.summary import summary
from nanobragg.resolver.resolve import resolve

WORDS = (
    "-cell 70 80 90 75 85 95 -default_F 100 -detpixels 30 -lambda 1 -N 3 -misset 10 20 30 -water 10 -divergence 1 "
    "-hdivsteps 3 -dispersion 1 -dispsteps 2 -osc 1 -phisteps 2 -mosaic_spread 1 -mosaic_domains 2 "
    "-detector_abs 100 -detector_thick 50 -detector_thicksteps 3"
)

# What nanoBragg.c prints for these words (angles of the reciprocal cell aside: its own are those of a cell that does
# not quite close).
PRINTED = """\
mosflm convention selected.
pivoting detector around direct beam spot
XDS incident beam: 0 0 1
Unit Cell: 70 80 90 75.0391 85.0136 95.0081
volume = 481811 A^3
real-space cell vectors (Angstrom):
     a           b           c
X: 62.18939154 -26.26417036 34.06700757
Y: 25.64350962 68.58409554  1.62254801
Z: -19.36207620 31.72404757 83.28749206
reciprocal-space cell vectors (Angstrom^-1):
     a_star      b_star      c_star
X:  0.01174884 -0.00449802  0.00444457
Y:  0.00678319  0.01211928 -0.00303930
Z: -0.00493776  0.00160372  0.01025029
crystal is 0.021 x 0.024 x 0.027 microns
approximate MW = 364219
thick0 = 0 um
thick1 = 25 um
thick2 = 50 um
phi0 = 0
phi1 = 0.5
divergence deviation: -0.0005 -0.0005
divergence deviation: -0.0005 0.0005
divergence deviation: 0 -0.0005
divergence deviation: 0 0.0005
divergence deviation: 0.0005 -0.0005
divergence deviation: 0.0005 0.0005
lambda0 = 9.95e-11
lambda1 = 1.005e-10
  created a total of 12 sources:
-10 0.005 0.005   0.0833333 9.95e-11
-10 0.005 0.005   0.0833333 1.005e-10
-10 -0.005 0.005   0.0833333 9.95e-11
-10 -0.005 0.005   0.0833333 1.005e-10
-10 0.005 -0   0.0833333 9.95e-11
-10 0.005 -0   0.0833333 1.005e-10
-10 -0.005 0   0.0833333 9.95e-11
-10 -0.005 0   0.0833333 1.005e-10
-10 0.005 -0.005   0.0833333 9.95e-11
-10 0.005 -0.005   0.0833333 1.005e-10
-10 -0.005 -0.005   0.0833333 9.95e-11
-10 -0.005 -0.005   0.0833333 1.005e-10
  created a total of 2 mosaic domains
  0 initialized hkls (all others =100)
  parallelpiped xtal: 3x3x3 cells
  wave=1e-10 meters +/- 1% in 2 steps
  Kahn polarization factor: 0.000000
  incident fluence: 1.25932e+29 photons/m^2
  distance=0.1 detsize=0.003x0.003  pixel=0.0001 meters (30x30 pixels)
  sensor is 5e-05 m thick in 3 layers with mu= 10000
  Xbeam=0.00155 Ybeam=0.00155
  Fbeam=0.0016 Sbeam=0.0016
  Xclose=0.0015 Yclose=0.0015
  Fclose=0.0016 Sclose=0.0016
  DIRECTION_OF_DETECTOR_X-AXIS= 0 0 1
  DIRECTION_OF_DETECTOR_Y-AXIS= 0 -1 0
  DIRECTION_OF_DETECTOR_Z-AXIS= 1 0 0
  INCIDENT_BEAM_DIRECTION= 1 0 0
  spindle ROTATION_AXIS= 0 0 1
  POLARIZATION_PLANE_NORMAL= 0 -1 0
  dials origin= -1.6 1.6 -100
  roi: 0 < x < 30 && 0 < y < 30
  hdivrange=0.001 hdivstep=0.0005  radians
  vdivrange=0.001 vdivstep=0.001  radians
  6 divergence steps
  12 sources
  2 mosaic domains over mosaic spread of 1 degrees
  2 phi steps from 0 to 1 degrees
  1x1 pixel oversample steps

  noise image paramters:
  seed: -5
  water droplet size: 1e-05 m
"""


def told(words: str, seed: int | None = None) -> str:
    return summary(resolve(parse_words(words).experiment), seed)


def test_the_lines_of_the_original() -> None:
    lines = told(WORDS, 5).splitlines()
    assert lines[0].startswith("nanobragg ")
    assert [line.rstrip() for line in lines[1:] if not line.startswith("Recp Cell")] == PRINTED.splitlines()


def test_the_reciprocal_cell_is_that_of_the_vectors() -> None:
    line = re.search(r"^Recp Cell: (.*)$", told("-cell 50 60 70 90 90 120 -default_F 1 -detpixels 5"), re.MULTILINE)
    assert line is not None
    numbers = [float(word) for word in line[1].split()]
    assert numbers == pytest.approx([1 / 50 / 0.8660254, 1 / 60 / 0.8660254, 1 / 70, 90, 90, 60], rel=1e-5)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("-xds", "xds convention selected."),
        ("-xds", "pivoting detector around sample"),
        ("-round_xtal", "  ellipsoidal xtal: 1x1x1 cells"),
        ("-gauss_xtal -Nb 2", "  gaussian xtal: 1x2x1 cells"),
        ("-tophat_spots", "  tophat-spot xtal: 1x1x1 cells"),
        ("-nopolar", "  polarization effect disabled"),
        ("-polar 0.9", "  Kahn polarization factor: 0.900000"),
        ("-curved_det -N 1", "  curved detector: all pixels same distance from origin"),
        ("-point_pixel", "  pixel obliquity effect disabled"),
        ("-oversample 2 -oversample_thick -oversample_omega", "  2x2 pixel oversample steps +thick +omega"),
        ("-detector_thick 300 -detector_abs 200 -detector_thicksteps 3", "thick1 = 150 um"),
        ("-detector_thick 300 -detector_abs 200 -detector_thicksteps 3 -quirks none", "thick1 = 145.851 um"),
        ("-roi 1 3 2 4", "  roi: 1 < x < 3 && 2 < y < 4"),
        ("-mosaic_domains 3 -mosaic 0.5", "  3 mosaic domains over mosaic spread of 0.5 degrees"),
    ],
)
def test_single_lines(words: str, line: str) -> None:
    assert line in told(f"-cell 50 -default_F 1 -detpixels 8 {words}").splitlines()


def test_no_noise_image_no_noise_parameters() -> None:
    assert "noise image" not in told("-cell 50 -default_F 1 -detpixels 8")


def test_long_lists_lose_their_middle() -> None:
    """A thousand phi steps would bury everything else."""
    text = told("-cell 50 -default_F 1 -detpixels 4 -osc 10 -phisteps 1000")
    assert "phi0 = 0" in text
    assert "phi999 = 9.99" in text
    assert "phi500 =" not in text
    assert len(text.splitlines()) < 150


def test_phi_is_where_the_crystal_stands() -> None:
    """Starts of the steps as in nanoBragg.c; their middles without that quirk."""
    words = "-cell 50 -default_F 1 -detpixels 4 -phi 10 -osc 1 -phisteps 2"
    assert "phi0 = 10\nphi1 = 10.5\n" in told(words)
    text = told(f"{words} -quirks all,-phi_at_step_starts")
    assert "phi0 = 10.25\nphi1 = 10.75\n" in text
    assert "2 phi steps from 10 to 11 degrees" in text


def test_lists_of_a_hundred_are_whole() -> None:
    text = told("-cell 50 -default_F 1 -detpixels 4 -osc 10 -phisteps 100")
    assert all(f"phi{i} = " in text for i in range(100))


def test_sources_of_a_file_are_directions(tmp_path: Path) -> None:
    file = tmp_path / "sources.txt"
    file.write_text("-20 0 0 1 1e-10\n0 -5 0 3 1.1e-10\n")
    text = told(f"-cell 50 -default_F 1 -detpixels 4 -sourcefile {file}")
    assert "  created a total of 2 sources:\n-1 " in text
    assert "  -1 divergence steps" in text


# ---- progress ---------------------------------------------------------------------------------------------


def test_percentages_are_those_of_the_original(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every percent within the first and last ten, every five between."""
    monkeypatch.setattr("nanobragg.program.progress.QUIET_SECONDS", 0.0)
    with Progress() as progress:
        for i in range(1001):
            progress(i / 1000)
    shown = [int(line.removesuffix("% done")) for line in capsys.readouterr().out.splitlines()]
    assert shown == [*range(10), *range(10, 90, 5), *range(90, 101)]
