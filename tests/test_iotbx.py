"""SMV and CBF files read back by cctbx: `iotbx` (phenix, LABELIT) and CBFlib must place the detector where we did.

They need `pip install 'nanobragg[cctbx]'`, as `make test` does where there are wheels. cctbx is run in a process of its
own: its libraries put their symbols where ours would find them, and pycbf crashes where warnings are errors.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Image, Sampling, simulate

pytestmark = pytest.mark.slow

if find_spec("iotbx") is None:
    pytest.skip("iotbx is not there (pip install 'nanobragg[cctbx]')", allow_module_level=True)

CONVENTIONS = ["mosflm", "denzo", "adxv", "xds", "dials"]
SLOW_FAST, FAST_SLOW, FAST_SLOW_DOWN = 0, 1, 5
"""iotbx's numbers of beam centre conventions: what X and Y count along; the last from the other end of slow."""

IOTBX = """
import json, sys
import iotbx.detectors
path, kind, request = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
types = {"int": int, "float": float}
image = getattr(iotbx.detectors, kind)(path)
if request.get("keys"):
    image.readHeader(external_keys=[(key, r"\\n" + key, float) for key in request["keys"]])
else:
    image.readHeader()
found = {"header": {str(key): value for key, value in image.parameters.items()}}
for name in "distance wavelength pixel_size osc_start deltaphi twotheta saturation size1 size2".split():
    found[name] = getattr(image, name)
if request.get("pixels"):
    image.read()
    found["pixels"] = list(image.get_raw_data())
found["centres"] = []
for x, y, convention in request.get("centres", []):
    image.parameters.update(BEAM_CENTER_X=image.parameters[x], BEAM_CENTER_Y=image.parameters[y])
    image.beam_center_reference_frame = "instrument"
    image.set_beam_center_convention(convention)
    found["centres"].append([image.beamx, image.beamy])
print(json.dumps(found, default=repr))
"""

CBFLIB = """
import json, sys
import pycbf

handle = pycbf.cbf_handle_struct()
handle.read_widefile(sys.argv[1], pycbf.MSG_DIGESTNOW)
handle.select_datablock(0)
handle.find_category("array_data")
handle.find_column("header_convention")
found = {"convention": handle.get_value().decode()}
handle.find_column("data")
found["parameters"] = [x.decode() if isinstance(x, bytes) else x for x in handle.get_integerarrayparameters_wdims()]
found["pixels"] = list(memoryview(handle.get_integerarray_as_string()).cast("i"))
print(json.dumps(found))
"""


