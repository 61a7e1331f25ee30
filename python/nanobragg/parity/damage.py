"""Damaged copies of files: as disks, transfers, other programs and people make them (``specs/parity.md``)."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import struct
from typing import TYPE_CHECKING, Any

from nanobragg.io.support.apart import read_apart

if TYPE_CHECKING:
    from nanobragg.parity.file_samples import Sample

_NUMBERS = (
    *("0", "-0", "1", "-1", "nan", "inf", "-inf", "1e400", "-1e400", "1e-400", "1e308", "5e-324", "1e9", "-1e9", "0.5"),
    *("32768", "65536", "1000000", "2147483647", "2147483648", "-2147483649", "4294967296", "9223372036854775808"),
    *("99999999999999999999", "9" * 400, "9" * 5000, "0x10", "1_000", "1,5", "1e", "--1", "+", "1/0", "1.2.3", "1d5"),
    *("²", "٣", "５", "½", "1e", "?", ".", "*", "%", "NaN", "True", "null"),
)
_WORDS = (
    *("", " ", "\t", "\0", "\r", "\x0c", "\x1c", "\x85", "\u2028", "\ufeff", "é", "Å", "𝄞", "\ud800", "'", '"', "'''"),
    *("(", "[", "{", "[" * 3000, "{" * 3000, "(" * 3000, ";", "#", "=", "_", "data_", "loop_", "save_", "x" * 3000),
    *("../../etc/passwd", "/dev/zero", "/dev/null", ".", "/", "%s%n", "\\", "$HOME", "END", "a*", "b*", "unset"),
)
_TOKEN = re.compile(rb"[^\s,;=]+")
_NUMBER = re.compile(rb"[-+]?\d[\d.]*(?:[eE][-+]?\d+)?")
_INTEGERS = (0, 1, -1, 2, 4, 255, 256, 32767, 32768, 65535, 65536, 1 << 20, 1 << 28, 2**31 - 1, -(2**31))
_REALS = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, float("nan"), float("inf"), float("-inf"), 1e9)


def damaged(draw: random.Random, sample: Sample, others: list[Sample]) -> bytes:
    """A copy of the sample's file, damaged in one to six places; now and then another file under its name."""
    if draw.random() < 0.02:
        return draw.choice((b"", draw.choice(others).content, draw.randbytes(draw.randrange(2000))))
    if sample.kind == "gzip" and draw.random() < 0.8:
        inside = sample._replace(content=gzip.decompress(sample.content), kind="bytes")
        return gzip.compress(damaged(draw, inside, others), mtime=0)
    content = sample.content
    ways = {
        "bytes": (_bytes,),
        "gzip": (_bytes,),
        "text": (_text, _text, _bytes),
        "json": (_json, _json, _text),
        "hdf5": (_hdf5, _bytes),
    }
    text_like = sample.kind == "bytes" and draw.random() < 0.4  # headers are text
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        damage = _text if text_like else draw.choice(ways[sample.kind])
        content = damage(draw, content)
    return content


# ---- bytes ------------------------------------------------------------------------------------------------


def _bytes(draw: random.Random, content: bytes) -> bytes:
    data = bytearray(content)
    at = draw.randrange(len(data) + 1)
    # The beginning is where most readers look.
    at = at if draw.random() < 0.6 else min(at, draw.randrange(513))
    size = draw.choice((1, 1, 2, 4, 8, 16, draw.randrange(1, 600)))
    kind = draw.randrange(8)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[at : at + size] = draw.randbytes(size)
    elif kind == 2:
        del data[at : at + size]
    elif kind == 3:
        data[at:at] = draw.randbytes(size)
    elif kind == 4:
        data[at:at] = data[at : at + size]
    elif kind == 5:
        data[at : at + size] = draw.choice((b"\0", b"\xff", b" ", b"\x80")) * size
    elif kind == 6:
        del data[at:]
    else:
        data[at : at + 8] = _packed(draw)
    return bytes(data)


def _packed(draw: random.Random) -> bytes:
    """A number that a header might hold, or ought not."""
    order = draw.choice("<>")
    if draw.random() < 0.7:
        value = draw.choice(_INTEGERS)
        code = draw.choice([code for code in "hiq" if abs(value) < 1 << (8 * struct.calcsize(code) - 1)] or ["q"])
        return struct.pack(order + code, value)
    value = draw.choice(_REALS)
    return (
        struct.pack(order + "d", value) if draw.random() < 0.5 or abs(value) > 1e38 else struct.pack(order + "f", value)
    )


# ---- text -------------------------------------------------------------------------------------------------


def _text(draw: random.Random, content: bytes) -> bytes:
    pattern = _NUMBER if draw.random() < 0.6 else _TOKEN
    places = [match.span() for match in pattern.finditer(content)]
    if not places or draw.random() < 0.25:
        return _lines(draw, content)
    begin, end = draw.choice(places)
    if draw.random() < 0.15:
        other = draw.choice(places)
        word = content[slice(*other)]
    else:
        word = draw.choice(_NUMBERS if draw.random() < 0.7 else _WORDS).encode("utf-8", "surrogatepass")
    if draw.random() < 0.3:  # columns of fixed width stay where they are
        word = word[: end - begin].rjust(end - begin)
    return content[:begin] + word + content[end:]


