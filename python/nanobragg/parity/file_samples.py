"""Valid files of every format that is read, small ones, for the fuzzer of files to damage (``specs/parity.md``)."""

from __future__ import annotations

import gzip
import os
import re
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nanobragg.parity import file_texts as texts
from nanobragg.parity.imgcif_text import write_imgcif
from nanobragg.parity.set_texts import REFINE, SET, SET_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Kind = Literal["bytes", "text", "json", "hdf5", "gzip"]


class Sample(NamedTuple):
    """A file and the command lines that read it."""

    format: str
    name: str
    """With its extension."""
    content: bytes
    ways: tuple[str, ...]
    """Words; ``{}`` stands for the file."""
    kind: Kind = "bytes"


_SHAPE = (20, 24)
"""(slow, fast) pixels of all images"""
_CELL = "-cell 50 50 70 90 90 90"
_CRYSTAL = f"-default_F 1 -N 2 {_CELL}"
_GEOMETRY = (
    f"-img {{}} {_CRYSTAL} -osc 1",
    f"-img {{}} {_CRYSTAL} -xds -pixel 0.1 -distance 100 -lambda 1 -detpixels 20 -ORGX 9 -ORGY 9",
)
_IMAGE = (*_GEOMETRY, f"-mask {{}} {_CRYSTAL}", "view {} -o picture.png")
_WITH_CRYSTAL = ("-img {} -default_F 1 -N 2 -phi 3 -osc 1", "-img {} -default_F 1 -N 2")
_SMALL = "-lambda 1 -distance 100 -detpixels 8 -pixel 5 -N 2 -nodump"
_LIST = (f"-hkl {{}} {_SMALL} -sf_dmin 4 {_CELL}",)
_FACTORS = (f"-hkl {{}} {_SMALL} -sf_dmin 4", *_LIST)
_NONBRAGG = "-distance 100 -lambda 1 -detpixels 8 -pixel 5"
_RASTER = f"{_CRYSTAL} -lambda 1 -distance 100 -detpixels_x 24 -detpixels_y 20 -pixel 0.1 -quirks none"
_MAPS = tuple(f"{option} {{}} {_RASTER}" for option in ("-gain_map", "-dark_map", "-bad_pixels", "-shadow"))
BESIDE = {
    "water.stol": texts.STOL,
    "image.bin": np.arange(480, dtype=np.float32).tobytes(),
    "paths.geom": texts.GEOM_PATHS.encode(),
    "of_a.toml": SET.replace("shots.csv", "a.csv").encode(),
    "shots.csv": SET_TABLE.encode(),
}
"""Files that command lines name besides."""


def samples() -> list[Sample]:
    """All of them; the same at each call."""
    with tempfile.TemporaryDirectory(prefix="nb_samples_") as folder:
        images = _images(Path(folder))
    text = [Sample(name, file, content.encode(), ways, kind) for name, file, content, ways, kind in _texts()]
    found = [*images, *_headers(), *_factors(), *text, *_companions()]
    boxes = np.array([[2, 6, 3, 7, 0, 1], [10, 15, 8, 12, 0, 1], [20, 30, 15, 30, 0, 1]])
    spots = packed_spots(bbox=boxes, flags=np.full(3, 32), panel=np.zeros(3))
    found.append(Sample("DIALS spots", "a.refl", spots, ("refine -spots {}",)))
    packed = [sample for sample in found if sample.name in ("a.cbf", "a.hkl", "a.mtz", "a.pdb")]
    return found + [
        Sample(
            f"{sample.format}, gzip", f"{sample.name}.gz", gzip.compress(sample.content, mtime=0), sample.ways, "gzip"
        )
        for sample in packed
    ]


