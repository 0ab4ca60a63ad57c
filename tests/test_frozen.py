"""The values of this project behave like those of the standard decorator, save that nothing stops a write."""

from __future__ import annotations

import pickle
from dataclasses import dataclass as standard
from dataclasses import field, fields, replace

import pytest
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Ours:
    """Compared by two of its fields."""

    path: str
    lines: tuple[int, ...] = ()
    note: str = field(default="", compare=False)
    secret: str = field(default="", repr=False, compare=False)


@standard(frozen=True, slots=True)
class Theirs:
    """The same, made by the standard decorator."""

    path: str
    lines: tuple[int, ...] = ()
    note: str = field(default="", compare=False)
    secret: str = field(default="", repr=False, compare=False)


@dataclass(slots=True)
class Open:
    """Can be changed, so it has no hash."""

    items: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Base:
    """Has no slots, and checks itself."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("negative")


@dataclass(frozen=True)
class Derived(Base):
    """One more field, one method of its own."""

    name: str = ""

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Same:
    """Equal to itself only."""

    name: str


def test_values_compare_and_hash_as_the_standard_ones() -> None:
    for kind in (Ours, Theirs):
        one, two = kind("a", (1,), "x"), kind("a", (1,), "y")
        assert one == two
        assert hash(one) == hash(two)
        assert one != kind("a", (2,), "x")
        assert len({one, two, kind("b")}) == 2
    others: list[object] = [Theirs("a"), "a", ("a", ())]
    assert Ours("a") not in others


def test_values_show_copy_and_travel() -> None:
    value = Ours("a", (1,), "x", "hidden")
    assert repr(value) == "Ours(path='a', lines=(1,), note='x')"
    assert replace(value, path="b") == Ours("b", (1,))
    assert [each.name for each in fields(value)] == ["path", "lines", "note", "secret"]
    again = pickle.loads(pickle.dumps(value))
    assert (again, again.secret) == (value, "hidden")
    assert not hasattr(value, "__dict__")


def test_what_can_be_changed_has_no_hash() -> None:
    one, two = Open(), Open()
    one.items.append(1)
    assert (two.items, one == Open([1])) == ([], True)
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_inheritance_and_own_methods() -> None:
    assert Derived(1, "a") == Derived(1, "a") != Derived(1, "b")
    assert repr(Derived(1, "a")) == "<a>"
    assert Base(1) != Derived(1)
    with pytest.raises(ValueError, match="negative"):
        Derived(-1)


def test_without_equality_each_value_is_its_own() -> None:
    one, two = Same(name="a"), Same(name="a")
    assert one != two
    assert len({one, two}) == 2
