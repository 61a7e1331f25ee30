"""``nanobragg.refine``: which crystal, beam and detector made an image (``specs/refinement.md``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nanobragg.refinement.covariance import determined
from nanobragg.refinement.crew import Crew
from nanobragg.refinement.explained import doubts, explained_by, pictures, refined_shot
from nanobragg.refinement.result import Refinement
from nanobragg.refinement.settings import settings_of
from nanobragg.refinement.shot import Shot
from nanobragg.refinement.work import End, Work

if TYPE_CHECKING:
    from nanobragg.records.experiment import Experiment
    from nanobragg.refinement.variables import Known

    Progress = Callable[[int, float], object]


def refine(
    experiment: Experiment,
    images: Any,
    parameters: Sequence[str],
    *,
    pixels: str = "all",
    shoebox: int | None = None,
    background: str = "constant",
    mask: Any = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    priors: Mapping[str, Known] | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Refinement:
    """Refine what an experiment says against an image of it.

    Args:
        experiment: where to start.
        images: photons, or raw pixels with a ``gain``: an array of the experiment's image, or a file of any format.
        parameters: what is free: names of :func:`nanobragg.derivatives.parameters`, of single numbers or whole fields;
            ``crystal.cell``: the free numbers of its crystal system; ``scale``: of all spots (fluence or flux).
        pixels: ``all``, or those in ``shoeboxes`` around predicted reflections.
        shoebox: their half width, pixels; default: five, or more where spots are larger. Of ``spots``: pixels around
            their boxes; default: three.
        background: ``constant`` or ``plane`` for each panel or shoebox, ``radial``, a smooth function of the resolution
            for the image, or ``none``, besides the experiment's own.
        mask: pixels of 0 are left out: an array, or a file.
        bounds: lowest and highest value by name.
        priors: what is known before, by name: a standard deviation about the start, or a value and one.
        progress: called after each step with its number and the misfit of a pixel.
        how: further ones, with their defaults, in ``specs/refinement.md``: ``likelihood``, ``loss``, ``outliers``,
            ``gain``, ``offset``, ``readout``, ``saturation``, ``spots``, ``spots_image``, ``search``, ``steps``,
            ``threads``.

    Ctrl-C ends the refinement with the best that was found, which is not ``converged``.

    Raises:
        InputError: for names that there are not, images of another shape, and what cannot be refined.

    """
    said = {"pixels": pixels, "shoebox": shoebox, "background": background, "mask": mask}
    settings = settings_of("refine", {**said, "bounds": bounds, "priors": priors, **how}).of_shot(0, 1)
    shot = Shot(experiment, images, parameters, (), settings, settings.threads)
    return _refinement(shot, Work([shot], Crew(1, settings.threads), settings, progress).done())


def _refinement(shot: Shot, end: End) -> Refinement:
    """What was found out of one image."""
    x, part = end.state.x, end.state.parts[0]
    found = determined(end.slopes, end.target, x)
    explained = explained_by(shot, part)
    return Refinement(
        **refined_shot(shot, x, found.covariances[0], explained),
        weak=found.weak,
        misfit=end.state.misfit,
        misfits=end.misfits,
        jacobians=shot.model.jacobians,
        converged=end.converged,
        **pictures(shot, part, explained),
        notes=end.notes([*shot.notes, *doubts([explained.shoeboxes])]),
    )
