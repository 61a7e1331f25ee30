"""Refinement against the spots that DIALS found: its files are read without DIALS, or refused in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import InputError, refine, simulate
from nanobragg.cli import main
from nanobragg.io.lists.spots import read_spots
from nanobragg.parity.file_samples import packed_spots

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg_bench.stills import photons, still  # noqa: E402

BOX = np.array([[2, 6, 3, 7, 0, 1]])


def found_spots(folder: Path, data: np.ndarray, **more: Any) -> str:
    """A file of the brightest pixels' surroundings, as a spot finder might leave it."""
    left = data.copy()
    left[56:72, 56:72] = 0.0  # the direct beam
    boxes = []
    for _ in range(12):
        slow, fast = np.unravel_index(left.argmax(), left.shape)
        box = [max(fast - 2, 0), min(fast + 3, 128), max(slow - 2, 0), min(slow + 3, 128), 0, 1]
        left[box[2] : box[3], box[0] : box[1]] = 0.0
        boxes.append(box)
    columns = {"flags": np.full(12, 32), "panel": np.zeros(12), "id": np.full(12, -1), **more}
    path = folder / "strong.refl"
    path.write_bytes(packed_spots(bbox=np.array(boxes), **columns))
    return str(path)


def test_the_strong_spots_are_what_is_compared(tmp_path: Path) -> None:
    """Their boxes and a rim for the background; indices from the experiment, where DIALS has none yet."""
    truth = still(edge=128)
    data = photons(truth, 1)
    spots = found_spots(tmp_path, data)
    found = refine(truth, data, ["crystal.misset", "scale"], spots=spots)
    assert len(found.shoeboxes) == 12
    assert found.pixels <= 12 * 11 * 11
    assert np.abs((found.values[:3] - (12, -25, 40)) / found.sigmas[:3]).max() < 4.0
    indices = {tuple(row) for row in found.shoeboxes[["h", "k", "l"]].tolist()}
    predicted = refine(truth, data, ["scale"], pixels="shoeboxes").shoeboxes
    assert indices <= {tuple(row) for row in predicted[["h", "k", "l"]].tolist()}
    assert refine(truth, data, ["scale"], spots=spots, shoebox=5).pixels > found.pixels
    counted = np.argwhere(np.isfinite(found.data))
    assert [0, 0] not in counted.tolist()


def test_boxes_flags_and_indices_are_those_of_the_file(tmp_path: Path) -> None:
    """Spots that the finder did not find, or that DIALS has marked, are left out; middles are kept where boxes are."""
    boxes = BOX.repeat(4, axis=0) + np.array([[10, 10, 20, 20, 0, 0]]) * np.arange(4)[:, None]
    places = boxes[:, (0, 2, 4)] + [2.25, 1.5, 0.5]
    places[3] = 900.0
    path = tmp_path / "a.refl"
    path.write_bytes(
        packed_spots(
            bbox=boxes,
            panel=[0, 1, 2, 3],
            flags=[32, 1, 32 | 128, 32 | 4],
            miller_index=[[0, 0, 0], [1, 1, 1], [1, 1, 1], [1, -2, 3]],
            xyzobs__px__value=places,
        )
    )
    spots = read_spots(path)
    assert spots.panel.tolist() == [0, 3]
    assert spots.box[1].tolist() == [32, 36, 63, 67, 0, 1]
    assert spots.place.tolist() == [[4.25, 4.5], [34.0, 65.0]]
    assert spots.hkl.tolist() == [[0, 0, 0], [1, -2, 3]]


def test_spots_of_many_images_are_told_apart(tmp_path: Path) -> None:
    """Stills are experiments of a file, images of a series its frames; the others' spots are not on this image."""
    series, stills = tmp_path / "series.refl", tmp_path / "stills.refl"
    boxes = BOX.repeat(3, axis=0)
    frames = boxes + np.array([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 4, 4], [0, 0, 0, 0, 4, 5]])
    series.write_bytes(packed_spots(bbox=frames, panel=[0, 1, 2], id=[0, 0, 0]))
    stills.write_bytes(packed_spots(bbox=boxes, panel=[0, 1, 2], id=[0, 7, 7]))
    assert read_spots(series, 4).panel.tolist() == [1, 2]
    assert read_spots(series, 5).panel.tolist() == [2]
    assert read_spots(stills, 7).panel.tolist() == [1, 2]
    with pytest.raises(InputError, match=r"series.refl: found spots of the frames 0 to 5, expected the number of the"):
        read_spots(series)
    with pytest.raises(InputError, match=r"stills.refl: found spots of the experiments 0 to 7, expected"):
        read_spots(stills)
    with pytest.raises(InputError, match=r"found no strong spot of image 9, expected some"):
        read_spots(series, 9)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "found .*, expected a reflection table of DIALS"),
        (b"\x80\x04\x95", "found a pickle, expected a reflection table of DIALS 2 or later"),
        (b"\x93\x01\x02\x03", "found no reflection table of DIALS, expected a .refl file"),
        (packed_spots(bbox=BOX, panel=[0])[:-9], "found .*, expected a reflection table of DIALS"),
        (packed_spots(bbox=BOX), "found no column panel, expected spots with boxes"),
        (packed_spots(bbox=BOX, panel=[0, 1]), "found a damaged column panel, expected 1 of the kind std::size_t"),
        (packed_spots(bbox=BOX[:, (1, 0, 2, 3, 4, 5)], panel=[0]), "found an empty box at spot 0"),
        (packed_spots(bbox=BOX, panel=[0], flags=[4]), "found no strong spot, expected some"),
        (packed_spots(bbox=BOX, panel=[0], xyzobs__px__value=[[np.nan] * 3]), "found a damaged column xyzobs.px.value"),
    ],
)
def test_files_that_are_none_are_one_sentence(content: bytes, sentence: str, tmp_path: Path) -> None:
    """Pickles of old, half of a file, a table of something else."""
    path = tmp_path / "a.refl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.refl: {sentence}"):
        read_spots(path)


def test_spots_on_panels_that_there_are_not(tmp_path: Path) -> None:
    """Spots of another detector."""
    truth = still(edge=128)
    with pytest.raises(InputError, match=r"^spots: found one on panel 3, expected panels 0 to 0$"):
        refine(
            truth, photons(truth, 1), ["scale"], spots=found_spots(tmp_path, photons(truth, 1), panel=np.full(12, 3))
        )


def test_the_command_takes_spots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """And says what is wrong with them."""
    monkeypatch.chdir(tmp_path)
    text = "[crystal]\ncell = [50, 60, 70]\ncells = 8\ndefault_F = 100\n[beam]\nwavelength = 1.3\nfluence = 1e26\n"
    text += "[detector]\nshape = [128, 128]\npixel_size = 0.8\ndistance = 100\n[sampling]\noversample = 2\n"
    Path("a.toml").write_text(text)
    from nanobragg import Experiment

    image = simulate(Experiment.from_toml("a.toml"))
    np.save("shot.npy", image.data)
    found_spots(tmp_path, np.where(image.data > 0.5 * image.data.max(), 0, image.data))
    words = ["a.toml", "-image", "shot.npy", "-free", "crystal.misset", "--spots", "strong.refl", "-background", "none"]
    assert main(["refine", *words]) == 0
    assert "converged" in capsys.readouterr().out
    assert main(["refine", *words, "-spots_image", "one"]) == 9
    assert "-spots_image: found 'one', expected a whole number" in capsys.readouterr().err
