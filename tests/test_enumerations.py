"""Numbers that a Scene hands to the engine mean there what they mean here: GAUSS is not rendered as another shape."""

from __future__ import annotations

import enum
from dataclasses import replace

import pytest

from nanobragg import InputError, _core, parse_words, resolve
from nanobragg.records import scene as records
from nanobragg.records.scene import Scene


def test_python_and_cpp_have_the_same_enumerations() -> None:
    """Every enumeration of the Scene's module, member by member."""
    ours = {
        name: {member.name.lower(): int(member) for member in kind}
        for name, kind in vars(records).items()
        if isinstance(kind, enum.EnumMeta) and kind.__module__.startswith("nanobragg.")
    }
    assert set(ours) == {"Shape", "Factor", "Interpolation"}
    assert _core.enumerations() == ours


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A small one."""
    words = "-cell 50 60 70 90 90 90 -N 5 -default_F 1 -lambda 1 -distance 100 -detpixels 4"
    return resolve(parse_words(words.split()).experiment).scene


@pytest.mark.parametrize("field", ["crystal_shape", "omega", "polar", "capture", "interpolation"])
@pytest.mark.parametrize("wrong", [-1, 17])
def test_a_number_that_is_no_member_is_refused(field: str, wrong: int, scene: Scene) -> None:
    """... with the members by name, and nothing is rendered by a wrong formula."""
    names = _core.enumerations()["Factor" if field in ("omega", "polar", "capture") else "Shape"]
    if field == "interpolation":
        names = _core.enumerations()["Interpolation"]
    expected = ", ".join(f"{number} ({name})" for name, number in names.items())
    with pytest.raises(InputError) as caught:
        _core.BoundScene(replace(scene, **{field: wrong}))
    assert str(caught.value) == f"Scene: {field}: expected one of {expected}"
