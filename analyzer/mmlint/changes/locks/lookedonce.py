"""Second looks under a lock that a patch takes away together with the lock: what the first one said is final now."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class LookedOnce:
    """`variable` was set by the same call once more under the lock that `lock` (before the patch) took, where `test`
    (after it) had sent others away; or was compared there with what a call found, where `test` stands now.
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
    same = _still_the_same(compared)
    if same is not None:
        return same
    for variable, lock in _looked_again(compared):
        sets = _sets(after, variable)
        order = reach(after)
        tests = (n for n in order.order if n.kind == "branch" and n.expr is not None and variable in n.expr.names())
        test = next((n for n in tests if sets and all(order.before(s, n) for s in sets)), None)
        if len(sets) == 1 and test is not None:
            return LookedOnce(variable, lock, test)
    return None


def _still_the_same(compared: Comparison) -> LookedOnce | None:
    """A variable that is not compared any more with what a call finds under a lock, which was taken for that alone."""
    order, tables = reach(compared.before), compared.before.tables
    locks = {act.key: act for act in compared.removed if act.word in tables.takes and act.expr.args}
    calls = any(act.expr.kind == "call" for act in compared.added)
    for act in compared.removed if locks and not calls else ():
        variable = _compared_with(act)
        lock = next((lock for lock in locks.values() if order.dominates(lock.node, act.node)), None)
        if not variable or lock is None or variable not in compared.after.words:
            continue
        place = lock.expr.args[0].key
        drops = [d for d in compared.removed if d.word in tables.drops and place in {arg.key for arg in d.expr.args}]
        alone = not any(a for a in compared.old if id(a) in compared.pairs and _between(order, lock, a, drops))
        now = compared.behind(act.node)
        if alone and len(drops) > 1 and now is not None:
            return LookedOnce(variable, lock, now)
    return None


def _compared_with(act: Act) -> str:
    """The variable that a branch compares the result of a call with; "" if it does something else."""
    test = act.tests[0].expr if act.use == "test" and len(act.tests) == 1 else None
    if test is None or test.kind != "binary" or test.value not in ("==", "!=") or act.expr.kind != "call":
        return ""
    sides = {arg.key: arg for arg in test.args}
    other = next((arg for key, arg in sides.items() if key != act.expr.key), None)
    return other.value if act.expr.key in sides and other is not None and other.kind == "name" else ""


def _between(order: Reach, lock: Act, act: Act, drops: list[Act]) -> bool:
    """Whether something else is done under the lock."""
    return order.before(lock.node, act.node) and any(order.before(act.node, drop.node) for drop in drops)


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
