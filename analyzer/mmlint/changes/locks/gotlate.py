"""References that were taken under the lock with which a thing was found, and that a patch takes once the lock is free:
whoever gives the last one up may come in between (PAT116).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison, named
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_GETS = re.compile(r"(^|_)(get|hold|grab|ref|inc)(_|$)")
_MAY_FAIL = re.compile(r"(^|_)(try\w*|unless|not|live|maybe)(_|$)")
"""Gets that look for themselves whether there still is something to get."""
_OWNED = re.compile(r"(^|_)(\w*alloc|create|get|tryget)(_|$)")
"""Calls that may come back with a reference."""
_OF_PAGES = frozenset({"ptl", "walk"})
"""Locks that keep a page mapped; the mmap lock does not: reclaim unmaps without it."""
_NOTHING = frozenset({"NULL", "0"})


@dataclass(frozen=True, slots=True)
class GotLate:
    """`act` (of after) takes a reference of `what`, which was found under `lock` and has none by then."""

    what: str
    act: Act
    lock: Held


def got_late(change: FunctionChange) -> list[GotLate]:
    """The gets that have left the section of the lock that their thing is still found under."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends:
        return []
    return list(_late(compared))


def _late(compared: Comparison) -> Iterator[GotLate]:
    for act in compared.old:
        if act.expr.kind != "call" or not _GETS.search(act.word) or _MAY_FAIL.search(act.word):
            continue
        now = compared.pairs.get(id(act)) or _only(compared, act.word) or _kindred(compared, act)
        if now is None or len(now.expr.args) != 1:
            continue
        gone = locks(compared.before).always_held(act.expr) - locks(compared.after).always_held(now.expr)
        what = canon(now.expr.args[0])
        for lock in _found_under(compared.after, now.node, what) if gone else ():
            if lock.key in gone:
                yield GotLate(what, now, lock)
                break


def _only(compared: Comparison, word: str) -> Act | None:
    """The only call of this name that the patch adds."""
    added = named(compared.added, word)
    return added[0] if len(added) == 1 else None


def _kindred(compared: Comparison, act: Act) -> Act | None:
    """The only call that the patch adds which takes such a reference, by another name."""
    takes = compared.after.tables.takes_resource
    kinds = {row.resource for row in takes.get(act.word, ())}
    alike = [a for a in compared.added if not kinds.isdisjoint(row.resource for row in takes.get(a.word, ()))]
    return alike[0] if len(alike) == 1 else None


def _held(function: Function, node: Node) -> frozenset[Held]:
    """The locks that are held whichever way control comes to a node."""
    states = [frozenset(h for h in prop if not h.gone) for prop in locks(function).flow.states(node)]
    return frozenset.intersection(*states) if states else frozenset()


def _found_under(function: Function, get: Node, what: str) -> frozenset[Held]:
    """The locks held wherever a variable gets what it holds at a node, if that comes without a reference; those of the
    caller's own, and those held all along, do not tell.
    """
    order = reach(function)
    values = [value for value in _given(function, what) if value.key not in _NOTHING]
    if not values or any(_OWNED.search(call.value) for value in values for call in value.calls()):
        return frozenset()
    sets = [n for n in order.order if n.sets(what) and order.before(n, get)]
    found = [_held(function, n) for n in sets if not _clears(n)]
    kept = _held(function, get)
    common = frozenset.intersection(*found) if found else frozenset()
    lost = common - kept
    no_help = {"ptl", "mmap_lock"} if any(lock.kind in _OF_PAGES for lock in lost) else {"ptl"}
    return frozenset() if any(lock.kind not in no_help and lock in kept for lock in common) else lost


def _given(function: Function, what: str) -> list[Expr]:
    """What a variable, or a member of something, is set to."""
    events = (event for node in function.cfg.order for event in node.events)
    stored = [e.args[1] for op, e in events if op == "assign" and e.args[0].kind == "field" and e.args[0].key == what]
    return [*assigned_values(function).get(what, ()), *stored]


def _clears(node: Node) -> bool:
    return node.expr is not None and node.expr.kind == "assign" and node.expr.args[1].key in _NOTHING
