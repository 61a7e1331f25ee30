"""Fill the paragraphs of Markdown files to 120 columns: ``python docs/wrap.py FILE...``.

Only paragraphs and list items with a line that is too long are filled anew. Tables, headings, code, comments of HTML
and links that stand alone stay as they are; no code span is broken, and no word comes to stand at the beginning of a
line where it would mean something else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

WIDTH = 120
_FENCE = re.compile(r"\s*(```+|~~~+)")
_ITEM = re.compile(r"(\s*)([-*+]|\d+[.)])(\s+)")
_FIXED = re.compile(r"\s*(#|\||<|(-\s*){3,}$|(=\s*){3,}$|:?-+:?\s*\|)")
"""Beginnings of lines that are no text: headings, tables, HTML, rules."""
_FIRST = re.compile(r"\s*(\[[^\]]+\]:|>(?! \w))")
"""Beginnings of lines that are no text where no paragraph is before them: definitions of links, quotations of more
than text."""
_QUOTE = re.compile(r"\s*> ")
_TOKEN = re.compile(r"(?:`+[^`]*`+|\[[^\]\n]*\]\([^)\s]*\)|\S)+")
"""Words; code spans, and links with their address, are not broken."""
_NOT_FIRST = re.compile(r"([-+*>#|=:~]|\d+[.)]$|<|```)")


def too_long(text: str) -> list[int]:
    """Numbers of the lines, from 1, that are longer than 120 columns and could be shorter."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = _TOKEN.findall(_ITEM.sub("", line, count=1))
        if len(line) > WIDTH and len(words) > 1 and not line.lstrip().startswith("|"):
            found.append(number)
    return found


def wrapped(text: str) -> str:
    """The text with its paragraphs filled, where one of their lines was too long."""
    result: list[str] = []
    for kind, lines in _blocks(text.splitlines()):
        fill = kind == "text" and any(len(line) > WIDTH for line in lines)
        result += _filled(lines) if fill else lines
    return "\n".join(result) + "\n"


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Paragraphs and list items ("text"), and single lines of all else."""
    fence = ""
    text: list[str] = []
    in_list = False
    for line in lines:
        mark = _FENCE.match(line)
        blank = not line.strip()
        code = not text and not in_list and line.startswith("    ")
        fixed = bool(fence) or mark is not None or blank or code or _FIXED.match(line) is not None
        fixed = fixed or (not text and _FIRST.match(line) is not None)
        if text and (fixed or _ITEM.match(line) or bool(_QUOTE.match(line)) != bool(_QUOTE.match(text[0]))):
            yield "text", text
            text = []
        if mark is not None and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        if fixed:
            in_list = in_list and (blank or line.startswith(" "))
            yield "fixed", [line]
            continue
        in_list = _ITEM.match(line) is not None or (in_list and (bool(text) or line.startswith(" ")))
        text.append(line)
        if line.endswith(("  ", "\\")):  # a break that is meant
            yield "text", text
            text = []
    if text:
        yield "text", text


def _filled(lines: list[str]) -> list[str]:
    item, quote = _ITEM.match(lines[0]), _QUOTE.match(lines[0])
    first = (item or quote or re.match(r"\s*", lines[0]))[0]  # type: ignore[index]
    rest = first if quote else " " * len(first)
    following = [_QUOTE.sub("", line, count=1) for line in lines[1:]] if quote else lines[1:]
    words = _words(" ".join(line.strip() for line in [lines[0][len(first) :], *following]))
    result, current = [], first + words[0]
    for word in words[1:]:
        if len(current) + 1 + len(word) > WIDTH:
            result.append(current)
            current = rest + word
        else:
            current += " " + word
    tail = re.search(r"\s*$", lines[-1])[0]  # type: ignore[index]
    return [*result, current + tail]


def _words(text: str) -> list[str]:
    """What may stand at the beginning of a line, each with what must follow it."""
    words: list[str] = []
    for token in _TOKEN.findall(text):
        if words and _NOT_FIRST.match(token):
            words[-1] += " " + token
        else:
            words.append(token)
    return words


def main(names: list[str]) -> int:
    """Fill the files."""
    for name in names:
        path = Path(name)
        text = path.read_text(encoding="utf-8")
        if (new := wrapped(text)) != text:
            path.write_text(new, encoding="utf-8")
            print(f"filled {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
