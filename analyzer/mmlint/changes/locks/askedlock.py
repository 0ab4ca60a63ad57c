"""Locks that a callee was always told to take by an argument, and that a variable decides about now"""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, bare, negated
from mmlint.frozen import dataclass

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class LeftToCaller:
    """`call` (after the patch) is told `told` where `lock`, a call of its callee, was always made."""

    call: Act
    told: Expr
    lock: str


def left_to_caller(change: FunctionChange) -> list[LeftToCaller]:
    """The calls that differ by such an argument alone; not those of functions that the patch changes too."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    changed = {other.name for other in change.patch.changes}
    found = []
    for act, now, was, told in compared.reworded():
        callee = compared.after.program.resolve(act.word, compared.after.path) if act.word not in changed else None
        if callee is None or was.key not in _TRUTHS or told.key == was.key:
            continue
        index = next(i for i, arg in enumerate(now.expr.args) if arg is told)
        lock = locked_for(callee).get((index, _TRUTHS[was.key]))
        if lock is not None:
            found.append(LeftToCaller(now, told, lock))
    return found


@fact
def locked_for(function: Function) -> dict[tuple[int, bool], str]:
    """The calls that take a lock for one truth value of a parameter only, by the parameter's place and the value."""
    order, found = reach(function), dict[tuple[int, bool], str]()
    tests = [n for n in order.order if n.kind == "branch" and n.expr is not None]
    tests = [n for n in tests if n.expr is not None and bare(n.expr).key in function.params]
    for name, calls in function.calls.items() if tests else ():
        if not _takes(function, name):
            continue
        for test in tests:
            assert test.expr is not None
            sides = {order.chosen(test, node) for node, _ in calls}
            if len(sides) == 1 and None not in sides:
                value = sides.pop() is not negated(test.expr)
                found.setdefault((function.params.index(bare(test.expr).key), value), name)
    return found


def _takes(function: Function, name: str) -> bool:
    """Whether a call takes a lock, by the tables or its callee's own body, and comes back with it."""
    tables = function.tables
    if name in tables.takes:
        return all(row.mode != "try" for row in tables.takes[name])
    callee = function.program.resolve(name, function.path) if name else None
    called = callee.calls.keys() if callee is not None and callee is not function else frozenset[str]()
    return not called.isdisjoint(tables.takes) and called.isdisjoint(tables.drops)
