"""Upkeep of the golden data with the original at hand (``golden_data/README.md``).

    python -m nanobragg.parity.golden --check --c-bin path/to/nanoBragg
    python -m nanobragg.parity.golden --update --c-bin path/to/nanoBragg

``--check`` says where the original gives anything else than what is stored; ``--update`` stores what it gives.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.parity.usage import USAGE, Parser

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME, FAILED, DIFFERENT = 0, 2, 3
"""Exit statuses."""
TEXTS = ("README.md", "acceptance.md", "SHA256SUMS")
"""Files without a checksum."""
_NOT_PRINTED = ("scene",)
"""Facts that the original does not print: they stay as they are."""
_PRINTED = {
    "max_I": r"^max_I = (\S+)",
    "mean": r"^mean= (\S+)",
    "rms": r"^mean= \S+ rms= (\S+)",
    "rmsd": r"^mean= \S+ rms= \S+ rmsd= (\S+)",
    "intfile_scale": r"^intfile_scale = (\S+)",
    "photons": r"^(\S+) photons on noise image",
    "overloads": r"photons on noise image \((\d+) overloads\)",
    "misset": r"misset angles: (.*?) deg",
}
Made = tuple[dict[str, Any], dict[str, "NDArray[Any]"]]
"""Facts and images of a case."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with ``argv`` (default: the process's arguments) and give its exit status."""
    parser = Parser(prog="python -m nanobragg.parity.golden", description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="compare what is stored with what the original gives")
    what.add_argument("--update", action="store_true", help="store what the original gives")
    parser.add_argument("--c-bin", metavar="FILE", help="the original program (NB_C_BIN in the environment)")
    parser.add_argument("--folder", type=Path, default=Path("golden_data"), help="the golden data (golden_data)")
    parser.add_argument("--only", metavar="TEXT", default="", help="only cases whose identifier contains this")
    parser.add_argument("--without-acceptance", action="store_true", help="leave acceptance.jsonl alone")
    options = parser.parse_args(argv)
    from nanobragg.parity.runner import find_original

    try:
        original = find_original(options.c_bin)
        if not (options.folder / "cases.jsonl").is_file():
            raise InputError(f"--folder: found no cases.jsonl in {str(options.folder)!r}, expected the golden data")
        golden = Golden(options.folder, original, options.only)
        changes = [*golden.cases(), *([] if options.without_acceptance else golden.acceptance())]
    except InputError as error:
        print(f"golden: {error}", file=sys.stderr)
        return USAGE
    except OriginalFailedError as error:
        print(f"golden: {error}", file=sys.stderr)
        return FAILED
    for change in changes:
        print(change)
    if options.update:
        golden.store()
        print(f"{golden.run} command lines, {len(changes)} changes stored")
        return SAME
    print(f"{golden.run} command lines, {len(changes)} differences")
    return DIFFERENT if changes else SAME


class OriginalFailedError(Exception):
    """The original ended in a way that no golden case expects."""


class Golden:
    """The golden data of ``folder`` against ``original``; what differs is remembered for :meth:`store`."""

    def __init__(self, folder: Path, original: str, only: str = "") -> None:
        self.folder, self.original, self.only = folder, original, only
        self.run = 0
        self.facts = _lines(folder / "facts.jsonl") if (folder / "facts.jsonl").exists() else []
        self.references = _lines(folder / "acceptance.jsonl") if (folder / "acceptance.jsonl").exists() else []
        self.images: dict[str, dict[str, NDArray[Any]]] = {}

    def cases(self) -> Iterator[str]:
        """Run every case; a sentence for each thing that differs."""
        stored = {fact["id"]: fact for fact in self.facts}
        made_facts = []
        for case in _lines(self.folder / "cases.jsonl"):
            name, old = case["id"], stored.get(case["id"], {})
            if self.only not in name:
                made_facts += [old] if old else []
                continue
            self.run += 1
            facts, images = run_case(self.original, case, self.folder / "inputs")
            kept = {key: old[key] for key in _NOT_PRINTED if key in old and old.get("args") == case["args"]}
            facts = _in_order({**facts, **kept}, old)
            made_facts.append(facts)
            for key in [*old, *(key for key in facts if key not in old)]:
                if old.get(key) != facts.get(key):
                    yield f"{name}: {key}: stored {_short(old.get(key))}, now {_short(facts.get(key))}"
            different = _different_images(self.folder / f"{name}.npz", images, case)
            for kind in different:
                yield f"{name}: the {kind} image differs"
            if different:
                self.images[name] = images
        self.facts = made_facts

    def acceptance(self) -> Iterator[str]:
        """Run every acceptance command line; a sentence for each whose reference differs."""
        for entry in self.references:
            if self.only not in entry["id"]:
                continue
            self.run += 1
            now = reference_of(self.original, entry["args"])
            if not _same_reference(entry["reference"], now):
                yield f"{entry['id']}: stored {_short(entry['reference'])}, now {_short(now)}"
                entry["reference"] = now

    def store(self) -> None:
        """Write what has been found, and the checksums."""
        for name, images in self.images.items():
            _write(self.folder / f"{name}.npz", _packed(images))
        _write(self.folder / "facts.jsonl", _unlines(self.facts))
        if self.references:
            _write(self.folder / "acceptance.jsonl", _unlines(self.references))
        _write(self.folder / "SHA256SUMS", checksums(self.folder).encode())


