"""A model's atoms as arrays, and the sums over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.io.factors.models import atoms_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.factors.models import ModelFile

_WAVE, _EXPONENTIAL = 1.0, 6.0
"""ns for each atom of the cell and reflection, and for each displacement parameter and reflection"""


def cost_of(model: ModelFile, reflections: int) -> float:
    """About how long summation takes one core, ns."""
    images = len(model.symmetry.point_rotations)
    atoms = [bool(atom.aniso.nonzero()) for atom in atoms_of(model.structure[0])]
    exponentials = sum(images if anisotropic else 1 for anisotropic in atoms)
    return reflections * (_WAVE * images * len(atoms) + _EXPONENTIAL * exponentials)


class Summed:
    """Sums over the atoms of the cell: their structure factors, of f0 + f′ and of f″ apart."""

    def __init__(self, gemmi: Any, model: ModelFile, energy: float) -> None:
        from nanobragg.maths.lattice import reciprocal_metric

        cell = model.structure.cell
        atoms = [*atoms_of(model.structure[0])]
        numbers = sorted({atom.element.atomic_number for atom in atoms})
        self._coefficients = np.array([_form_factor(gemmi, number, energy) for number in numbers])
        self._metric = reciprocal_metric((cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma))
        # By element, and by B factor within it; atoms with a tensor last.
        elements = np.array([numbers.index(atom.element.atomic_number) for atom in atoms])
        b_factors = np.array([np.nan if atom.aniso.nonzero() else atom.b_iso for atom in atoms])
        order = np.lexsort([np.nan_to_num(b_factors, nan=np.inf), elements])
        atoms = [atoms[i] for i in order]
        elements, b_factors = elements[order], b_factors[order]
        changes = (np.diff(elements) != 0) | ((b_factors[1:] != b_factors[:-1]) & ~np.isnan(b_factors[1:]))
        changes |= np.isnan(b_factors[1:]) != np.isnan(b_factors[:-1])
        begins = np.concatenate([[0], np.flatnonzero(changes) + 1])
        ends = np.concatenate([begins[1:], [len(atoms)]])
        images = len(model.symmetry.point_rotations)
        self._groups = np.stack([elements[begins], begins * images, ends * images], axis=1)
        self._b_factors = b_factors[begins]
        self._atoms, self._tensors = _images(model, cell, atoms)

    def __call__(self, hkl: NDArray[np.int32]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """(n,) and (n,) of reflections (n, 3), none of them a systematic absence."""
        from nanobragg._core import sum_over_atoms

        return sum_over_atoms(
            self._coefficients, self._groups, self._b_factors, self._atoms, self._tensors, self._metric, hkl
        )


def _form_factor(gemmi: Any, number: int, energy: float) -> list[float]:
    coefficients = gemmi.Element(number).it92
    return [*coefficients.a, *coefficients.b, coefficients.c, *gemmi.cromer_liberman(z=number, energy=energy)]


def _images(model: ModelFile, cell: Any, atoms: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x, y, z, weight (n·p, 4) and tensors (n·p, 6) of all atoms but those of the centring, which count by weight."""
    fraction = np.array(cell.frac.mat.tolist())
    rotations, translations = model.symmetry.representatives
    centring = len(model.symmetry.rotations) / len(rotations)
    places = np.array([atom.pos.tolist() for atom in atoms]) @ fraction.T
    turned = np.einsum("pij,nj->npi", rotations, places) + translations
    weights = np.array([atom.occ for atom in atoms]) * centring
    u = np.array([atom.aniso.as_mat33().tolist() if atom.aniso.nonzero() else np.zeros((3, 3)) for atom in atoms])
    tensors = 2 * np.pi**2 * np.einsum("ij,njk,lk->nil", fraction, u, fraction)
    of_images = np.einsum("pij,njk,plk->npil", rotations, tensors, rotations)
    six = of_images[..., [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    both = np.concatenate([turned, np.broadcast_to(weights[:, None, None], (*turned.shape[:2], 1))], axis=2)
    return both.reshape(-1, 4), six.reshape(-1, 6)