def _run(program: str, *words: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read_with_iotbx(path: Path, kind: str, **request: Any) -> dict[str, Any]:
    return _run(IOTBX, str(path), kind, json.dumps(request))


def _image(convention: str = "xds", quirks: str = "none", **detector: object) -> Image:
    """Small, asymmetric in everything, so that a swapped axis shows."""
    # MOSFLM's and DENZO's X counts along the slow axis.
    x, y = (12.4, 9.7) if convention in ("mosflm", "denzo") else (9.7, 12.4)
    fields = {"shape": (40, 56), "pixel_size": 0.5, "distance": 80.0, "beam_x": x, "beam_y": y, **detector}
    return simulate(
        crystal=Crystal(cell=(50, 60, 70, 80, 95, 100), cells=4, misset=(10, 20, 30), default_F=100),
        beam=Beam(wavelength=1.1, fluence=1e30, polarization=0.9, exposure=0.2),
        detector=Detector(convention=convention, **fields),  # type: ignore[arg-type]
        sampling=Sampling(phi=5.0, oscillation=0.7, phi_steps=3),
        quirks=quirks,
    ).noisy(seed=1)


def write(image: Image, path: Path) -> None:
    """Without the warnings of what the header does not say in some conventions: the spindle, that it is mirrored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.write(path)


@pytest.fixture(scope="module")
def image() -> Image:
    return _image()


def _says_the_experiment(found: dict[str, Any]) -> None:
    assert found["pixel_size"] == pytest.approx(0.5)
    assert found["distance"] == pytest.approx(80.0)
    assert found["wavelength"] == pytest.approx(1.1)
    assert found["osc_start"] == pytest.approx(5.0)
    assert found["deltaphi"] == pytest.approx(0.7)
    assert found["twotheta"] == 0.0


# ---- SMV --------------------------------------------------------------------------------------------------


def test_iotbx_reads_an_smv_image(image: Image, tmp_path: Path) -> None:
    """Sizes, distance, wavelength, rotation, and every pixel."""
    image.write(tmp_path / "a.img")
    found = read_with_iotbx(tmp_path / "a.img", "ADSCImage", pixels=True)
    _says_the_experiment(found)
    assert found["saturation"] == 65535
    assert (found["header"]["SIZE1"], found["header"]["SIZE2"]) == (56, 40)
    np.testing.assert_array_equal(np.reshape(found["pixels"], image.data.shape), np.minimum(image.data, 65535))


def test_iotbx_finds_the_pixels_behind_a_header_that_outgrew_its_block(tmp_path: Path) -> None:
    """Where nanoBragg.c would overwrite the first pixels."""
    place = {"distance": 1234.5678, "pixel_size": 0.501234, "beam_x": -1234.56, "beam_y": -2345.67}
    image = _image(twotheta=12.3456, **place)
    image.write(tmp_path / "a.img")
    found = read_with_iotbx(tmp_path / "a.img", "ADSCImage", pixels=True)
    assert found["header"]["HEADER_BYTES"] == 1024
    assert found["twotheta"] == pytest.approx(-12.3456)
    np.testing.assert_array_equal(np.reshape(found["pixels"], image.data.shape), np.minimum(image.data, 65535))


@pytest.mark.parametrize("quirks", ["none", "header_by_convention"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_beam_centre_in_an_smv_header_is_the_same_place_for_iotbx(
    convention: str, quirks: str, tmp_path: Path
) -> None:
    """Each program has its own keys and its own idea of X: all must lead to where the beam hits, in any convention."""
    image = _image(convention, quirks=quirks)
    by_convention = quirks != "none"
    centre = {"mosflm": 0, "denzo": 0, "adxv": 5}.get(convention, FAST_SLOW) if by_convention else FAST_SLOW_DOWN
    write(image, tmp_path / "a.img")
    g, pixel_size = image.resolved.geometry, image.resolved.scene.panels[0].pixel_size[0]
    pairs = [
        ("BEAM_CENTER_X", "BEAM_CENTER_Y", centre),
        ("ADXV_CENTER_X", "ADXV_CENTER_Y", FAST_SLOW_DOWN),
        ("MOSFLM_CENTER_X", "MOSFLM_CENTER_Y", SLOW_FAST),
        ("DENZO_X_BEAM", "DENZO_Y_BEAM", SLOW_FAST),
        ("XDS_ORGX", "XDS_ORGY", FAST_SLOW),
    ]
    keys = [key for pair in pairs[1:] for key in pair[:2]]
    found = read_with_iotbx(tmp_path / "a.img", "ADSCImage", keys=keys, centres=pairs)
    slow_fast = np.array(found["centres"])
    slow_fast[4] *= pixel_size * 1e3  # pixels, of which the first has its centre at 1
    from_centre = 0.5 * pixel_size * 1e3
    slow_fast[2] += from_centre  # MOSFLM counts from the centre of the first pixel
    slow_fast[4] -= from_centre
    if not by_convention:
        slow_fast[0] += 2 * from_centre  # dxtbx adds a pixel
    elif convention == "mosflm":
        slow_fast[0] += from_centre
    np.testing.assert_allclose(slow_fast, [[g.Sbeam * 1e3, g.Fbeam * 1e3]] * 5, atol=1e-4)


# ---- CBF --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convention", "kind"), [*((c, "PilatusImage") for c in CONVENTIONS), ("xds", "EigerCBFImage")]
)
def test_iotbx_reads_a_cbf_header(convention: str, kind: str, tmp_path: Path) -> None:
    """Sizes, distance, wavelength, rotation; and the beam in the same place whatever the convention."""
    image = _image(convention)
    write(image, tmp_path / "a.cbf")
    found = read_with_iotbx(tmp_path / "a.cbf", kind, centres=[("BEAM_CENTER_X", "BEAM_CENTER_Y", SLOW_FAST)])
    _says_the_experiment(found)
    assert f"# Count_cutoff {found['saturation']} counts\r\n".encode() in (tmp_path / "a.cbf").read_bytes()
    assert found["saturation"] >= 65535
    assert (found["size1"], found["size2"]) == (40, 56)  # slow, fast
    g = image.resolved.geometry
    assert found["centres"][0] == pytest.approx([g.Sbeam * 1e3, g.Fbeam * 1e3], abs=1e-4)
    assert found["header"]["PHI"] == pytest.approx(5.0)
    assert found["header"]["DETECTOR_SN"] == "nanobragg simulation S/N 00-0000"


@pytest.mark.skipif(find_spec("pycbf") is None, reason="pycbf is not there (pip install 'nanobragg[cctbx]')")
def test_cbflib_reads_every_pixel_of_a_cbf(image: Image, tmp_path: Path) -> None:
    """By the format's own library, which checks the MD5 sum, too."""
    image.write(tmp_path / "a.cbf")
    found = _run(CBFLIB, str(tmp_path / "a.cbf"))
    assert found["convention"] == "GENERIC_MINI"
    _, _, size, signed, _, count, *_, order, fast, slow, _, padding = found["parameters"]
    assert (size, signed, count, order) == (4, 1, 40 * 56, "little_endian")
    assert (fast, slow, padding) == (56, 40, 4095)
    np.testing.assert_array_equal(np.reshape(found["pixels"], image.data.shape), image.data)