def _texts() -> list[tuple[str, str, str, tuple[str, ...], Kind]]:
    matrix = (f"-mat {{}} -default_F 1 {_SMALL}",)
    sources = (f"-sourcefile {{}} -default_F 1 {_SMALL} {_CELL}",)
    around = f"-around {{}} 0.1 -around_density 1 -around_MW 18 {_RASTER}"
    tables = ("nonbragg -stol {} ", "nonbragg -4stol {} ", "nonbragg -Q {} ")
    return [
        ("structure factors", "a.hkl", texts.HKL, _LIST, "text"),
        ("SHELX HKLF 4", "a.hkl", texts.SHELX, _LIST, "text"),
        ("SHELX fcf", "a.fcf", texts.FCF, _FACTORS, "text"),
        ("SHELX in CIF", "a.cif", texts.LISTED_CIF, _FACTORS, "text"),
        ("XDS_ASCII", "a.hkl", texts.XDS, _FACTORS, "text"),
        ("CrystFEL hkl", "a.hkl", texts.CRYSTFEL, _LIST, "text"),
        ("Scalepack", "a.sca", texts.SCALEPACK, _FACTORS, "text"),
        ("Scalepack, unmerged", "a.sca", texts.SCALEPACK_UNMERGED, _LIST, "text"),
        ("small-molecule CIF", "a.cif", texts.SMALL_CIF, _FACTORS, "text"),
        ("matrix", "a.mat", texts.MATRIX, matrix, "text"),
        ("sources", "a.sources", texts.SOURCES, sources, "text"),
        ("TOML", "a.toml", texts.TOML, ("-config {}",), "text"),
        ("ensemble", "a.toml", SET, ("ensemble {}",), "text"),
        ("table of an ensemble", "a.csv", SET_TABLE, ("ensemble of_a.toml",), "text"),
        ("refinement", "a.toml", REFINE, ("refine {}",), "text"),
        ("DIALS", "a.expt", texts.EXPT, (*_GEOMETRY, *_WITH_CRYSTAL), "json"),
        ("CrystFEL geometry", "a.geom", texts.GEOM, (*_GEOMETRY, f"-img {{}} {_CRYSTAL} -clen 100"), "text"),
        ("table of stol", "a.stol", texts.STOL.decode(), (*(way + _NONBRAGG for way in tables), around), "text"),
        ("nonbragg sources", "a.sources", texts.SOURCES,
         (f"nonbragg -stol water.stol -sourcefile {{}} {_NONBRAGG}",), "text"),
    ]  # fmt: skip


# ---- images -----------------------------------------------------------------------------------------------


def _pixels() -> NDArray[np.int32]:
    return np.arange(_SHAPE[0] * _SHAPE[1], dtype=np.int32).reshape(_SHAPE) % 191


def _images(folder: Path) -> list[Sample]:
    """Files that this program and others' libraries write."""
    from nanobragg.simulation import simulate

    words = "-cell 50 60 70 90 90 90 -default_F 9 -N 3 -lambda 1 -distance 20 -detpixels_x 24 -detpixels_y 20 -osc 1"
    image = simulate(args=words + " -oversample 1 -phisteps 1")
    found = []
    for name, extension in (("SMV", "img"), ("CBF", "cbf"), ("NXmx", "nxs"), ("TIFF", "tif"), ("NumPy", "npy")):
        path = folder / f"a.{extension}"
        (image.integers() if extension in ("img", "cbf") else image).write(path)
        kind: Kind = "hdf5" if name == "NXmx" else "bytes"
        ways = (*_IMAGE, *_WITH_CRYSTAL) if kind == "hdf5" else _IMAGE
        found.append(Sample(name, path.name, path.read_bytes(), ways, kind))
    for name, path, write in _foreign(folder):
        write(path)
        kind = "hdf5" if path.suffix == ".h5" else "bytes"
        ways = _WAYS.get(name, _IMAGE)
        found.append(Sample(name, path.name, path.read_bytes(), ways, kind))
    floats = np.asarray(image.data, np.float32).tobytes()
    found.append(Sample("bare floats", "a.bin", floats[: 4 * 400], ("view {} -o picture.png",)))
    pgm = b"P5\n24 20\n255\n" + _pixels().astype(np.uint8).tobytes()
    return [*found, Sample("PGM", "a.pgm", pgm, _IMAGE)]


