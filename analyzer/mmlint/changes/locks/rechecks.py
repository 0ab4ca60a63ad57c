"""Second looks under a lock that a patch takes away: what was asked right behind the taking of it."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.about import target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, plain, plain_null
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Recheck:
    """`member` of what the lock of `taken` (of after) lies in was asked for behind it, and is not any more."""

    taken: Act
    member: str


def lost_rechecks(change: FunctionChange) -> list[Recheck]:
    """The first such look that led out, if the patch looks at the member nowhere else; one before the lock is none."""
    compared = comparison(change)
    if compared is None or change.patch.partial or any(a.expr.kind == "call" for a in compared.added):
        return []
    order = reach(compared.before)
    tests = (n for n in order.order if n.kind == "branch")
    found = (recheck for test in tests for recheck in _rechecked(compared, order, test))
    return [each for each in found if not change.lost_elsewhere(each.member.rpartition(">")[2])][:1]


def _rechecked(compared: Comparison, order: Reach, test: Node) -> list[Recheck]:
    members = [] if _never_changes(compared.before, test) else list(_asked_about(compared.before, test))
    for act in reversed(compared.old if members else ()):
        now = compared.pairs.get(id(act))
        if act.word not in compared.before.tables.takes or now is None or not order.dominates(act.node, test):
            continue
        if _asked_behind(compared, now, test) or not _right_behind(compared, order, act, test):
            return []
        holders = _holders(act)
        beside = [
            m
            for m, via in members
            if m.args[0].key in holders
            and m.key not in holders
            and (
                not _still_asked(compared, now, m, via)
                or _only_in_front(compared, now, test, m)
                or _used_as_asked_before(compared, now, m, test)
            )
        ]
        return [Recheck(now, m.key) for m in beside if _leads_to_unlock(compared, order, act, test)]
    return []


def _asked_behind(compared: Comparison, taken: Act, test: Node) -> bool:
    """Whether the same question is still asked behind the lock."""
    order = reach(compared.after)
    return any(order.before(taken.node, n) for n in _asking(compared.after, test))


def _asking(function: Function, test: Node) -> Iterator[Node]:
    """The branches that ask what a test asked."""
    asked = plain(test)
    return (n for n in function.cfg.order if n.kind == "branch" and plain(n) == asked)


def _only_in_front(compared: Comparison, taken: Act, test: Node, member: Expr) -> bool:
    """Whether the same question is put in front of the lock now, of a member that the function sets behind it: others
    set it there, too, and the answer may be another one by then. A look that says that it takes no lock is none.
    """
    order = reach(compared.after)
    moved = any(order.before(n, taken.node) for n in _asking(compared.after, test))
    stores = (
        e.args[0].key
        for n in order.order
        if n.expr is not None and order.before(taken.node, n)
        for e in n.expr.walk()
        if e.kind == "assign"
    )
    return moved and any(key == member.key or key.startswith(f"{member.key}[") for key in stores)


def _still_asked(compared: Comparison, taken: Act, member: Expr, via: str) -> bool:
    """Whether the function looks at the member behind the lock in some other way, or at the variable that holds it."""
    order = reach(compared.after)
    behind = (e for n in order.order if n.expr is not None and order.before(taken.node, n) for e in n.expr.walk())
    return any(e.value == member.value if e.kind == "field" else e.kind == "name" and e.value == via for e in behind)


def _used_as_asked_before(compared: Comparison, taken: Act, member: Expr, test: Node) -> bool:
    """Whether a member that the function asked for NULL on both sides of the lock is now asked in front of it only, and
    goes on to be used behind it.
    """
    pointer = plain_null(test.expr) if test.expr is not None else None
    if pointer is None or pointer.key != member.key:
        return False
    order = reach(compared.after)
    ahead = any(order.chosen(n, taken.node) is not None for n in _asking(compared.after, test))
    behind = (n.expr for n in order.order if n.kind == "branch" and n.expr is not None and order.before(taken.node, n))
    return ahead and not any(e.key == member.key for expr in behind for e in expr.walk())


def _never_changes(function: Function, test: Node) -> bool:
    """Whether the only constants that a test asks for are flags which an object keeps all its life."""
    constants = {name for name in test.expr.names() if name.isupper()} if test.expr is not None else set()
    return bool(constants) and constants <= function.tables.lasting


def _asked_about(function: Function, test: Node) -> Iterator[tuple[Expr, str]]:
    """The members that a test looks at, itself ("") or by a variable that they were given to."""
    if test.expr is None:
        return
    yield from ((e, "") for e in test.expr.walk() if e.kind == "field")
    for name in sorted(test.expr.names()):
        for value in assigned_values(function).get(name, []):
            yield from ((e, name) for e in value.walk() if e.kind == "field")


def _holders(act: Act) -> set[str]:
    """The objects that the lock lies in, or that it is the lock of."""
    return {e.key for arg in act.expr.args for e in arg.walk() if e.kind in ("name", "field")}


def _right_behind(compared: Comparison, order: Reach, act: Act, test: Node) -> bool:
    """Whether nothing is done between the lock and the look but other looks, and what they look at."""
    asked = test.expr.names() if test.expr is not None else frozenset()
    between = (
        other
        for other in compared.old
        if other is not act and order.before(act.node, other.node) and order.before(other.node, test)
    )
    return all(other.tests or other.expr.kind != "call" or target(other) & asked for other in between)


def _leads_to_unlock(compared: Comparison, order: Reach, act: Act, test: Node) -> bool:
    """Whether one outcome gives up the lock and leaves, with nothing done on the way or by a release of its own."""
    for outcome in (True, False):
        only = order.side(test, outcome) & ~order.side(test, not outcome)
        first = next((to for to, label in test.succ if label is outcome), None)
        own = [other for other in compared.old if other.expr.kind == "call" and only >> order.rank[other.node.id] & 1]
        if first is None:
            continue
        unlocks = _unlocks(compared, order, act, first)
        if any(other in own for other in unlocks) if own else unlocks:
            return True
    return False


def _unlocks(compared: Comparison, order: Reach, act: Act, start: Node) -> list[Act]:
    """The releases of the lock that `act` takes, from `start` on."""
    drops = compared.before.tables.drops
    locks = {arg.key for arg in act.expr.args}
    return [
        other
        for other in compared.old
        if other.word in drops
        and locks & {arg.key for arg in other.expr.args}
        and (start is other.node or order.before(start, other.node))
    ]
