"""The loops and functions of the kernel's source: where they are, what they call, which loops must be vectorised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FOR = re.compile(r"\bfor \(")
_MARK = re.compile(r"//\s*must vectorise:\s*(\S.*?)\s*$")
_CALL = re.compile(r"\b([A-Za-z_]\w*)(?=\s*(?:<[\w\s,()/%!=-]*>)?\()")


@dataclass(frozen=True)
class Block:
    """Lines of a file that belong together, from 1, both included."""

    file: str
    first: int
    last: int
    name: str
    """a function's name; for a loop the name in its mark, or nothing"""
    simd: bool
    """a loop with ``#pragma omp simd``, or written with vectors"""
    by_hand: bool
    """a marked loop without the pragma: written with vectors"""
    calls: frozenset[str]
    """names that are called in it"""

    @property
    def place(self) -> str:
        """file:line"""
        return f"{self.file}:{self.first}"


class Source:
    """The files that a kernel is made of."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.loops: list[Block] = []
        self.functions: list[Block] = []
        for path in paths:
            self._read(path)
        self._calls: dict[str, set[str]] = {}
        for function in self.functions:
            self._calls.setdefault(function.name, set()).update(function.calls)

    def _read(self, path: Path) -> None:
        lines = path.read_text().splitlines()
        code = [re.sub(r"__attribute__\(\([^()]*\)\) ?", "", line.split("//")[0]) for line in lines]
        for at, text in enumerate(code):
            loop = None if text.lstrip().startswith("#") else _FOR.search(text)
            if loop:
                pragma = at > 0 and code[at - 1].strip().startswith("#pragma omp simd")
                mark = _MARK.search(lines[at - 1 - pragma]) if at > pragma else None
                simd = pragma or mark is not None
                self.loops.append(_block(path, code, at, loop.start(), mark.group(1) if mark else "", simd, pragma))
            name = _function_name(code, at)
            if name:
                self.functions.append(_block(path, code, at, 0, name, False, False))

    def reaches(self, start: frozenset[str] | set[str], name: str) -> bool:
        """Whether calling any of ``start`` leads to ``name``."""
        seen: set[str] = set()
        waiting = set(start)
        while waiting:
            current = waiting.pop()
            if current == name:
                return True
            seen.add(current)
            waiting |= self._calls.get(current, set()) - seen
        return False

    def home(self, loop: Block) -> Block | None:
        """The function that a loop is in."""
        return _innermost(self.functions, loop.file, loop.first)

    def loops_at(self, file: str, line: int, function: str) -> list[Block]:
        """The loops that GCC may mean by a place in an instance of ``function``.

        A loop is reported at its first statement. Where an inlined function stands there, the place is in that
        function, and the loops are those from which it is called.
        """
        here = _innermost(self.loops, file, line)
        if here is not None:
            return [here]
        helper = _innermost(self.functions, file, line)
        if helper is None:
            return []
        found = []
        for loop in self.loops:
            home = self.home(loop)
            if loop.simd and home is not None and self.reaches({function}, home.name):
                found += [loop] if self.reaches(loop.calls, helper.name) else []
        return found


def _function_name(code: Sequence[str], at: int) -> str | None:
    """The function whose definition begins in this line, if one does."""
    text = code[at]
    if not text.strip() or text.lstrip().startswith(("#", "return", "if", "for", "while", "switch", "else", "}")):
        return None
    begin = re.match(r"[\w\s:*&<>,]*?\b([A-Za-z_]\w*)\(", text)
    if begin is None or "=" in text[: begin.end()]:
        return None
    whole = text
    for further in code[at + 1 : at + 4]:
        if "{" in whole or ";" in whole:
            break
        whole += further
    return begin.group(1) if re.search(r"\)\s*(const)?\s*\{", whole.split(";")[0]) else None


def _block(path: Path, code: Sequence[str], at: int, column: int, name: str, simd: bool, pragma: bool) -> Block:
    end = _end(code, at, column)
    text = "\n".join([code[at][column:], *code[at + 1 : end + 1]])
    calls = frozenset(_CALL.findall(text)) - {"for", "if", "while", "switch", "return", "sizeof"}
    calls -= {name} if not simd else frozenset()
    return Block(path.name, at + 1, end + 1, name, simd, simd and not pragma, calls)


def _end(code: Sequence[str], at: int, column: int) -> int:
    """The line, from 0, where the statement that begins in line ``at`` ends."""
    round_brackets = braces = 0
    begun = False
    for line in range(at, len(code)):
        for character in code[line][column if line == at else 0 :]:
            round_brackets += (character == "(") - (character == ")")
            braces += (character == "{") - (character == "}")
            begun |= braces > 0
            if round_brackets == 0 and braces == 0 and (character == ";" or (begun and character == "}")):
                return line
    return len(code) - 1


def _innermost(blocks: Sequence[Block], file: str, line: int) -> Block | None:
    around = [block for block in blocks if block.file == file and block.first <= line <= block.last]
    return min(around, key=lambda block: block.last - block.first, default=None)