def _foreign(folder: Path) -> list[tuple[str, Path, Callable[[Path], object]]]:
    """Writers of formats that we only read."""

    def edf(path: Path) -> None:
        from fabio.edfimage import EdfImage

        EdfImage(data=_pixels(), header=dict(texts.EDF)).write(os.fspath(path))

    def bruker(path: Path) -> None:
        from fabio.brukerimage import BrukerImage

        BrukerImage(data=_pixels().astype(np.uint16), header=dict(texts.BRUKER)).write(os.fspath(path))
        undated(path, rb"(?:USER   |FILENAM|CREATED):(.{72})")

    def mar345(path: Path) -> None:
        from fabio.mar345image import Mar345Image

        square = np.arange(24 * 24, dtype=np.uint16).reshape(24, 24)
        image = Mar345Image(data=square, header=dict(texts.MAR345))
        image.byteorder = "<"
        image.write(os.fspath(path))
        undated(path, rb"(?:DATE|HOST) {11}(.{48})")

    def undated(path: Path, pattern: bytes) -> None:
        """Blanks where the pattern's group is: the same file at each call."""
        content = bytearray(path.read_bytes())
        for match in re.finditer(pattern, content):
            content[slice(*match.span(1))] = b" " * len(match[1])
        path.write_bytes(content)

    return [
        ("EDF", folder / "a.edf", edf),
        ("Bruker", folder / "a.sfrm", bruker),
        ("mar345", folder / "a.mar345", mar345),
        ("imgCIF", folder / "full.cbf", lambda path: write_imgcif(path, _pixels())),
        ("HDF5 mask", folder / "mask.h5", _mask),
        ("DECTRIS master", folder / "master.h5", _master),
        ("CrystFEL data", folder / "data.h5", _data),
        ("NumPy map", folder / "map.npy", lambda path: np.save(path, np.ones(_SHAPE, np.float32))),
        ("NumPy kernel", folder / "kernel.npy", lambda path: np.save(path, np.full((3, 5), 1 / 15))),
    ]


_WAYS = {
    "HDF5 mask": (f"-mask {{}} {_CRYSTAL}", f"-mask {{}}:/masks/good {_CRYSTAL}"),
    "CrystFEL data": (f"-img paths.geom -geomdata {{}} {_CRYSTAL}",),
    "NumPy map": _MAPS,
    "NumPy kernel": (f"-psf_kernel {{}} {_RASTER}",),
}
"""By format, where an image is something else than a picture."""


def _data(path: Path) -> None:
    """What a geometry of CrystFEL leaves to a data file."""
    import h5py

    with h5py.File(path, "w") as file:
        file["LCLS/detector/clen"] = [0.1, 0.2]
        file["LCLS/photon_energy_eV"] = 9500.0
        file["mask"] = np.zeros(_SHAPE, np.uint16)


