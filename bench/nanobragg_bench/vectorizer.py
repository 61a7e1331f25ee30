"""What GCC says of the loops that it vectorised, and what is in the object file."""

from __future__ import annotations

import platform
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nanobragg_bench import BenchError
from nanobragg_bench.loops import Block, Source

REGISTER_BYTES = {"baseline": 16, "avx2": 32, "avx512": 64}
_REGISTER = {16: "xmm", 32: "ymm", 64: "zmm"}
_FUNCTION = re.compile(r"^;; Function (.*?)(?:\.[\w.]+)? \((\S+?), funcdef_no")
_NAMESPACE = re.compile(r"(?:\w+|\{anonymous\}|\(anonymous namespace\))::")
_MESSAGE = re.compile(r"^(\S+?):(\d+):\d+: (?:optimized|missed): +(.*)$")
_VECTORIZED = re.compile(r"loop vectorized using (\d+) byte vectors")
_ARITHMETIC = re.compile(r"\tv?(?:fn?m(?:add|sub)\d*|add|sub|mul|div|sqrt)(?P<packed>[ps])[sd]\b(?P<operands>.*)")
_SYMBOL = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")


@dataclass(frozen=True)
class Level:
    """An instruction set and how its kernel is compiled."""

    name: str
    options: tuple[str, ...]

    @property
    def register_bytes(self) -> int:
        """Size of its registers."""
        return REGISTER_BYTES[self.name]


@dataclass(frozen=True)
class Built:
    """A compiled kernel: what GCC said, and the arithmetic instructions of each function by kind of register."""

    messages: str
    arithmetic: Mapping[str, Counter[str]]


@dataclass(frozen=True)
class Finding:
    """One loop in one function, inlined copies in the same function together."""

    level: str
    place: str
    """file:line"""
    must: str
    """name of a loop that must be vectorised, or nothing"""
    simd: bool
    """the loop has ``#pragma omp simd``"""
    function: str
    """the function with its template arguments; nothing: GCC did not look at the loop"""
    bytes: int
    """bytes of the widest vectors; 0: not vectorised"""
    reason: str
    """why not, or what is missing"""
    good: bool
    """vectorised with the level's registers"""

    @property
    def outcome(self) -> str:
        """One phrase."""
        return ", ".join(filter(None, (f"{self.bytes} byte vectors" if self.bytes else "", self.reason)))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "outcome": self.outcome}


def levels(cmake: Path) -> list[Level]:
    """The kernels of this kind of processor, with the options that ``CMakeLists.txt`` gives them.

    Raises:
        BenchError: when it has none for a level.

    """
    text = cmake.read_text()
    common = re.search(r"set\(NANOBRAGG_KERNEL_OPTIONS\s+([^)]*)\)", text)
    if common is None:
        raise BenchError(f"{cmake.name}: found no set(NANOBRAGG_KERNEL_OPTIONS ...), expected the kernels' options")
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return [
        Level(name, (*common.group(1).split(), *_own_options(text, name, cmake.name)))
        for name in (REGISTER_BYTES if x86 else ("baseline",))
    ]


def _own_options(text: str, level: str, file: str) -> list[str]:
    if level == "baseline":
        return []
    own = re.search(rf"set\(_options_{level.upper()}\s+([^)]*)\)", text)
    if own is None:
        raise BenchError(f"{file}: found no set(_options_{level.upper()} ...), expected the options of its kernels")
    return own.group(1).split()


def compile_level(level: Level, source: Path, folder: Path, compiler: str) -> Built:
    """Compile one kernel, and keep what GCC says of its loops.

    Raises:
        BenchError: when the compiler is not GCC, or fails.

    """
    target, messages = folder / f"kernel_{level.name}.o", folder / f"kernel_{level.name}.txt"
    command = [
        compiler, "-std=c++17", "-fPIC", "-fvisibility=hidden", "-fopenmp", "-DNDEBUG", "-DNANOBRAGG_X86=1",
        f"-I{source / 'include'}", f"-I{source / 'src'}", *level.options,
        f"-fdump-tree-vect-optimized-missed={messages}", "-o", str(target),
        "-c", str(source / "src" / "cpu" / f"kernel_{level.name}.cpp"),
    ]  # fmt: skip
    _run(command, folder)
    if not messages.exists():
        raise BenchError(f"--compiler: found that {compiler} does not tell of its loops, expected GCC")
    listing = _run(["objdump", "-d", "--no-show-raw-insn", str(target)], folder)
    return Built(messages.read_text(errors="replace"), count_arithmetic(listing))


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"{command[0]}: {error.strerror}, expected it to be installed") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise BenchError(f"{command[0]}: found exit status {done.returncode}, expected 0; it said: {lines[0]}")
    return done.stdout


