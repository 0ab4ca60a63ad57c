"""Calls within which others may let go of a thing: a callee gives up a reference, or drops a lock of its caller's."""

from __future__ import annotations

import re
from collections.abc import Set

from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function, keep
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import root_of
from mmlint.facts.locks.locks import lent
from mmlint.facts.steps import performed
from mmlint.facts.things import COUNTED, PATH, Thing, given, kind_of

_TAKES = re.compile(r"get|take|grab|acquire|alloc|hold|ref")
_LEVELS = 3
"""How many calls deep a release is looked for."""


def gives_up(function: Function, call: Expr, thing: Thing, level: int = _LEVELS) -> bool:
    """Whether a call is known to give up, on some way, a reference of a thing that it is handed."""
    if thing in given(function, call.value, call):
        return True
    callee = function.program.resolve(call.value, function.path) if call.value and level else None
    if callee is None or callee is function or callee.source.damaged:
        return False
    places = [i for i, arg in enumerate(call.args) if canon(arg) == thing.key]
    return any(i in _given_params(callee, thing.kind, level - 1) for i in places)


def _given_params(function: Function, kind: str, level: int) -> frozenset[int]:
    """The parameters of which the function, or what it calls `level` calls deep, gives a reference up."""

    def compute() -> frozenset[int]:
        calls = [call for name, each in function.calls.items() if name for _, call in each]
        return frozenset(
            i
            for i, name in enumerate(function.params)
            if name and any(gives_up(function, call, Thing(name, kind), level) for call in calls)
        )

    return keep(function, ("given params", kind, level), compute)


def drops_callers_lock(function: Function) -> bool:
    """Whether the function may drop a lock of its callers that it reaches by a parameter."""
    return any("->" in held.key and root_of(held.key) in function.params for held in lent(function))


def borrowed(function: Function, name: str) -> bool:
    """Whether a variable is only given what calls find that take no reference of it, and nobody takes one for it."""
    values = [value for value in assigned_values(function).get(name, []) if value.value not in ("NULL", "0")]
    found = (value.kind == "call" and not PATH.match(canon(value)) for value in values)
    rows = function.tables.takes_resource.items()
    taking = {each for each, taken in rows if any(COUNTED.search(kind_of(row.resource)) for row in taken)}
    return (
        bool(values) and all(found) and not any(may_take(function, c.value, taking) for v in values for c in v.calls())
    )


def may_take(function: Function, name: str, taking: Set[str]) -> bool:
    """Whether a call may do what the calls `taking` do: what is not known by its body is judged by its name."""
    if name in function.tables.takes_resource:
        return True
    callee = function.program.resolve(name, function.path)
    return _TAKES.search(name) is not None if callee is None else not performed(callee).isdisjoint(taking)
