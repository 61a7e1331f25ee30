"""What the records of this package are: their fields, given by name, never changed, compared by identity."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """Tell type checkers, and nobody else."""
        return lambda record: record


class _Signature:
    """What ``inspect.signature`` finds, made when it is asked for."""

    def __get__(self, record: object, kind: type[Record]) -> inspect.Signature:
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if _default_of(said) is MISSING else _default_of(said),
                    annotation=said.type,
                )
                for name, said in kind.__dataclass_fields__.items()
            ]
        )


def _default_of(said: Field[Any]) -> Any:
    return said.default if said.default_factory is MISSING else said.default_factory


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=False, field_specifiers=(field,))
class Record:
    """A frozen dataclass of keywords, for ``dataclasses.fields`` and ``replace`` as for type checkers.

    All records share these functions. Those that ``dataclass`` writes for each are compiled when a program starts: they
    took a third of the time of our imports.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    __signature__: ClassVar[Any] = _Signature()

    def __init_subclass__(cls) -> None:
        """Note the fields."""
        dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)

    def __init__(self, **values: Any) -> None:
        """Take a value for each field that has no default, and for any that has."""
        own, kind = self.__dict__, type(self)
        for name, said in kind.__dataclass_fields__.items():
            if name in values:
                own[name] = values.pop(name)
            elif said.default is not MISSING:
                own[name] = said.default
            elif said.default_factory is not MISSING:
                own[name] = said.default_factory()
            else:
                raise TypeError(f"{kind.__name__}: found no value for {name!r}, expected one")
        for name in values:
            raise TypeError(f"{kind.__name__}: found {name!r}, expected one of {', '.join(kind.__dataclass_fields__)}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check or complete what was given; for records that want to."""

    def __repr__(self) -> str:
        """As it is written in Python."""
        said = [f"{f.name}={getattr(self, f.name)!r}" for f in self.__dataclass_fields__.values() if f.repr]
        return f"{type(self).__qualname__}({', '.join(said)})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse."""
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse."""
        raise FrozenInstanceError(f"cannot delete field {name!r}")
