"""Shots of an ensemble as training data: made when they are asked for, in the processes that load them."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import Any, SupportsIndex

import torch
from torch.utils.data import Dataset

from nanobragg.ensemble.ensemble import Ensemble
from nanobragg.ensemble.shot import Shot
from nanobragg.errors import InputError


def tensors(shot: Shot) -> tuple[torch.Tensor, dict[str, Any]]:
    """The image and what is known of it, in kinds that PyTorch makes batches of.

    Returns:
        The counts, int32, in the image's shape; and a dictionary: ``shot`` (its number), ``crystals`` (how many are in
        the beam), and by the fields' names what was drawn for the shot: numbers as float64 tensors, texts as they are.

    """
    drawn = {
        name: value if isinstance(value, str) else torch.as_tensor(value, dtype=torch.float64)
        for name, value in shot.truth.parameters.items()
    }
    known = {"shot": shot.truth.number, "crystals": len(shot.truth.crystals)}
    return torch.from_numpy(shot.image.data), known | drawn


class ShotDataset(Dataset):
    """The shots of an ensemble, map style: ``DataLoader(ShotDataset("set.toml"), num_workers=8)``.

    Item i depends on the file and i alone (``specs/ensembles.md``), whatever the number of loading processes, their
    way to start, the order, and PyTorch's own seeds. It can be pickled, and be used by forked processes.

    Args:
        ensemble: the ensemble, or its file.
        item: makes an item of a :class:`~nanobragg.Shot`; the default gives the image and a dictionary
            (:func:`tensors`). What has another size for every shot, such as orientations of several crystals, needs a
            ``collate_fn`` besides. Processes that are spawned need a function of a module.
        threads: for each shot: one, since it is the loading processes that share the processors; where there are none,
            0 is all processors. Of an :class:`~nanobragg.Ensemble` they are its own.

    Raises:
        InputError: for a file that is no ensemble; from an item, for a shot whose draw is no experiment.

    """

    def __init__(
        self,
        ensemble: Ensemble | str | os.PathLike[str],
        *,
        item: Callable[[Shot], Any] = tensors,
        threads: int = 1,
    ) -> None:
        self.ensemble = ensemble if isinstance(ensemble, Ensemble) else Ensemble(ensemble, threads=threads)
        """What makes the shots."""
        self._item = item

    def __len__(self) -> int:
        return len(self.ensemble)

    def __getitem__(self, index: SupportsIndex) -> Any:
        """Make an item; raises :class:`IndexError` where there is none."""
        try:
            shot = self.ensemble[index]
        except InputError as error:
            raise InputError(f"shot {operator.index(index) % len(self)}: {error}") from error
        return self._item(shot)

    def __repr__(self) -> str:
        return f"<ShotDataset of {self.ensemble!r}>"
