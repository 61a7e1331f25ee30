"""The report of a comparison: ``summary.json`` and one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import html
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanobragg.parity.explain import Explanation
    from nanobragg.parity.metrics import Metrics

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.verdict { padding: .6rem 1rem; border-radius: .4rem; font-weight: 600; color: #fff }
.yes { background: #1a7f37 } .no { background: #b42318 }
table { border-collapse: collapse } td, th { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top }
td { font-variant-numeric: tabular-nums } tr { border-bottom: 1px solid #ddd }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0; flex: 1 1 20rem }
img { width: 100%; border: 1px solid #ccc; image-rendering: pixelated }
pre { background: #f5f5f5; padding: .7rem; overflow: auto; max-height: 30rem } code { overflow-wrap: anywhere }
"""


def plain(value: Any) -> Any:
    """``value`` for JSON: numbers that are not finite become words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def summary_json(content: dict[str, Any]) -> bytes:
    """``content`` as JSON text, one key a line."""
    return (json.dumps(plain(content), indent=1, ensure_ascii=False) + "\n").encode()


def metric_rows(metrics: Metrics) -> list[tuple[str, str]]:
    """What is printed and shown of the numbers."""
    m = asdict(metrics)
    worst = f"slow {metrics.worst[0]}, fast {metrics.worst[1]}"
    values = f"{metrics.worst_values[0]:.9g} and {metrics.worst_values[1]:.9g}"
    return [
        ("pixels", str(metrics.pixels)),
        ("outside the parity bar", str(metrics.outside)),
        ("correlation", f"{metrics.correlation:.12g}"),
        ("sum ratio", f"{metrics.sum_ratio:.12g}"),
        ("root mean square difference", f"{m['rmse']:.6g}"),
        ("largest absolute difference", f"{metrics.max_absolute:.6g}"),
        ("largest relative difference", f"{metrics.max_relative:.6g}"),
        ("worst pixel", f"{worst}: {values}"),
        ("strongest peaks found again", f"{metrics.peaks_matched} of {metrics.peaks}"),
        ("shift of these peaks, pixels", f"mean {metrics.mean_shift:.3g}, largest {metrics.max_shift:.3g}"),
    ]


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>\n" for a, b in rows)
    return f"<table>\n{cells}</table>\n"


def _figure(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="" src="data:image/png;base64,{data}"><figcaption>{html.escape(caption)}</figcaption>\n'


def html_report(
    *,
    verdict: str,
    agree: bool,
    rows: list[tuple[str, str]],
    pictures: list[tuple[bytes, str]],
    explanation: Explanation | None,
    outputs: list[tuple[str, str]],
) -> bytes:
    """The page.

    Args:
        verdict: one sentence.
        agree: whether it is good news.
        rows: names and values.
        pictures: PNG files and their captions.
        explanation: of a difference.
        outputs: titles, and what the programs printed.

    """
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>nb-compare</title>',
        f"<style>{_STYLE}</style></head><body>\n<h1>Is it the same?</h1>\n",
        f'<p class="verdict {"yes" if agree else "no"}">{html.escape(verdict)}</p>\n',
        _table(rows),
    ]
    if pictures:
        figures = "".join(_figure(png, caption) + "</figure>" for png, caption in pictures)
        parts.append(f'<h2>Images</h2>\n<div class="pictures">{figures}</div>\n')
    if explanation is not None:
        parts.append(f"<h2>Why</h2>\n<p><strong>{html.escape(explanation.sentence)}</strong></p>\n")
        parts.append(_table(list(explanation.quantities)))
        tried = [(f"-quirks {choice}", f"{value:.9g}") for choice, value in explanation.tried]
        if tried:
            parts.append("<p>The pixel with other quirks:</p>\n" + _table(tried))
    for title, text in outputs:
        parts.append(f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>\n")
    parts.append("</body></html>\n")
    return "".join(parts).encode("utf-8", "backslashreplace")
