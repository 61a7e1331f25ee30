"""Records behave as the frozen dataclasses that users and type checkers take them for."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle

import pytest

from nanobragg import Beam, Crystal, Detector, Experiment


def test_fields_by_name_and_defaults() -> None:
    beam = Beam(wavelength=1.5)
    assert (beam.wavelength, beam.energy) == (1.5, None)
    assert [f.name for f in dataclasses.fields(beam)][:2] == list(Beam.__dataclass_fields__)[:2]
    first, second = Experiment(), Experiment()
    assert first.crystal is not second.crystal  # A default that is a record is made anew.


def test_a_wrong_name_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"Beam: found 'wavelenght', expected one of .*wavelength"):
        Beam(wavelenght=1.5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        Beam(1.5)  # type: ignore[misc]


def test_a_missing_value_is_named() -> None:
    from nanobragg import Scene

    with pytest.raises(TypeError, match="Scene: found no value for 'panels'"):
        Scene()  # type: ignore[call-arg]


def test_nothing_is_assigned_or_deleted() -> None:
    beam = Beam(wavelength=1.5)
    with pytest.raises(dataclasses.FrozenInstanceError, match="wavelength"):
        beam.wavelength = 2.0  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="wavelength"):
        del beam.wavelength  # type: ignore[misc]
    assert beam.wavelength == 1.5


def test_replaced_copied_and_pickled() -> None:
    crystal = Crystal(cell=(50, 60, 70, 90, 90, 90), cells=(5, 6, 7))
    other = dataclasses.replace(crystal, cells=(8, 8, 8))
    assert (other.cell, other.cells, crystal.cells) == (crystal.cell, (8, 8, 8), (5, 6, 7))
    for same in (copy.copy(crystal), copy.deepcopy(crystal), pickle.loads(pickle.dumps(crystal))):
        assert type(same) is Crystal
        assert repr(same) == repr(crystal)
        assert same != crystal  # Records are compared by identity.


def test_signature_and_text() -> None:
    parameters = inspect.signature(Detector).parameters
    assert parameters["distance"].default is None
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    assert repr(Beam(wavelength=1.5)).startswith("Beam(wavelength=1.5, ")
