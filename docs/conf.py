"""Sphinx settings. The pages are put together by ``docs/build.py``; nothing is fetched from the network."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

import nanobragg
from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import FIELDS, own_places, sections
from nanobragg.records.run import Run

project = "nanobragg"
author = "The nanobragg developers"
copyright = author
version = release = nanobragg.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["deflist", "html_image"]
myst_heading_anchors = 3
highlight_language = "text"  # indented blocks are formulas and command lines as often as Python
smartquotes_action = "D"  # dashes, and straight quotes as they are

autodoc_default_options = {"members": True, "undoc-members": True, "exclude-members": "__init__"}
autodoc_mock_imports = ["torch", "jax"]  # they need not be there for these pages
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"  # the fields of a dataclass are listed; once is enough
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

# Annotations name types of other packages, and aliases, that have no entry on these pages.
_ALIASES = (
    "Vector|Vec|Pivot|Convention|CrystalShape|PathOrArray|Precision|NoiseGenerator|Device|Roi|Region|Gas|StopShape"
    "|Substance|Preset|Reading|PointSpread|CountRate|Array|Known|Progress"
)
_RECORDS = "CountScale|Plan|CrystalTruth|Surroundings|PanelImage|Example"
"""They are in annotations of public names, and have no entry on the page of the API."""
nitpick_ignore_regex = [
    ("py:.*", r"(np|numpy|os|collections|torch|jax|typing)\..*"),
    ("py:.*", rf"(Any|ArrayLike|Callable|Literal|NDArray|Path|Sequence|{_ALIASES}|{_RECORDS})"),
    ("py:.*", rf"nanobragg\..*\.({_ALIASES}|{_RECORDS})"),
]

html_theme = "furo"
html_title = f"nanobragg {version}"
html_static_path = ["_static"]
html_css_files = ["nanobragg.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False


def read_sections(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Sections (Args, Returns, Raises) of docstrings; in those of fields a colon is a colon, as napoleon does not know.

    Pages of the specification that are named become links.
    """
    if FIELDS in lines:  # they follow one by one
        del lines[lines.index(FIELDS) :]
    lines[:] = [re.sub(r"``specs/(\w+)\.md``", r":doc:`specs/\1 </specs/\1>`", line) for line in lines]
    if what not in ("attribute", "data", "property"):
        lines[:] = GoogleDocstring(lines, Config(napoleon_use_rtype=False), None, what, name, obj, options).lines()


def describe_fields(app: Sphinx) -> None:
    """Rows of fields take the place of the texts that autodoc looks for below fields."""
    for record in (*sections(Run).values(), Run, Experiment):
        module = ModuleAnalyzer.for_module(record.__module__)
        module.analyze()
        for place in own_places(record):
            module.attr_docs[(record.__name__, place.name)] = [place.row.description.replace("*", r"\*"), ""]


def find_by_short_name(app: Sphinx, env: Any, node: Any, text: Any) -> Any:
    """Types named after the modules in which they are, where the pages list them as ``nanobragg.NAME``."""
    if node.get("refdomain") != "py":
        return None
    name = "nanobragg." + node["reftarget"].rpartition(".")[2]
    return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, text)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", describe_fields)
    app.connect("autodoc-process-docstring", read_sections)
    app.connect("missing-reference", find_by_short_name)
