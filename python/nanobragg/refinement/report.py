"""A page to look at: how well the model explains the image, how the refinement went, and what it knows."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.io.support.extras import need
from nanobragg.refinement.result import with_sigma
from nanobragg.refinement.shots_result import RefinedShots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.refinement.result import Refinement
    from nanobragg.refinement.shots_result import Example

_BOXES = 4
"""worst, and as many best"""
_HALF = 12
"""pixels: half width of what is shown around a spot, at most"""
_STYLE = "body{font:15px sans-serif;max-width:70em;margin:2em auto}td,th{padding:.2em .8em;text-align:right}"


class _Shown(NamedTuple):
    """A shot to look at."""

    title: str
    shoeboxes: NDArray[np.void]
    pictures: Refinement | Example


def page(found: Refinement | RefinedShots, images: Sequence[str]) -> str:
    """The page, HTML with its pictures in it.

    Args:
        found: of one image, or of many.
        images: their names.

    Raises :class:`InputError` without matplotlib.
    """
    need("matplotlib", "-report", extra="plot")
    if isinstance(found, RefinedShots):
        shown = [_Shown(images[e.shot], found.shots[e.shot].shoeboxes, e) for e in found.examples]
        rows = [row for row in found.rows() if row["shot"] is None]
        title, more = f"{len(images)} images", _shots(found, images)
    else:
        shown, rows, title, more = [_Shown("", found.shoeboxes, found)], found.rows(), images[0], ""
    said = "".join(f"<p>{html.escape(line)}</p>" for line in (*found.weak, *found.notes))
    state = "converged" if found.converged else "not converged"
    pictures = "".join(f"<h3>{html.escape(one.title)}</h3>" * bool(one.title) + _picture(_boxes(one)) for one in shown)
    parts = [
        f"<h1>{html.escape(title)}</h1><p>chi-squared {found.reduced_chi2:.4g} a pixel over {found.pixels} pixels; "
        f"{found.jacobians} Jacobians; {state}</p>",
        f"{_table(rows)}{said}{more}",
        f"<h2>Worst and best</h2>{pictures}",
        f"<h2>Convergence</h2>{_picture(_convergence(found))}",
    ]
    if rows:
        names = [row["name"] for row in rows]
        parts.append(f"<h2>Correlations</h2>{_picture(_correlations(names, found.correlation))}")
    body = "\n".join(parts)
    return f"<!doctype html>\n<meta charset=utf-8><title>refinement</title><style>{_STYLE}</style>\n{body}\n"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = "".join(
        f"<tr><th>{html.escape(row['name'])}</th><td>{row['value']:.8g}</td><td>± {row['sigma']:.2g}</td>"
        f"<td>{html.escape(row['unit'])}</td><td>{row['start']:.8g}</td></tr>"
        for row in rows
    )
    return f"<table><tr><th></th><th>value</th><th></th><th></th><th>start</th></tr>{lines}</table>" if rows else ""


def _shots(found: RefinedShots, images: Sequence[str]) -> str:
    """Every shot's chi-squared and numbers, and how the first is spread."""
    own = found.shots[0].names[: len(found.shots[0].names) - len(found.common)]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("image", "chi-squared a pixel", "Z", *own))
    lines = []
    for image, shot in zip(images, found.shots, strict=True):
        numbers = (f"{with_sigma(*shot[name])}" for name in own)
        cells = (f"{shot.reduced_chi2:.4g}", f"{shot.Z:.1f}", *numbers)
        lines.append(f"<tr><th>{html.escape(image)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    figure = _figure(8.0, 3.0)
    axes = figure.subplots()
    axes.plot([shot.reduced_chi2 for shot in found.shots], ".")
    axes.set_xlabel("shot")
    axes.set_ylabel("chi-squared / pixel")
    return f"<h2>Shots</h2>{_picture(figure)}<table><tr>{head}</tr>{''.join(lines)}</table>"


def _picture(figure: Any) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90, metadata={"Software": None})
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}">'


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _boxes(one: _Shown) -> Any:
    """Data, model and residuals of the shoeboxes, or around the pixels, that are explained worst and best."""
    shown, found = _places(one), one.pictures
    figure = _figure(2.2 * len(shown), 6.6)
    axes = figure.subplots(3, len(shown), squeeze=False)
    for column, (title, cut) in enumerate(shown):
        data, model = cut(found.data), cut(found.spots + found.background)
        top = max(float(np.nanmax(data)), float(np.nanmax(model)), 1.0)
        for row, (name, pixels) in enumerate((("data", data), ("model", model))):
            axes[row, column].imshow(np.sqrt(np.maximum(pixels, 0.0)), vmin=0.0, vmax=top**0.5, cmap="viridis")
            axes[row, column].set_title(f"{title}\n{name}" if row == 0 else name, fontsize=8)
        axes[2, column].imshow(cut(found.residuals), vmin=-4.0, vmax=4.0, cmap="RdBu_r")
        axes[2, column].set_title("residual / sigma, ±4", fontsize=8)
    for each in axes.ravel():
        each.set_xticks([])
        each.set_yticks([])
    return figure


def _places(one: _Shown) -> list[tuple[str, Any]]:
    boxes, found = one.shoeboxes, one.pictures
    if len(boxes) > 2:
        order = np.argsort(-boxes["Z"], kind="stable")
        chosen = [*order[:_BOXES], *order[max(len(order) - _BOXES, _BOXES) :]]
        return [(_title(boxes[i]), _cutter(found, boxes[i])) for i in chosen]
    # Whole panels: around the brightest spots of the model.
    places = []
    left = np.where(np.isnan(found.spots), -1.0, found.spots)
    for _ in range(_BOXES):
        at = np.unravel_index(int(left.argmax()), left.shape)
        around = (*at[:-2], *(slice(max(int(i) - _HALF, 0), int(i) + _HALF + 1) for i in at[-2:]))
        if left.ndim == 1 or left[at] <= 0.0:
            break
        left[around] = -1.0
        places.append((f"at {int(at[-1])}, {int(at[-2])}", lambda image, around=around: image[around]))
    return places or [("all", lambda image: np.atleast_2d(image))]


def _title(box: Any) -> str:
    return f"{box['h']} {box['k']} {box['l']}, Z {box['Z']:.1f}"


def _cutter(found: Refinement | Example, box: Any) -> Any:
    """What cuts the square around a spot out of an image."""
    half = min(int(np.ceil(box["pixels"] ** 0.5 / 2)) + 1, _HALF)
    f, s = int(box["fast"]), int(box["slow"])

    def cut(image: NDArray[np.float64]) -> NDArray[np.float64]:
        panel = image[box["panel"]] if image.ndim == 3 else image
        return np.atleast_2d(panel)[max(s - half, 0) : s + half + 1, max(f - half, 0) : f + half + 1]

    return cut if found.data.ndim > 1 else lambda image: np.atleast_2d(image)


def _convergence(found: Refinement | RefinedShots) -> Any:
    figure = _figure(6.0, 3.0)
    axes = figure.subplots()
    axes.plot([misfit / max(found.pixels, 1) for misfit in found.misfits], "o-")
    axes.set_xlabel("step of the last stage")
    axes.set_ylabel("misfit / pixel")
    return figure


def _correlations(names: Sequence[str], correlation: NDArray[np.float64]) -> Any:
    size = 2.5 + 0.3 * len(names)
    figure = _figure(size + 1.5, size)
    axes = figure.subplots()
    with np.errstate(invalid="ignore"):
        shown = axes.imshow(correlation, vmin=-1.0, vmax=1.0, cmap="RdBu_r")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    figure.colorbar(shown)
    return figure