def _lines(draw: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    kind = draw.randrange(7)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(other, lines[at])
    elif kind == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        lines[at] = b" ".join(draw.sample(words, len(words))) if (words := lines[at].split()) else b"x"
    elif kind == 4:
        lines[at] = lines[at][: draw.randrange(len(lines[at]) + 1)]
    elif kind == 5:
        lines[at] = draw.choice((b" ", b"x", b"1 ", b"\0", b"\r")) * draw.choice((1, 80, 20_000)) + lines[at]
    else:
        return draw.choice((b"\r\n", b"\r", b"", b"\n\n", b"\x85")).join(lines)
    return b"\n".join(lines)


def _json(draw: random.Random, content: bytes) -> bytes:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return _text(draw, content)
    places = [*_places(document)]
    if not places:
        return content
    inner, key = draw.choice(places)
    kind = draw.randrange(5)
    if kind == 0:
        del inner[key]
    elif kind == 1 and isinstance(inner, list):
        inner.insert(key, inner[key])
    elif kind == 2:
        other, place = draw.choice(places)
        inner[key] = json.loads(json.dumps(other[place]))
    else:
        number = draw.choice((-1, 0, 1, 2, 1e308, 1e-308, 10**30, 2**63, -7.5, float("nan"), float("inf")))
        odd = draw.choice((None, True, "", "x", [], {}, [[]], [None], [0, 0, 0], "1", [1, 2], {"x": 1}, [["x"]] * 3))
        inner[key] = number if draw.random() < 0.5 else odd
    return json.dumps(document).encode()


def _places(value: Any) -> Any:
    """Containers and keys of everything in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


# ---- HDF5 -------------------------------------------------------------------------------------------------


def _hdf5(draw: random.Random, content: bytes) -> bytes:
    """An item, attribute or link changed by the library itself, so that all checksums are right; in a process of its
    own, since what is damaged already may crash the library.
    """
    import h5py

    inner = random.Random(draw.random())
    try:
        return read_apart("a file that is being damaged", lambda: _changed(inner, h5py, content))
    except Exception:
        return _bytes(draw, content)


def _changed(draw: random.Random, h5py: Any, content: bytes) -> bytes:
    file = io.BytesIO(content)
    with h5py.File(file, "r+") as document:
        paths: list[str] = []
        document.visit(paths.append)
        if paths:
            _change(draw, h5py, document, draw.choice(paths), draw.choice(paths))
    return file.getvalue()


def _change(draw: random.Random, h5py: Any, document: Any, path: str, other: str) -> None:
    item = document[path]
    keys = [*item.attrs]
    kind = draw.randrange(8)
    if kind <= 2 and keys:
        item.attrs[draw.choice(keys)] = _odd(draw, h5py, document)
    elif kind == 3 and keys:
        del item.attrs[draw.choice(keys)]
    elif kind == 4:
        del document[path]
        document[path] = draw.choice(
            (h5py.SoftLink("/" + other), h5py.SoftLink("/" + path), h5py.SoftLink("/nowhere"),
             h5py.ExternalLink("missing.h5", "/x"), h5py.ExternalLink("/dev/null", "/x"), h5py.ExternalLink(".", "/"))
        )  # fmt: skip
    elif kind == 5:
        del document[path]
        if draw.random() < 0.5:
            document.create_group(path).attrs["NX_class"] = draw.choice(("NXdetector", "NXentry", "", "NXbeam"))
    elif kind == 6:
        del document[path]
        shape = draw.choice(((1, 10**6, 10**6), (0, 0), (0, 20, 24), (3, 0, 24), (10**5, 10**5), (1,) * 12, (20,)))
        document.create_dataset(path, shape, dtype=draw.choice(("u2", "f4", "i8", "f8")), chunks=True)
    else:
        del document[path]
        document[path] = _odd(draw, h5py, document)


def _odd(draw: random.Random, h5py: Any, document: Any) -> Any:
    """A value that no file should have there."""
    import numpy as np

    reals = [float("nan"), float("inf"), -1.0, 0.0, 1e308, 1e-308, 2**63 - 1, -(2**31), 10**18, 0.5]
    words: list[Any] = ["", "x", "m", "eV", ".", "/", "..", "/entry", b"\xff\xfe", "nan", "1e400", ["a", "b"], [b"x"]]
    lists = [
        [0.0, 0.0, 0.0],
        [1, 2],
        [float("nan")] * 3,
        [1e300] * 3,
        np.zeros(0),
        np.zeros((0, 3)),
        np.zeros((2, 3, 4)),
    ]
    images = [np.zeros((40, 48), "u1"), np.full((20, 24), -1.0)]
    kinds = [
        True,
        1j,
        np.void(b"xyz"),
        np.float16(3),
        np.longdouble(2),
        document.ref,
        h5py.Empty("f8"),
        h5py.Empty("S3"),
    ]
    kinds += [np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])]
    kinds += [np.array(3, dtype=h5py.enum_dtype({"A": 3}, basetype="i4"))]
    return draw.choice(draw.choice((words, reals, lists, images, kinds)))
