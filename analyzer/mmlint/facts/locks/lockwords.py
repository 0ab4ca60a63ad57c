"""What the text of a function says of locks, before any flow is followed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.locks import unseen
from mmlint.facts.locks.held import pointee
from mmlint.kernel.rows import GUARDS
from mmlint.kernel.tables import Tables

_CALLED = re.compile(rb"\b([A-Za-z_]\w*+)\s*+\(")


@fact
def names_called(function: Function) -> tuple[str, ...]:
    """The names that its text calls, in order, those of macros, keywords and comments among them."""
    return tuple(dict.fromkeys(name.decode() for name in _CALLED.findall(function.text)))


@fact
def page_table_locks(function: Function) -> frozenset[str]:
    """The lvalues that are given the address of a page-table lock (`ptl = pmd_lock(mm, pmd)`, or of `pmd_lockptr`)."""
    found: set[str] = set()
    tables = function.tables
    for name, calls in function.calls.items():
        pointer = tables.lock_pointers.get(name)
        for row in (*tables.takes.get(name, ()), *((pointer,) if pointer is not None else ())):
            for _, call in calls if row.kind == "ptl" else ():
                target = call_targets(function).get(id(call))
                if row.out is not None and row.out < len(call.args):
                    found.add(pointee(call.args[row.out]))
                elif target is not None and getattr(row, "result", True):
                    found.add(target.key)
    return frozenset(found)


@fact
def lock_tokens(function: Function) -> bool:
    """Whether the function's text names a call that takes or drops anything."""
    return function.mentions(function.tables.takes) or function.mentions(function.tables.drops) or function.has(*GUARDS)


@fact
def may_change_locks(function: Function) -> bool:
    """Whether it, or a function of its file that it calls, takes or drops a lock."""
    first = function.program.functions(function.path)[0]
    return function.name in _lock_changers(first)


@fact
def _lock_changers(first: Function) -> frozenset[str]:
    """The functions of the file of `first` that name a lock's taker or dropper, or one of these functions."""
    functions = first.program.functions(first.path)
    found = {f.name for f in functions if lock_tokens(f) or unseen.calls_unlock(f.text)}
    rest = [f for f in functions if f.name not in found]
    while rest:
        more = {f.name for f in rest if not f.words.isdisjoint(found)}
        if more <= found:
            break
        found |= more
        rest = [f for f in rest if f.name not in found]
    return frozenset(found)


@lru_cache(maxsize=8)
def _kinds_taken(table: Tables) -> Mapping[str, frozenset[str]]:
    """The kinds of locks and contexts that calls enter, by their names."""
    return {n: frozenset(kind for row in rows for kind in (row.kind, *row.also)) for n, rows in table.takes.items()}


def kinds_named(function: Function) -> frozenset[str]:
    """The kinds of locks and contexts that the calls which its text names enter, by the tables."""
    taken, words = _kinds_taken(function.tables), function.words
    guards = function.tables.scope_guards if function.has(*GUARDS) else {}
    names = (taken.keys() & words) | {guards[name].take for name in guards.keys() & words}
    return frozenset(kind for name in names for kind in taken.get(name, ()))


def is_api(table: Tables, name: str) -> bool:
    """Whether the tables say what a call means, so that its body need not be looked at."""
    return name in table.nosleep or name in table.sleeps or name in table.gup or name in table.noreturn