def checksums(folder: Path) -> str:
    """The text of SHA256SUMS: every file of the golden data but the texts."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return "".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names if name not in TEXTS
    )


def run_case(original: str, case: dict[str, Any], inputs: Path) -> Made:
    """Facts and images of one line of ``cases.jsonl``, as the golden data's README says."""
    from nanobragg.parity.runner import run_original

    with tempfile.TemporaryDirectory(prefix="nb_golden_") as scratch:
        folder = Path(scratch)
        for name in case.get("files", []):
            shutil.copy(inputs / name, folder)
        if "pre" in case:
            run_original(original, case["pre"].split(), folder)
        done = run_original(original, case["args"].split(), folder)
        facts: dict[str, Any] = {**case, "exit": done.status}
        if done.status < 0:
            raise OriginalFailedError(f"{case['id']}: the original was ended by signal {-done.status}")
        return (facts, {}) if done.status else _results(facts, case, folder, done.output)


def _results(facts: dict[str, Any], case: dict[str, Any], folder: Path, printed: str) -> Made:
    words = case["args"].split()
    header = (folder / _named(words, ("-intfile", "-intimage"), "intimage.img")).read_bytes()
    end = header.index(b"}")
    facts["header"] = header[: end + 1].decode("latin-1")
    shape = tuple(int(_found(rf"^{key}=(\d+);", facts["header"])) for key in ("SIZE2", "SIZE1"))
    images: dict[str, NDArray[Any]] = {}
    raw = (folder / _named(words, ("-floatfile", "-floatimage"), "floatimage.bin")).read_bytes()
    images["float"] = np.frombuffer(raw, dtype=np.float32).reshape(shape)
    images["int"] = _last_pixels(header, np.dtype("<u2"), shape)
    noise = folder / _named(words, ("-noisefile", "-noiseimage"), "noiseimage.img")
    if noise.exists():
        images["noise"] = _last_pixels(noise.read_bytes(), np.dtype("<u2"), shape)
    pgm = folder / _named(words, ("-pgmfile", "-pgmimage"), "image.pgm")
    if pgm.exists():
        data = pgm.read_bytes()
        facts["pgm_comment"] = data.split(b"\n", 3)[2].decode("latin-1")
        images["pgm"] = _last_pixels(data, np.dtype("u1"), shape)
    for key, pattern in _PRINTED.items():
        match = re.search(pattern, printed, re.MULTILINE)
        if match:
            facts[key] = match[1].strip()
    if "crop" in case:
        slow, slow_end, fast, fast_end = case["crop"]
        images = {kind: image[slow:slow_end, fast:fast_end] for kind, image in images.items()}
    facts["float_sha256"] = hashlib.sha256(images["float"].tobytes()).hexdigest()
    return facts, images


def reference_of(original: str, args: str) -> dict[str, Any]:
    """What ``acceptance.jsonl`` stores of a command line."""
    from nanobragg.parity.runner import run_original

    with tempfile.TemporaryDirectory(prefix="nb_golden_") as scratch:
        # Behind the words, as when the stored references were made: -misset_seed reads what follows it.
        words = [*args.split(), "-floatfile", "f.bin", "-intfile", "i.img", "-nonoise", "-nopgm"]
        done = run_original(original, words, Path(scratch))
        if done.status:
            return {"exit": done.status}
        raw = (Path(scratch) / "f.bin").read_bytes()
    pixels = np.frombuffer(raw, dtype=np.float32)
    finite = pixels[np.isfinite(pixels)]
    return {
        "exit": 0,
        "pixels": int(pixels.size),
        "max": float(finite.max(initial=-np.inf)),
        "sum": float(finite.sum(dtype=np.float64)),
        "nonfinite": int(pixels.size - finite.size),
        "float_sha256_16": hashlib.sha256(raw).hexdigest()[:16],
    }


def _same_reference(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Equal, the sums up to the order of addition."""
    rounded = [{**x, "sum": None} for x in (a, b)]
    near = abs(a.get("sum", 0.0) - b.get("sum", 0.0)) <= 1e-12 * abs(a.get("sum", 0.0))
    return rounded[0] == rounded[1] and near


def _named(words: list[str], options: tuple[str, ...], default: str) -> str:
    """The file name that the last of ``options`` gives."""
    names = [words[i + 1] for i, word in enumerate(words[:-1]) if word in options]
    return names[-1] if names else default


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise OriginalFailedError(f"the original's header has no {pattern}")
    return match[1]


def _last_pixels(data: bytes, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The pixels at the end of a file, whatever its header says of its size."""
    count = int(np.prod(shape))
    return np.frombuffer(data[len(data) - count * kind.itemsize :], dtype=kind).reshape(shape)


def _different_images(path: Path, images: dict[str, NDArray[Any]], case: dict[str, Any]) -> list[str]:
    if not path.exists():
        return sorted(images)
    with np.load(path) as archive:
        stored = {kind: archive[kind] for kind in archive.files}
    by_clock = "noise" in images and "-seed" not in case["args"].split()
    return [
        kind
        for kind in sorted({*stored, *images})
        if not (kind == "noise" and by_clock)
        and (kind not in stored or kind not in images or stored[kind].tobytes() != images[kind].tobytes())
    ]


def _packed(images: dict[str, NDArray[Any]]) -> bytes:
    import io

    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **images)
    return buffer.getvalue()


def _in_order(facts: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Keys in the order in which they were stored, so that differences are readable."""
    by_clock = "photons" in facts and "-seed" not in facts["args"].split()
    if by_clock:
        facts = {**facts, **{key: old[key] for key in ("photons", "overloads") if key in old}}
    return {key: facts[key] for key in [*(k for k in old if k in facts), *(k for k in facts if k not in old)]}


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else text[:76] + " ..."


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _unlines(objects: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in objects).encode()


def _write(path: Path, data: bytes) -> None:
    from nanobragg.io.support.atomic import atomic_write

    with atomic_write(path) as file:
        file.write(data)


if __name__ == "__main__":
    sys.exit(main())
