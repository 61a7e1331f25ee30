"""The least command line that shows a difference still."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nanobragg.parity.command_line import CommandLine, Unit

_MOST_SHRINKS = 250


def shrink(line: CommandLine, differs: Callable[[CommandLine], bool]) -> CommandLine:
    """The least command line that ``differs`` still: options taken away, then numbers made rounder."""
    budget = _MOST_SHRINKS
    changed = True
    while changed and budget > 0:
        changed = False
        for smaller in (*_without_one(line), *_rounder(line)):
            budget -= 1
            if budget < 0:
                break
            if differs(smaller):
                line, changed = smaller, True
                break
    used = {word for unit in (*line.units, *(line.first or ())) for word in unit}
    return CommandLine(units=line.units, files={n: d for n, d in line.files.items() if n in used}, first=line.first)


def _without_one(line: CommandLine) -> Iterator[CommandLine]:
    if line.first is not None:
        yield CommandLine(units=line.units, files=line.files)
    for i in range(len(line.units)):
        yield line.with_units((*line.units[:i], *line.units[i + 1 :]))


def _rounder(line: CommandLine) -> Iterator[CommandLine]:
    for i, unit in enumerate(line.units):
        for j, word in enumerate(unit[1:], 1):
            for rounded in _rounded(word):
                changed: Unit = (*unit[:j], rounded, *unit[j + 1 :])
                yield line.with_units((*line.units[:i], changed, *line.units[i + 1 :]))


def _rounded(word: str) -> Iterator[str]:
    try:
        value = float(word)
    except ValueError:
        return
    for digits in (1, 2, 3):
        text = f"{value:.{digits}g}"
        if len(text) < len(word):
            yield text
    if value == int(value) and int(value) > 8:
        yield str(int(value) // 2)
