"""A page to look at: how well the model explains the image, how the refinement went, and what it knows."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.result import Refinement

_BOXES = 4
"""worst, and as many best"""
_HALF = 12
"""pixels: half width of what is shown around a spot, at most"""
_STYLE = "body{font:15px sans-serif;max-width:70em;margin:2em auto}td,th{padding:.2em .8em;text-align:right}"


def page(found: Refinement, image: str) -> str:
    """The page, HTML with its pictures in it.

    Raises :class:`InputError` without matplotlib.
    """
    need("matplotlib", "-report", extra="plot")
    rows = "".join(
        f"<tr><th>{html.escape(row['name'])}</th><td>{row['value']:.8g}</td><td>± {row['sigma']:.2g}</td>"
        f"<td>{html.escape(row['unit'])}</td><td>{row['start']:.8g}</td></tr>"
        for row in found.rows()
    )
    said = "".join(f"<p>{html.escape(line)}</p>" for line in (*found.weak, *found.notes))
    state = "converged" if found.converged else "not converged"
    parts = (
        f"<h1>{html.escape(image)}</h1><p>chi-squared {found.reduced_chi2:.4g} a pixel over {found.pixels} pixels; "
        f"{found.jacobians} Jacobians; {state}</p>",
        f"<table><tr><th></th><th>value</th><th></th><th></th><th>start</th></tr>{rows}</table>{said}",
        f"<h2>Worst and best</h2>{_picture(_boxes(found))}",
        f"<h2>Convergence</h2>{_picture(_convergence(found))}",
        f"<h2>Correlations</h2>{_picture(_correlations(found))}",
    )
    body = "\n".join(parts)
    return f"<!doctype html>\n<meta charset=utf-8><title>refinement</title><style>{_STYLE}</style>\n{body}\n"


def _picture(figure: Any) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90, metadata={"Software": None})
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}">'


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _boxes(found: Refinement) -> Any:
    """Data, model and residuals of the shoeboxes, or around the pixels, that are explained worst and best."""
    shown = _places(found)
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


def _places(found: Refinement) -> list[tuple[str, Any]]:
    boxes = found.shoeboxes
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


def _cutter(found: Refinement, box: Any) -> Any:
    """What cuts the square around a spot out of an image."""
    half = min(int(np.ceil(box["pixels"] ** 0.5 / 2)) + 1, _HALF)
    f, s = int(box["fast"]), int(box["slow"])

    def cut(image: NDArray[np.float64]) -> NDArray[np.float64]:
        panel = image[box["panel"]] if image.ndim == 3 else image
        return np.atleast_2d(panel)[max(s - half, 0) : s + half + 1, max(f - half, 0) : f + half + 1]

    return cut if found.data.ndim > 1 else lambda image: np.atleast_2d(image)


def _convergence(found: Refinement) -> Any:
    figure = _figure(6.0, 3.0)
    axes = figure.subplots()
    axes.plot([misfit / max(found.pixels, 1) for misfit in found.misfits], "o-")
    axes.set_xlabel("step of the last stage")
    axes.set_ylabel("misfit / pixel")
    return figure


def _correlations(found: Refinement) -> Any:
    size = 2.5 + 0.3 * len(found.names)
    figure = _figure(size + 1.5, size)
    axes = figure.subplots()
    with np.errstate(invalid="ignore"):
        shown = axes.imshow(found.correlation, vmin=-1.0, vmax=1.0, cmap="RdBu_r")
    axes.set_xticks(range(len(found.names)), found.names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(found.names)), found.names, fontsize=8)
    figure.colorbar(shown)
    return figure
