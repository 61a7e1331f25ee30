"""Elements of atoms that files name in their own way (``specs/formats.md``)."""

from __future__ import annotations

import re
from typing import Any

_WATER = re.compile(r"(WAT|HOH|H2O|OH2|DOD|TIP|SOL|O\d*W|OH)(?![A-Z]{2})", re.IGNORECASE)
_WATER_MOLECULE = re.compile(r"(WAT|HOH|H2O|OH2|DOD)(?![A-Z])", re.IGNORECASE)
"""Names that are of no other atom, though they begin as symbols of elements do."""
_LIGHT = "CNOHSP"


class Elements:
    """Finds elements, and remembers what was taken for granted."""

    def __init__(self, gemmi: Any, formula: dict[str, float]) -> None:
        self._gemmi, self._formula = gemmi, formula
        self.taken: dict[str, list[str]] = {}
        """labels by the element that they were taken for"""
        self.unknown: list[str] = []

    def find(self, label: str, symbol: str, known: Any) -> Any | None:
        """The element of an atom, ``None`` for one that is not known.

        Args:
            label: its name.
            symbol: its type, where the file says one.
            known: what gemmi makes of both.

        """
        said = symbol or label
        water = _WATER_MOLECULE.match(said) is not None
        if known.atomic_number and not water and (symbol != label or self._in_formula(known.name)):
            return self._with_form_factor(label, known)
        letters = re.match(r"[A-Za-z]*", said)[0]  # type: ignore[index]
        candidates = []
        if _WATER.match(said):
            candidates.append("O")
        candidates += [letters[:2], letters[:1] if letters[:1].upper() in _LIGHT or known.atomic_number else ""]
        for candidate in candidates:
            element = self._gemmi.Element(candidate)
            if element.atomic_number and self._in_formula(element.name):
                if element != known:
                    self.taken.setdefault(element.name, []).append(label)
                return self._with_form_factor(label, element)
        if known.atomic_number:
            return self._with_form_factor(label, known)
        self.unknown.append(label)
        return None

    def warnings(self, name: str) -> list[str]:
        """What was assumed and what was left out."""
        said = [
            f"{name}: {_listed(labels)} {'is' if len(labels) == 1 else 'are'} taken for {element}"
            for element, labels in self.taken.items()
        ]
        if self.unknown:
            count = len(self.unknown)
            atoms = "atom of unknown element is" if count == 1 else "atoms of unknown element are"
            said.append(f"{name}: {count} {atoms} left out: {_listed(self.unknown)}")
        return said

    def _in_formula(self, element: str) -> bool:
        return not self._formula or element in self._formula or (element == "D" and "H" in self._formula)

    def _with_form_factor(self, label: str, element: Any) -> Any | None:
        if element.it92 is None:
            self.unknown.append(f"{label} ({element.name})")
            return None
        return element


def parse_formula(text: str) -> dict[str, float]:
    """Numbers of atoms by element of ``C10 H12 N2``; empty for what cannot be read."""
    words = text.split()
    matches = [re.fullmatch(r"([A-Z][a-z]?)(\d*\.?\d*)", word) for word in words]
    if not words or any(match is None for match in matches):
        return {}
    counts: dict[str, float] = {}
    for match in matches:
        symbol, number = match.groups()  # type: ignore[union-attr]
        counts[symbol] = counts.get(symbol, 0.0) + float(number if number not in ("", ".") else 1)
    return counts


def _listed(labels: list[str], most: int = 8) -> str:
    different = list(dict.fromkeys(labels))
    return ", ".join(different[:most]) + (f" and {len(different) - most} more" if len(different) > most else "")
