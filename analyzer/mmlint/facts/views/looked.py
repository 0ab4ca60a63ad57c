"""What rules look at, counted: with the number of places that were checked, silence can be told from blindness."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from mmlint.facts.entries.fork import is_fork_copy
from mmlint.facts.entries.reuse import count_tests
from mmlint.facts.entries.upgrade import maps_frames
from mmlint.facts.function import Function
from mmlint.facts.locks.held import Prop
from mmlint.facts.locks.locks import changes_locks, locks
from mmlint.facts.owners.counthooks import kind_looks
from mmlint.facts.owners.gup import gup_calls
from mmlint.facts.owners.resources import ownership
from mmlint.facts.pins.pins import pin_sites
from mmlint.kernel.tables import Tables


class Looked(NamedTuple):
    """`what` a rule looks at, in the plural, and how many of it a function has."""

    what: str
    count: Callable[[Function], int]


def calls(what: str, names: Callable[[Tables], Collection[str]]) -> Looked:
    """The reachable calls of names that the kernel tables list."""

    def count(function: Function) -> int:
        return sum(map(len, function.calls_of(names(function.tables)).values()))

    return Looked(what, count)


def taken(what: str, *resources: str) -> Looked:
    """The things of some kinds, of all if none is named, that a function takes and that are followed to its exits."""

    def count(function: Function) -> int:
        return sum(not resources or row.resource in resources for _, _, row in ownership(function).takes.values())

    return Looked(what, count)


def _in_atomic_sections(function: Function) -> int:
    if not changes_locks(function):
        return 0
    kinds = {name for name, kind in function.tables.kinds.items() if kind.atomic}

    def held(prop: Prop) -> bool:
        return any(not lock.gone and lock.kind in kinds for lock in prop)

    return sum(any(map(held, states)) for states in locks(function).at_call.values())


GUP_CALLS = Looked("GUP calls", lambda function: len(gup_calls(function)))
PIN_SITES = Looked("GUP calls, and calls of wrappers whose flags the caller gives", lambda f: len(pin_sites(f)))
ALL_TAKEN = taken("things taken")
FORK_COPIES = Looked("functions that copy page tables at fork", lambda function: int(is_fork_copy(function)))
COUNT_TESTS = Looked("tests of a page's count", lambda function: len(count_tests(function)))
FRAMES = Looked("functions that put a given frame into an entry", lambda function: int(maps_frames(function)))
ATOMIC_CALLS = Looked("calls inside atomic sections", _in_atomic_sections)
LOCK_CALLS = calls("calls that take or drop a lock", lambda tables: tables.takes.keys() | tables.drops.keys())
PAGE_CALLS = calls(
    "calls that take or give back a page", lambda tables: tables.page_takers.union(tables.gives_resource)
)
TEARDOWNS = calls("calls around the removal of a memory map", lambda tables: tables.teardowns)
KIND_LOOKS = Looked("questions about a page's kind beside its count", lambda function: len(kind_looks(function)))
COUNTERS = Looked(
    "functions that name a counter of struct page",
    lambda function: int(not function.words.isdisjoint(("_refcount", "_mapcount"))),
)
