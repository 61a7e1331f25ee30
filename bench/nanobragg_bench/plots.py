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
    files += _growth(results, folder)
    return files


_TITLES = {
    "ratio": "times as fast as nanoBragg.c (-O3 -fopenmp), same number of threads",
    "ns_per_evaluation": "nanoseconds per evaluation and core, or of the GPU",
}


def _label(row: dict[str, Any]) -> str:
    return row["case"] if row["what"] == "engine" else f"{row['case']}, whole run"


_PROTOTYPE = {"domains": ((100, 9.4, 9.4),), "wavelengths": ((100, 13.0, 19.0),), "steps": ((10, 2.3, 2.7),)}
"""Times all evaluations' time over that of the prototype, least and most, where it was measured: 100 orientations, 25
domains and 100 wavelengths, 10 steps (``specs/performance.md``)."""


def _growth(results: dict[str, Any], folder: Path) -> list[Path]:
    """Processor seconds of an image as domains, wavelengths or steps grow."""
    rows = [row for row in results["rows"] if row["case"] == "tolerance_growth" and "grows" in row]
    if not rows:
        return []
    from matplotlib import pyplot as plt

    kinds = list(dict.fromkeys(row["grows"] for row in rows))
    figure, all_axes = plt.subplots(1, len(kinds), figsize=(4 * len(kinds), 3.8), layout="constrained", squeeze=False)
    for kind, axes in zip(kinds, all_axes[0], strict=True):
        own = sorted((row for row in rows if row["grows"] == kind), key=lambda row: row["count"])
        counts = [row["count"] for row in own]
        full = [row["seconds"] * row["ratio"] for row in own]
        axes.loglog(counts, full, "o-", color="#4477aa", label="all evaluations")
        axes.loglog(counts, [row["seconds"] for row in own], "o-", color="#ee6677", label="within 0.01 photons")
        perfect = [time * row["perfect"] for time, row in zip(full, own, strict=True)]
        axes.loglog(counts, perfect, "--", color="#228833", label="evaluations that a perfect bound leaves")
        for at, least, most in _PROTOTYPE[kind]:
            if at in counts:
                time = full[counts.index(at)]
                axes.plot([at, at], [time / least, time / most], "s-", color="#aaaaaa", label="prototype's ratio")
        axes.set_xlabel(kind)
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[0][0].set_ylabel("processor seconds, 256 x 256 pixels")
    all_axes[0][0].legend(loc="best", fontsize=8, frameon=False)
    machine = results["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['instruction_set']}, one thread, mixed precision", fontsize=9)
    return _saved(figure, folder, "tolerance")


def _saved(figure: Any, folder: Path, name: str) -> list[Path]:
    from matplotlib import pyplot as plt

    files = [folder / f"{name}.svg", folder / f"{name}.png"]
    figure.savefig(files[0], metadata={"Date": None})
    figure.savefig(files[1], dpi=120)
    plt.close(figure)
    return files


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
    return _saved(figure, folder, name)
