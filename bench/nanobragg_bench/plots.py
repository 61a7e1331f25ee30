"""The plots that the README shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanobragg_bench import BenchError

_COLOURS = {"double": "#4477aa", "mixed": "#ee6677"}


def require_matplotlib() -> None:
    """Find out before the work whether plots can be drawn.

    Raises:
        BenchError: without matplotlib.

    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise BenchError(
            "--plots: found no matplotlib, expected it to be installed (pip install matplotlib)"
        ) from error


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    """Draw all plots as SVG and PNG into ``folder``; the names of the files."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "nanobragg"  # the same figure, the same file
    folder.mkdir(parents=True, exist_ok=True)
    threads = min((row["threads"] for row in results["rows"] if row["what"] == "engine"), default=1)
    rows = [
        row
        for row in results["rows"]
        if row["what"] == "process" or (row["what"] == "engine" and row["threads"] == threads)
    ]
    files = []
    files += _bars(results, [row for row in rows if row["ratio"]], "ratio", "speedup", folder)
    files += _bars(
        results, [row for row in rows if row["ns_per_evaluation"]], "ns_per_evaluation", "evaluation", folder
    )
    return files


_TITLES = {
    "ratio": "times as fast as nanoBragg.c (-O3 -fopenmp), same number of threads",
    "ns_per_evaluation": "nanoseconds per evaluation and core, or of the GPU",
}


def _label(row: dict[str, Any]) -> str:
    return row["case"] if row["what"] == "engine" else f"{row['case']}, whole run"


def _bars(results: dict[str, Any], rows: Sequence[dict[str, Any]], key: str, name: str, folder: Path) -> list[Path]:
    if not rows:
        return []
    from matplotlib import pyplot as plt

    labels = list(dict.fromkeys(_label(row) for row in rows))
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.42 * len(labels)), layout="constrained")
    for shift, (precision, colour) in zip((-0.2, 0.2), _COLOURS.items(), strict=True):
        chosen = {_label(row): row[key] for row in rows if row["variant"] == precision}
        places = [labels.index(label) + shift for label in chosen]
        bars = axes.barh(places, list(chosen.values()), height=0.38, color=colour, label=f"{precision} precision")
        axes.bar_label(bars, fmt="{:.3g}", padding=3, fontsize=8)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel(_TITLES[key])
    axes.legend(loc="best", fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    machine = results["machine"]
    where = dict.fromkeys(row["device"] for row in rows)
    cpu = f"{machine['cpu']}, {machine['instruction_set']}"
    axes.set_title("; ".join(cpu if device == "cpu" else f"engine on {device}" for device in where), fontsize=9)
    files = [folder / f"{name}.svg", folder / f"{name}.png"]
    figure.savefig(files[0], metadata={"Date": None})
    figure.savefig(files[1], dpi=120)
    plt.close(figure)
    return files