def count_arithmetic(listing: str) -> dict[str, Counter[str]]:
    """Arithmetic instructions of each function: ``scalar``, or packed in ``xmm``, ``ymm``, ``zmm``."""
    counts: dict[str, Counter[str]] = {}
    current: Counter[str] = Counter()
    for line in listing.splitlines():
        symbol = _SYMBOL.match(line)
        if symbol:
            current = counts.setdefault(symbol.group(1), Counter())
            continue
        found = _ARITHMETIC.search(line)
        if found is None:
            continue
        register = re.search(r"%([xyz]mm)", found.group("operands"))
        current["scalar" if found.group("packed") == "s" or register is None else register.group(1)] += 1
    return counts


@dataclass
class _Story:
    """What GCC said of one loop in one function."""

    loop: Block
    function: str
    symbol: str
    bytes: int = 0
    reason: str = ""


def _best(reasons: list[str]) -> str:
    """The reason that helps; the others come up when narrower vectors and parts of the loop are tried after it."""
    better = [text for text in reasons if "no vectype" not in text and "basic block" not in text]
    return [*better, *reasons, "not vectorized"][0]


def _stories(built: Built, source: Source) -> list[_Story]:
    stories: dict[tuple[str, str], _Story] = {}
    function = symbol = ""
    reasons: list[str] = []  # said before the loop is given up
    for line in built.messages.splitlines():
        header = _FUNCTION.match(line)
        if header:
            function, symbol, reasons = _NAMESPACE.sub("", header.group(1)), header.group(2), []
            continue
        message = _MESSAGE.match(line)
        if message is None:
            continue
        path, number, text = message.groups()
        vectorized = _VECTORIZED.match(text)
        if vectorized or text.startswith("couldn't vectorize loop"):
            loops = source.loops_at(Path(path).name, int(number), function.split("<")[0])
            for loop in loops:
                story = stories.setdefault((loop.place, symbol), _Story(loop, function, symbol))
                if vectorized:
                    story.bytes = max(story.bytes, int(vectorized.group(1)))
                else:
                    story.reason = _best(reasons)
            reasons = []
        elif text.startswith(("not vectorized:", "statement clobbers memory")):
            # Numbers of temporaries differ from copy to copy.
            reasons.append(f"{re.sub(r'_[0-9]+(?:[(]D[)])?', '_', text)} ({Path(path).name}:{number})")
    return list(stories.values())


def findings_of(level: Level, built: Built, source: Source) -> list[Finding]:
    """All loops that GCC looked at; marked loops that it did not look at are findings, too."""
    stories = [story for story in _stories(built, source) if not story.loop.by_hand]
    findings = [_finding(level, story, built) for story in stories]
    seen = {story.loop.place for story in stories}
    for loop in source.loops:
        if loop.by_hand:  # full registers by its types; cpp/tests/check_vectorised.cpp looks at the object code
            findings.append(Finding(level.name, loop.place, loop.name, True, "", level.register_bytes, "", True))
        elif loop.name and loop.place not in seen:
            reason = "not looked at by the vectoriser"
            findings.append(Finding(level.name, loop.place, loop.name, True, "", 0, reason, False))
    return sorted(findings, key=lambda f: (f.place.rsplit(":", 1)[0], int(f.place.rsplit(":", 1)[1]), f.function))


def _finding(level: Level, story: _Story, built: Built) -> Finding:
    reason = story.reason
    if story.bytes and story.bytes < level.register_bytes and not reason:
        reason = f"expected {level.register_bytes}"
    register = _REGISTER[level.register_bytes]
    counts = built.arithmetic.get(story.symbol)
    if not reason and story.loop.name and counts is not None and counts[register] == 0:
        reason = f"no packed arithmetic in {register} registers of the object code"
    loop = story.loop
    return Finding(level.name, loop.place, loop.name, loop.simd, story.function, story.bytes, reason, not reason)
