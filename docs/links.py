"""Links of a Markdown page, turned from where things are in the repository to where they are in the site."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_LINK = re.compile(r"(?P<mark>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)")
_IMG = re.compile(r"(?P<before><img\b[^>]*?\bsrc=\")(?P<target>[^\"]+)")
_NAME = re.compile(r"(?<!\[)`(?P<name>\w+\.md)`")
_FENCE = re.compile(r"^(`{3,}|~{3,})")
_ELSEWHERE = re.compile(r"[a-z]+:|#")


@dataclass
class Links:
    """The links of one page.

    Links to pages of the site lead there, and so do mere names of pages beside it (a name in code, as the
    specification has them); of other files of the repository only the link's text stays.
    """

    file: Path
    """the page in the repository, relative to ``root``"""
    pages: dict[str, str]
    """file in the repository → file in the site"""
    root: Path
    """the repository's folder"""
    pictures: list[Path] = field(default_factory=list)
    """found so far, relative to ``root``"""

    def turn(self, text: str) -> str:
        """The page's text with its links turned.

        Raises:
            SystemExit: for a link to a file that does not exist.

        """
        return "".join(_outside_fences(text, self._line))

    def _line(self, line: str) -> str:
        line = _IMG.sub(lambda match: match["before"] + self._picture(match["target"]), line)
        return _LINK.sub(self._link, _NAME.sub(self._named, line))

    def _link(self, match: re.Match[str]) -> str:
        target = match["target"]
        if match["mark"]:
            return f"![{match['text']}]({self._picture(target)})"
        text = _LINK.sub(self._link, match["text"])  # a picture that is a link
        if _ELSEWHERE.match(target):
            return f"[{text}]({target})"
        path, _, anchor = target.partition("#")
        page = self.pages.get(str(self._found(path)))
        return f"[{text}]({self._from_here(page)}{'#' * bool(anchor)}{anchor})" if page else text

    def _picture(self, target: str) -> str:
        if _ELSEWHERE.match(target):
            return target
        picture = self._found(target)
        self.pictures.append(picture)
        return self._from_here(f"pictures/{picture_name(picture)}")

    def _named(self, match: re.Match[str]) -> str:
        name = match["name"]
        beside = str(self.file.parent / name)
        if name in (self.file.name, "README.md") or beside not in self.pages:
            return match[0]
        return f"[{Path(name).stem}]({name})"

    def _found(self, path: str) -> Path:
        there = Path(os.path.normpath(self.file.parent / path))
        if not (self.root / there).exists():
            raise SystemExit(f"{self.file}: found a link to {path}, expected a file of the repository")
        return there / "README.md" if (self.root / there / "README.md").exists() else there

    def _from_here(self, in_site: str) -> str:
        return os.path.relpath(in_site, Path(self.pages[str(self.file)]).parent)


def picture_name(picture: Path) -> str:
    """A picture's name in the site: the pictures of all folders lie in one."""
    return "-".join(picture.parts)


def _outside_fences(text: str, changed: Callable[[str], str]) -> list[str]:
    """The lines of ``text``, ``changed`` where they are not in a block of code."""
    fence = ""
    lines = []
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and line.strip() == fence:
            fence = ""
        elif not fence:
            line = changed(line)
        lines.append(line)
    return lines
