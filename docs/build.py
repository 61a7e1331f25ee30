"""Build the documentation site: ``python docs/build.py [FOLDER]`` (default build/docs), the site being FOLDER/html.

The pages of ``docs/``, ``specs/`` and some others are brought together in FOLDER/source, with their links turned to
where things are in the site, and with tables made from the program itself. Warnings are errors.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from links import Links, picture_name
from tables import PARTS

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent


def pages() -> dict[str, str]:
    """Every page of the site: file in the repository → file in the site."""
    found = {str(p.relative_to(ROOT)): str(p.relative_to(DOCS)) for p in sorted(DOCS.rglob("*.md"))}
    found |= {f"specs/{p.name}": f"specs/{p.name}" for p in sorted((ROOT / "specs").glob("*.md"))}
    found["specs/README.md"] = "specs/index.md"
    return found | {
        "README.md": "index.md",  # the repository's face, and the site's
        "examples/README.md": "examples.md",
        "bench/README.md": "benchmarks.md",
        "golden_data/README.md": "golden_data.md",
        "wheels/README.md": "wheels.md",
        "CONTRIBUTING.md": "contributing.md",
        "CHANGELOG.md": "changelog.md",
    }


def assemble(source: Path) -> None:
    """Write all pages and their pictures into the folder ``source``."""
    table = pages()
    for file, page in table.items():
        if file == "README.md":  # the site has its own
            continue
        text = (ROOT / file).read_text(encoding="utf-8")
        for name, part in PARTS.items():
            mark = f"<!-- generated: {name} -->"
            if mark in text:
                text = text.replace(mark, part())
        if page == "specs/index.md":
            text += toctree(re.findall(r"^\| \[.+?\]\((\w+)\.md\)", text, re.MULTILINE))
        links = Links(Path(file), table, ROOT)
        text = links.turn(text)
        target = source / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        for picture in links.pictures:
            (source / "pictures").mkdir(exist_ok=True)
            shutil.copy(ROOT / picture, source / "pictures" / picture_name(picture))


def toctree(names: list[str]) -> str:
    """An entry in the site's contents for each page of a folder."""
    return "\n```{toctree}\n:hidden:\n\n" + "".join(f"{name}\n" for name in names) + "```\n"


def main(arguments: list[str]) -> int:
    """Put the pages together and run Sphinx; its exit status."""
    from sphinx.cmd.build import main as sphinx

    folder = Path(arguments[0]) if arguments else ROOT / "build" / "docs"
    for old in ("source", "doctrees", "html"):
        shutil.rmtree(folder / old, ignore_errors=True)
    assemble(folder / "source")
    strict = ["-W", "--keep-going", "-n", "-q", "-j", "auto"]
    status = sphinx(
        [*strict, "-c", str(DOCS), "-d", str(folder / "doctrees"), str(folder / "source"), f"{folder}/html"]
    )
    if status == 0:
        print(f"wrote {folder / 'html' / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
