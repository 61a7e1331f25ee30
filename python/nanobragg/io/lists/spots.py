"""Spots that DIALS found: its reflection tables, ``.refl`` files of MessagePack (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import read_bytes
from nanobragg.io.support.extras import need
from nanobragg.io.support.reasons import reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TABLE = "dials::af::reflection_table"
_STRONG, _BAD = 1 << 5, 1 << 7
"""flags of DIALS: found by its spot finder; not to be integrated"""
_TYPES = {
    "int": ("<i4", ()),
    "std::size_t": ("<u8", ()),
    "vec3<double>": ("<f8", (3,)),
    "int6": ("<i4", (6,)),
    "cctbx::miller::index<>": ("<i4", (3,)),
}
"""How an element of a column is stored: kind of number, and shape."""
_COLUMNS = {
    "panel": "std::size_t",
    "bbox": "int6",
    "flags": "std::size_t",
    "id": "int",
    "xyzobs.px.value": "vec3<double>",
    "miller_index": "cctbx::miller::index<>",
}
_NEEDED = ("panel", "bbox")


class Spots(NamedTuple):
    """Spots of one image or more."""

    panel: NDArray[np.intp]
    """(n,)"""
    box: NDArray[np.intp]
    """(n, 6): fast, slow and image, each from (inclusive) and to (exclusive), in pixels of the panel"""
    place: NDArray[np.float64]
    """(n, 2): fast, slow, pixels; the middle of the first pixel is 0.5, 0.5"""
    hkl: NDArray[np.intp]
    """(n, 3); 0 0 0: not indexed"""
    shot: NDArray[np.intp]
    """(n,) number of DIALS' experiment"""

    def of(self, rows: NDArray[Any]) -> Spots:
        """Some of them."""
        return Spots(self.panel[rows], self.box[rows], self.place[rows], self.hkl[rows], self.shot[rows])


def read_spots(path: str | os.PathLike[str], image: int | None = None) -> Spots:
    """The strong spots of an image, without those that DIALS has marked as not to be integrated.

    Args:
        path: a ``.refl`` file.
        image: which one: the number of the experiment where the file has several, else that of the frame; ``None``: the
            file has one image only.

    Raises:
        InputError: for a file that cannot be read or is none of that kind, and where no spot is left.

    """
    name = os.fspath(path)
    columns = _columns(name)
    boxes = columns["bbox"].astype(np.intp)
    count = len(boxes)
    bad = (boxes[:, ::2] >= boxes[:, 1::2]).any(axis=1)
    if bad.any():
        raise InputError(f"{name}: found an empty box at spot {int(bad.argmax())}, expected spots of one pixel or more")
    middle = boxes.reshape(-1, 3, 2).mean(axis=2)
    places = columns.get("xyzobs.px.value", middle)[:, :2]
    inside = (boxes[:, (0, 2)] <= places) & (places <= boxes[:, (1, 3)])
    spots = Spots(
        columns["panel"].astype(np.intp),
        boxes,
        np.where(inside, places, middle[:, :2]),
        columns.get("miller_index", np.zeros((count, 3))).astype(np.intp),
        np.maximum(columns.get("id", np.zeros(count)), 0).astype(np.intp),
    )
    flags = columns.get("flags", np.full(count, _STRONG)).astype(np.uint64)
    found = _of_image(name, spots.of((flags & _STRONG != 0) & (flags & _BAD == 0)), image)
    if not len(found.panel):
        raise InputError(f"{name}: found no strong spot{'' if image is None else f' of image {image}'}, expected some")
    return found


def _of_image(name: str, spots: Spots, image: int | None) -> Spots:
    shots, frames = np.unique(spots.shot), spots.box[:, 4:]
    several = len(shots) > 1
    if image is not None:
        return spots.of(spots.shot == image if several else (frames[:, 0] <= image) & (image < frames[:, 1]))
    if several or (len(frames) and frames[:, 1].max() - frames[:, 0].min() > 1):
        what, numbers = ("experiments", shots) if several else ("frames", frames - [[0, 1]])
        found = f"{name}: found spots of the {what} {numbers.min()} to {numbers.max()}"
        raise InputError(f"{found}, expected the number of the one that is the image (-spots_image)")
    return spots


def _columns(name: str) -> dict[str, NDArray[Any]]:
    """Columns that are known, with as many rows as the file says."""
    table = _unpacked(name)
    data, count = table.get("data"), table.get("nrows")
    if not isinstance(data, dict) or isinstance(count, bool) or not isinstance(count, int):
        raise InputError(f"{name}: found a table without rows, expected a reflection table of DIALS")
    missing = [column for column in _NEEDED if column not in data]
    if missing:
        raise InputError(f"{name}: found no column {missing[0]}, expected spots with boxes (dials.find_spots)")
    return {column: _column(name, column, data[column], count) for column in _COLUMNS if column in data}


def _column(name: str, column: str, stored: Any, count: int) -> NDArray[Any]:
    kind = _COLUMNS[column]
    number, shape = _TYPES[kind]
    match stored:
        case [str() as said, [_, bytes() as packed]] if said == kind:
            size = np.dtype(number).itemsize * int(np.prod(shape, dtype=int))
            if len(packed) == size * count:
                values = np.frombuffer(packed, number).reshape(count, *shape)
                if np.issubdtype(values.dtype, np.integer) or np.isfinite(values).all():
                    return values
    raise InputError(f"{name}: found a damaged column {column}, expected {count} of the kind {kind}")


def _unpacked(name: str) -> dict[Any, Any]:
    content = read_bytes(name)
    if content[:1] == b"\x80":
        raise InputError(f"{name}: found a pickle, expected a reflection table of DIALS 2 or later (MessagePack)")
    msgpack = need("msgpack", name)
    try:
        document = msgpack.unpackb(content, strict_map_key=False)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise InputError(
            f"{name}: found {reason(error)}, expected a reflection table of DIALS (MessagePack)"
        ) from error
    match document:
        case [str() as kind, int(), dict() as table] if kind == _TABLE:
            return table
    raise InputError(f"{name}: found no reflection table of DIALS, expected a .refl file (MessagePack)")
