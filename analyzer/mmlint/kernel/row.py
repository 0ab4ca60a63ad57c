"""What all rows of the kernel tables have."""

from __future__ import annotations

from dataclasses import fields

from mmlint.frozen import dataclass


class _Value:
    """Equality, hash and text once for all rows: generating them for every class costs start-up time."""

    __slots__ = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, each.name) for each in fields(self))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Value) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        said = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self)]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(said)})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Row(_Value):
    """What all rows have: the name in the kernel's source, where the statement comes from, the releases it is for."""

    name: str
    source: str = ""
    since: str = ""
    until: str = ""
    note: str = ""
