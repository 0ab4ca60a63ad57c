"""Second looks under a lock that a patch takes away together with the lock: what the first one said is final now."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class LookedOnce:
    """`variable` was set by the same call once more under the lock that `lock` (before the patch) took, where `test`
    (after it) had sent others away.
    """

    variable: str
    lock: Act
    test: Node


def looked_once(change: FunctionChange) -> LookedOnce | None:
    """The first value that was looked up anew under a lock where the first look said no, if neither is there now."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends:
        return None
    after, tables = compared.after, compared.before.tables
    if any(act.word in tables.takes for act in compared.new if id(act) not in compared.still):
        return None
    for variable, lock in _looked_again(compared):
        sets = _sets(after, variable)
        order = reach(after)
        tests = (n for n in order.order if n.kind == "branch" and n.expr is not None and variable in n.expr.names())
        test = next((n for n in tests if sets and all(order.before(s, n) for s in sets)), None)
        if len(sets) == 1 and test is not None:
            return LookedOnce(variable, lock, test)
    return None


def _looked_again(compared: Comparison) -> Iterator[tuple[str, Act]]:
    """The variables that a call sets twice, the second time under a lock which is taken where the first one said no,
    and the locks that are not taken any more.
    """
    order, before = reach(compared.before), compared.before
    takes = [act for act in compared.removed if act.word in before.tables.takes]
    for lock in takes:
        test, outcome = order.innermost(lock.node)
        for variable in sorted(test.expr.names()) if test is not None and test.expr is not None else ():
            assert test is not None
            sets = _sets(before, variable)
            again = [n for n in sets if order.before(lock.node, n) and order.chosen(test, n) is outcome]
            first = [n for n in sets if order.dominates(n, test)]
            if len(sets) == len(again) + len(first) == 2 and _text(again) == _text(first):
                yield variable, lock


def _sets(function: Function, variable: str) -> list[Node]:
    return [n for n in function.cfg.order if n.expr is not None and n.sets(variable)]


def _text(nodes: list[Node]) -> list[str]:
    """What some statements set their variable to, if that comes from calls."""
    exprs = [n.expr for n in nodes if n.expr is not None]
    return [e.args[1].key for e in exprs if e.kind == "assign" and e.args[1].kind == "call"]
