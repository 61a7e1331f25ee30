"""A Scene is bound to C++ once, when it is first rendered or traced; whoever uses it again finds it bound."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.records.scene import Scene

_BOUND: WeakKeyDictionary[Scene, _core.BoundScene] = WeakKeyDictionary()


def bound(scene: Scene, like: _core.BoundScene | None = None) -> _core.BoundScene:
    """The Scene as C++ has it.

    Its arrays become read-only: C++ has copied the small ones, points to the large ones and keeps what it derived
    from them, so that a change would be lost, or half of it.

    Args:
        scene: any; not kept alive.
        like: a Scene that may have the same array of structure factors, of which as much is known already.

    Raises:
        InputError: for what is not a Scene, and for one that cannot be rendered.

    """
    if not isinstance(scene, Scene):
        raise InputError(f"scene: found {type(scene).__name__}, expected a Scene")
    found = _BOUND.get(scene)
    if found is None:
        found = _core.BoundScene(scene)
        if like is not None:
            found.share_factors(like)
        _freeze(scene)
        found = _BOUND.setdefault(scene, found)  # another thread may have been first
    return found


def _freeze(scene: Scene) -> None:
    import numpy as np

    for record in (scene, *scene.panels):
        for value in vars(record).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
