"""A shot: its image, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import local
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.rendering.renderer import Renderer
from nanobragg.rendering.surroundings import surrounded
from nanobragg.resolver.resolve import resolve
from nanobragg.results.image import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.ensemble.plan import Draw, Plan
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.scene import Scene


@dataclass(frozen=True, eq=False)
class CrystalTruth:
    """One of the crystals in the beam."""

    parameters: dict[str, Any]
    """What was drawn for it, by the fields' names."""
    image: Image = field(repr=False)
    """What it alone scatters, without noise; the first one's has the water, too."""

    @property
    def resolved(self) -> Resolved:
        """The experiment with this crystal, made explicit: ``resolved.sample.a0`` and so on is its orientation."""
        return self.image.resolved


@dataclass(frozen=True, eq=False)
class Truth:
    """What a shot was made from."""

    number: int
    parameters: dict[str, Any]
    """What was drawn for the shot, by the fields' names."""
    crystals: tuple[CrystalTruth, ...]
    """None in a blank shot."""
    expected: NDArray[np.float32] = field(repr=False)
    """The image without noise, photons per pixel, in the image's shape."""

    def reflections(self) -> NDArray[Any]:
        """The reflections of all crystals (:meth:`nanobragg.Image.truth`), with the crystal's number in front.

        A structured array. Intensities are those of the one crystal, whatever others bring to the same pixels.
        """
        from nanobragg.results.truth import COLUMNS

        kinds = np.dtype([("crystal", np.int32), *((name, COLUMNS[name]) for name in COLUMNS.names or ())])
        tables = [np.empty(0, kinds)]
        for number, crystal in enumerate(self.crystals):
            rows = crystal.image.truth()
            table = np.empty(len(rows), kinds)
            table["crystal"] = number
            for name in rows.dtype.names or ():
                table[name] = rows[name]
            tables.append(table)
        return np.concatenate(tables)


class Shot(NamedTuple):
    """A shot of an ensemble: ``image, truth = ensemble[i]``."""

    image: Image
    """Counts, int32 (:meth:`nanobragg.Image.measured`)."""
    truth: Truth


class Maker:
    """Makes the shots of a plan; what they have in common is kept from one to the next.

    Files are read once in a process (:mod:`nanobragg.resolver.memory`), and the renderer stays, one in each thread.

    Args:
        plan: the ensemble.
        threads: of the CPU; ``None``: as the file says.
        device: where images are rendered; ``None``: as the file says.

    """

    def __init__(self, plan: Plan, threads: int | None = None, device: str | None = None) -> None:
        self.plan = plan
        self.threads = plan.run.threads if threads is None else threads
        self.device = device or plan.run.device
        self._kept = local()

    def shot(self, number: int) -> Shot:
        """Draw, render and measure a shot.

        Raises :class:`~nanobragg.InputError` where what was drawn is no experiment.
        """
        return self.made(self.plan.draw(number))

    def made(self, draw: Draw) -> Shot:
        """The shot that was drawn."""
        images = [self._rendered(resolve(experiment)) for experiment in draw.experiments]
        total = images[0].data
        for image in images[1:]:
            total = total + image.data
        total = surrounded(total, images[0].resolved, threads=self.threads)
        whole = Image(total, images[0].resolved, solid_angle=images[0].solid_angle)
        counts = whole.measured(self.plan.settings.seed, shot=draw.number, threads=self.threads)
        crystals = tuple(
            CrystalTruth(own, image) for own, image in zip(draw.of_crystals, images[: draw.crystals], strict=True)
        )
        return Shot(counts, Truth(draw.number, draw.parameters, crystals, total))

    def _rendered(self, resolved: Resolved) -> Image:
        found = self._renderer(resolved.scene).result()
        return Image(found.image.reshape(resolved.scene.image_shape), resolved, solid_angle=found.solid_angle)

    def _renderer(self, scene: Scene) -> Renderer:
        """The renderer of this thread, with the Scene loaded."""
        renderer: Renderer | None = getattr(self._kept, "renderer", None)
        if renderer is None:
            renderer = Renderer(scene, device=self.device, precision=self.plan.run.precision, threads=self.threads)
            self._kept.renderer = renderer
        else:
            renderer.load(scene)
        return renderer
