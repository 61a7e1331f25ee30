"""`nanobragg.torch.ShotDataset`: shots of an ensemble as PyTorch's training data."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Ensemble, InputError

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not there (pip install 'nanobragg[torch]')"
)

SET = """
quirks = "none"
[beam]
wavelength = 1.0
fluence = 1e26
[crystal]
cell = [60, 70, 80, 90, 90, 90]
cells = 12
default_F = 100
[detector]
shape = [24, 20]
pixel_size = 2.0
distance = 100
[sampling]
oversample = 1
[response]
preset = "jungfrau"
[ensemble]
shots = 12
seed = 5
blank = 0.2
crystals = { range = [1, 2] }
[ensemble.crystal]
misset = { orientations = "uniform" }
[ensemble.detector]
distance = { add = { normal = [0, 0.5] } }
[ensemble.spectrum]
bandwidth = 0.5
spike = 0.1
wavelengths = 4
"""


@pytest.fixture
def ensemble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ensemble:
    """An ensemble in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("set.toml").write_text(SET, encoding="utf-8")
    return Ensemble("set.toml", threads=1)


def run(code: str) -> str:
    """What a process prints."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- with and without PyTorch -----------------------------------------------------------------------------


def test_the_names_cost_nothing_before_they_are_used() -> None:
    """PyTorch takes seconds to import: who looks what there is does not wait for it."""
    said = run("import sys, nanobragg.torch as t; print(dir(t), {'torch', 'numpy'} & set(sys.modules))")
    assert said == "['ShotDataset', 'simulate'] set()\n"
    with pytest.raises(ImportError, match="cannot import name 'ShotDatasets'"):
        from nanobragg.torch import ShotDatasets  # noqa: F401


def test_without_pytorch_there_is_a_sentence() -> None:
    """It names what to install."""
    said = run(
        """
        import sys
        sys.modules["torch"] = None
        from nanobragg import InputError
        try:
            from nanobragg.torch import ShotDataset
        except InputError as error:
            print(error)
        """
    )
    expected = "found no package torch, expected it to be installed (pip install 'nanobragg[torch]')"
    assert said == f"nanobragg.torch.ShotDataset: {expected}\n"


# ---- items ------------------------------------------------------------------------------------------------


@needs_torch
def test_items_are_the_shots(ensemble: Ensemble) -> None:
    """Image and labels are those of the ensemble's files and of ``Ensemble``."""
    import torch

    from nanobragg.torch import ShotDataset

    dataset = ShotDataset("set.toml")
    assert (len(dataset), len(list(dataset))) == (12, 12)
    for number in (0, 7, -1):
        image, known = dataset[number]
        shot = ensemble[number]
        assert image.dtype == torch.int32
        np.testing.assert_array_equal(image.numpy(), shot.image.data)
        assert known["shot"] == shot.truth.number
        assert known["crystals"] == len(shot.truth.crystals)
        assert {name: known[name].item() for name in shot.truth.parameters} == shot.truth.parameters
    with pytest.raises(IndexError, match="shot 12 of 12"):
        dataset[12]


@needs_torch
def test_what_an_item_is_can_be_said(ensemble: Ensemble) -> None:
    """A network that looks for orientations needs other labels than one that counts crystals."""
    from nanobragg.torch import ShotDataset

    dataset = ShotDataset(ensemble, item=lambda shot: (shot.truth.expected.sum(), len(shot.truth.crystals)))
    assert dataset.ensemble is ensemble
    found = [dataset[i] for i in range(4)]
    assert found == [(ensemble[i].truth.expected.sum(), len(ensemble[i].truth.crystals)) for i in range(4)]


@needs_torch
def test_a_shot_that_fails_is_named(ensemble: Ensemble) -> None:
    """One in a hundred thousand: the sentence says which."""
    from nanobragg.torch import ShotDataset

    text = SET.replace("[ensemble.spectrum]", "[ensemble.response]\nbits = { list = [32, 40] }\n[ensemble.spectrum]")
    Path("set.toml").write_text(text, encoding="utf-8")
    dataset = ShotDataset("set.toml")
    assert dataset[0][1]["response.bits"].item() == 32
    for index in (1, -11):
        with pytest.raises(InputError, match=r"^shot 1: -bits: found 40, expected 1 to 32$"):
            dataset[index]


@needs_torch
def test_datasets_can_be_pickled(ensemble: Ensemble) -> None:
    """Processes that are spawned get them so."""
    from nanobragg.torch import ShotDataset

    dataset = ShotDataset("set.toml")
    again = pickle.loads(pickle.dumps(dataset))
    assert (again[3][0] == dataset[3][0]).all()
    assert repr(again).startswith("<ShotDataset of <Ensemble ")


# ---- loaders ----------------------------------------------------------------------------------------------

LOADED = """
import multiprocessing
import torch
from torch.utils.data import DataLoader
from nanobragg.torch import ShotDataset


def loaded(dataset, **how):
    return list(DataLoader(dataset, batch_size=4, **how))


if __name__ == "__main__":
    dataset = ShotDataset("set.toml")
    alone = loaded(dataset)
    torch.ones(512, 512) @ torch.ones(512, 512)  # starts the threads of PyTorch, which forks do not have
    all_threads = loaded(ShotDataset("set.toml", threads=0))
    torch.manual_seed(2)
    spread = [loaded(dataset, num_workers=2, multiprocessing_context=way) for way in ("fork", "spawn")]
    for batches in (all_threads, *spread):
        for (images, known), (expected, labels) in zip(batches, alone, strict=True):
            assert images.shape == (4, 24, 20)
            assert torch.equal(images, expected)
            assert known.keys() == labels.keys() == {"shot", "crystals", "mean_wavelength", "detector.distance"}
            assert all(torch.equal(known[name], labels[name]) for name in labels)
    shuffled = loaded(dataset, num_workers=2, multiprocessing_context="fork", shuffle=True)
    numbers = torch.cat([known["shot"] for _, known in shuffled])
    assert sorted(numbers.tolist()) == list(range(12)) != numbers.tolist()
    images = torch.cat([images for images, _ in shuffled])
    assert torch.equal(images[numbers.argsort()], torch.cat([images for images, _ in alone]))
"""


@pytest.mark.slow
@needs_torch
def test_loading_processes_make_the_same_shots(ensemble: Ensemble) -> None:
    """None, two that are forked or spawned, any order, all threads: batches of the same images and labels."""
    Path("loaded.py").write_text(LOADED, encoding="utf-8")
    done = subprocess.run([sys.executable, "loaded.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@needs_torch
def test_the_guide_trains(ensemble: Ensemble) -> None:
    """The example of the guide is run here, where there is PyTorch."""
    page = Path(__file__).resolve().parent.parent / "docs" / "guide" / "ensembles.md"
    found: Any = re.search(r"needs PyTorch -->\n```python\n(.+?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    Path("train.py").write_text(found[1], encoding="utf-8")
    said = subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert len(said.stdout.splitlines()) == 3
