"""The table and the JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanobragg_bench.rows import Row, Settings, Skipped

_HEADINGS = (
    "case", "what", "variant", "device", "thr", "seconds", "ns/eval", "orig. s", "orig. ns", "ratio", "target", "met",
    "peak MB", "orig. MB", "limit MB", "of peak", "images",
)  # fmt: skip


def as_json(
    machine: dict[str, Any], settings: Settings, rows: Sequence[Row], skipped: Sequence[Skipped]
) -> dict[str, Any]:
    """Everything, for a file."""
    return {
        "machine": {**machine, "gpu": settings.device.described()},
        "settings": {
            "original": settings.original is not None,
            "quick": settings.quick,
            "device": settings.device.name,
            "threads": list(settings.threads),
            "repeat": settings.repeat,
            "original_edge": settings.original_edge,
        },
        "peak_flops": settings.rates,
        "rows": [row.judged(settings.instruction_set, judge=not settings.quick) for row in rows],
        "skipped": [{"case": one.case, "reason": one.reason} for one in skipped],
    }


def write_json(path: Path, results: dict[str, Any]) -> None:
    """Write the file whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(json.dumps(results, indent=1) + "\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _number(value: float | None, form: str = ".3g", scale: float = 1.0) -> str:
    return "" if value is None else format(value * scale, form)


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "NO"


def _images(agreement: dict[str, Any] | None) -> str:
    if agreement is None:
        return ""
    if not agreement["agrees"]:
        return f"DIFFER in {agreement['outside']} of {agreement['pixels']} ({agreement['compared_with']})"
    left_out = f", {agreement['left_out']} left out" if agreement["left_out"] else ""
    return f"agree ({agreement['compared_with']}{left_out})"


def _line(row: dict[str, Any]) -> list[str]:
    return [
        row["case"],
        row["what"] if row["what"] != row["case"] else "",
        row["variant"],
        row["device"],
        str(row["threads"]),
        _number(row["seconds"], ".4g"),
        _number(row["ns_per_evaluation"]),
        _number(row["original_seconds"], ".4g"),
        _number(row["original_ns_per_evaluation"]),
        _number(row["ratio"]),
        row["target"] or "",
        _yes(row["met"]),
        _number(row["peak_memory_bytes"], ".0f", 1e-6),
        _number(row["original_peak_memory_bytes"], ".0f", 1e-6),
        _number(row["memory_target_bytes"], ".0f", 1e-6) + ("" if row["memory_met"] is not False else " NO"),
        _number(row["fraction_of_peak"], ".0%"),
        _images(row["agreement"]) + (f" [{row['note']}]" if row["note"] else ""),
    ]


def table(results: dict[str, Any]) -> str:
    """The rows as columns of text."""
    lines = [list(_HEADINGS), *(_line(row) for row in results["rows"])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADINGS))]
    numeric = {4, 5, 6, 7, 8, 9, 12, 13, 14, 15}
    text = [
        "  ".join(
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text.insert(1, "  ".join("-" * width for width in widths))
    machine = results["machine"]
    heading = f"{machine['cpu']}, {machine['instruction_set']}, {machine['cores']} cores, {machine['date']}"
    if machine["gpu"] is not None:
        heading += f", {machine['gpu']['name']}"
    skipped = [f"skipped {one['case']}: {one['reason']}" for one in results["skipped"]]
    return "\n".join([heading, *text, *skipped])