def _mask(path: Path) -> None:
    """A data set that a file without a detector has."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("masks/good", data=1 - np.eye(*_SHAPE, dtype=np.uint8), chunks=(5, 6), compression="gzip")


def _master(path: Path) -> None:
    """What the DECTRIS file writer leaves: scalars, a goniometer, data in another dataset."""
    import h5py

    with h5py.File(path, "w") as file:

        def group(name: str, kind: str) -> Any:
            made = file.require_group(name)
            made.attrs["NX_class"] = kind
            return made

        group("entry", "NXentry")
        stack = np.broadcast_to(_pixels(), (3, *_SHAPE)).astype(np.uint32)
        filters = {"compression": "gzip", "shuffle": True, "fletcher32": True}
        group("entry/data", "NXdata").create_dataset("data_000001", data=stack, chunks=(1, 5, 6), **filters)
        detector = group("entry/instrument/detector", "NXdetector")
        group("entry/instrument", "NXinstrument")
        for name, value, units in texts.MASTER:
            detector[name] = value
            if units:
                detector[name].attrs["units"] = units
        specific = detector.create_group("detectorSpecific")
        specific["photon_energy"] = 12658.0
        specific["photon_energy"].attrs["units"] = "eV"
        specific["x_pixels_in_detector"], specific["y_pixels_in_detector"] = _SHAPE[1], _SHAPE[0]
        specific.create_dataset("pixel_mask", data=np.eye(*_SHAPE, dtype=np.uint32), compression="gzip")
        beam = group("entry/instrument/beam", "NXbeam")
        beam["incident_wavelength"] = 0.9795
        beam["incident_wavelength"].attrs["units"] = "angstrom"
        group("entry/sample", "NXsample")["depends_on"] = "/entry/sample/transformations/omega"
        axes = group("entry/sample/transformations", "NXtransformations")
        for name, value in (("omega", [10.0, 10.1, 10.2]), ("omega_end", [10.1, 10.2, 10.3]), ("kappa", [20.0])):
            axes[name] = value
            axes[name].attrs.update({"units": "deg", "vector": [-1.0, 0.0, 0.0], "transformation_type": "rotation"})
            axes[name].attrs["depends_on"] = "kappa" if name == "omega" else "."


# ---- headers of detectors ---------------------------------------------------------------------------------


def _headers() -> list[Sample]:
    little = _pixels().astype("<u2").tobytes()
    dtrek = "".join(f"{key}={value};\n" for key, value in texts.DTREK.items())
    raxis = bytearray(1536)
    raxis[:7] = b"R-AXIS4"
    for offset, (code, value) in texts.RAXIS.items():
        struct.pack_into(f">{code}", raxis, offset, value)
    marccd = bytearray(3072)
    marccd[4:7] = b"MMX"
    for offset, value in texts.MARCCD.items():
        struct.pack_into("<i", marccd, offset, value)
    pilatus = "".join(f"# {line}\r\n" for line in texts.PILATUS).encode() + b"\0"
    return [
        Sample("d*TREK", "a.img", f"{{\n{dtrek}}}\n".encode().ljust(2048) + little, _IMAGE),
        Sample("R-AXIS", "a.osc", bytes(raxis) + _pixels().astype(">u2").tobytes(), _IMAGE),
        Sample("MarCCD", "a.mccd", _tiff(b"", bytes(marccd)) + little, _IMAGE),
        Sample("PILATUS TIFF", "a.tif", _tiff(pilatus, b"") + little, _IMAGE),
    ]


def _tiff(description: bytes, header: bytes) -> bytes:
    """The first 4096 bytes of a TIFF of 16 bits, with a header at byte 1024."""
    slow, fast = _SHAPE
    fields = [(256, 4, 1, fast), (257, 4, 1, slow), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    fields += [(270, 2, len(description), 512)] if description else []
    fields += [(273, 4, 1, 4096), (277, 3, 1, 1), (278, 4, 1, slow), (279, 4, 1, 2 * slow * fast)]
    directory = struct.pack("<H", len(fields))
    for tag, code, count, value in fields:
        directory += struct.pack("<HHI", tag, code, count) + struct.pack("<H2x" if code == 3 else "<I", value)
    start = (b"II*\0" + struct.pack("<I", 8) + directory + bytes(4)).ljust(512, b"\0") + description
    return (start.ljust(1024, b"\0") + header).ljust(4096, b"\0")


# ---- structure factors ------------------------------------------------------------------------------------


def _factors() -> list[Sample]:
    import gemmi

    merged, unmerged = _mtz(gemmi, mates=False), _mtz(gemmi, mates=True)
    structure = gemmi.read_pdb_string(texts.PDB)
    structure.setup_entities()
    reflections = gemmi.MtzToCif().write_cif_to_string(merged)
    grid = np.arange(4 * 5 * 6, dtype=float)
    return [
        Sample("MTZ", "a.mtz", bytes(merged.write_to_bytes()), _FACTORS),
        Sample("MTZ, unmerged", "a.mtz", bytes(unmerged.write_to_bytes()), _FACTORS),
        Sample("mmCIF reflections", "a.cif", reflections.encode(), _FACTORS, "text"),
        Sample("PDB", "a.pdb", texts.PDB.encode(), _FACTORS, "text"),
        Sample("mmCIF model", "a.cif", structure.make_mmcif_document().as_string().encode(), _FACTORS, "text"),
        Sample(
            "Fdump.bin",
            "a.bin",
            b"0 2 -1 2 0 4\n\f" + grid.tobytes(),
            (f"-dump {{}} {_CRYSTAL} -detpixels 8 -pixel 5",),
        ),
    ]


def _mtz(gemmi: Any, *, mates: bool) -> Any:
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 21 21 21")
    mtz.set_cell_for_all(gemmi.UnitCell(40, 50, 60, 90, 90, 90))
    mtz.add_dataset("native").wavelength = 0.98
    columns = (
        {"M/ISYM": "Y", "BATCH": "B", "I": "J", "SIGI": "Q"}
        if mates
        else {"F": "F", "SIGF": "Q", "DANO": "D", "SIGDANO": "Q", "FREE": "I", "I(+)": "K", "SIGI(+)": "M",
              "I(-)": "K", "SIGI(-)": "M"}
    )  # fmt: skip
    for label, kind in columns.items():
        mtz.add_column(label, kind)
    hkl = [(h, k, l) for h in range(3) for k in range(4) for l in range(1, 5)]  # noqa: E741
    rest = np.arange(len(hkl) * len(columns), dtype=float).reshape(len(hkl), -1) % 19 + 1
    if mates:
        rest[:, 0], rest[:, 1] = rest[:, 0] % 8, 1
    mtz.set_data(np.concatenate([np.array(hkl, float), rest], axis=1).astype(np.float32))
    if mates:
        batch = gemmi.Mtz.Batch()
        batch.number = 1
        mtz.batches.append(batch)
    return mtz


# ---- spots ------------------------------------------------------------------------------------------------

_PACKED = {
    "panel": ("std::size_t", "<u8"),
    "flags": ("std::size_t", "<u8"),
    "id": ("int", "<i4"),
    "bbox": ("int6", "<i4"),
    "miller_index": ("cctbx::miller::index<>", "<i4"),
    "xyzobs.px.value": ("vec3<double>", "<f8"),
}


def packed_spots(**columns: NDArray[Any]) -> bytes:
    """A reflection table as DIALS stores it, with a column that we do not read; ``__`` in a name stands for a dot."""
    import msgpack

    count = len(columns["bbox"])
    data: dict[str, Any] = {"intensity.sum.value": ["double", [count, bytes(8 * count)]]}
    for key, values in columns.items():
        kind, number = _PACKED[name := key.replace("__", ".")]
        data[name] = [kind, [count, np.asarray(values).astype(number).tobytes()]]
    content = {"identifiers": {0: "a1b2"}, "nrows": count, "data": data}
    return bytes(msgpack.packb(["dials::af::reflection_table", 2, content]) or b"")


# ---- what the companions read -----------------------------------------------------------------------------


def _companions() -> list[Sample]:
    from nanobragg.io.images.companion_smv import image_lines, short_header

    lines = [*image_lines(_SHAPE, "unsigned_short"), *texts.SMV_LINES]
    image = short_header(lines) + _pixels().astype("<u2").tobytes()
    floats = np.arange(64, dtype=np.float32).tobytes()
    return [
        Sample("nonbragg image", "a.img", image, (f"nonbragg -stol water.stol -img {{}} {_NONBRAGG}",
                                                  "nonbragg -stol water.stol -img {}")),
        Sample("noisify header", "a.img", image, ("noisify -floatfile image.bin -header {}",)),
        Sample("float images", "a.bin", floats, ("noisify -floatfile {} -pixel 0.1", "add {} {} -outfile /dev/null")),
    ]  # fmt: skip
