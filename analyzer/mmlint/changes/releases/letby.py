"""Early exits that became a condition around a part of the function: who left there comes to a release now."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.about import operands
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import frees
from mmlint.changes.releases.otherways import OtherWays, taken_here
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.locks.held import local_names
from mmlint.facts.reach import once, reach
from mmlint.facts.steps import Act, opposite, plain, plain_null
from mmlint.facts.things import given
from mmlint.facts.watch import comes_by


def let_by(change: FunctionChange) -> OtherWays | None:
    """The first release of what the function did not take that is made for those, too, who left before it."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends or compared.scoped:
        return None
    old, new = (once(reach(side), ("branch",), plain) for side in (compared.before, compared.after))
    for key, test in old.items():
        now, side = new.get(key), _leaves(compared, test)
        if now is None or side is None:
            continue
        turned = side is (opposite(test) is opposite(now))
        for there in _released(compared, test, now, side):
            if _told_by_part(compared, now, turned, there.node) and comes_by(compared.after, now, turned, there.node):
                return OtherWays(there, now, more=True)
    return None


def _leaves(compared: Comparison, test: Node) -> bool | None:
    """The outcome of a test on which control leaves the function at once, with nothing done on the way."""
    order = reach(compared.before)
    for outcome in (True, False):
        only = order.side(test, outcome) & ~order.side(test, not outcome)
        nodes = [n for n in order.order if only >> order.rank[n.id] & 1]
        if any(n.kind == "return" for n in nodes) and all(n.kind in ("return", "nop") for n in nodes):
            return outcome
    return None


def _released(compared: Comparison, test: Node, now: Node, side: bool) -> Iterator[Act]:
    """The releases that stood behind a test, for those alone who got past, and stand behind both its outcomes now."""
    old, new = reach(compared.before), reach(compared.after)
    pointer = plain_null(test.expr) if test.expr is not None else None
    for act in compared.old:
        there = compared.pairs.get(id(act))
        if there is None or there.word != act.word or not _gives_up(compared.before, act):
            continue
        if old.chosen(test, act.node) is not (not side) or new.chosen(now, there.node) is not None:
            continue
        if not new.before(now, there.node) or (pointer is not None and pointer.key in operands(act)):
            continue
        if not taken_here(compared.before, act):
            yield there


def _told_by_part(compared: Comparison, now: Node, outcome: bool, place: Node) -> bool:
    """Whether a variable decides about a release that only the part tells about which is left out on one outcome: what
    is released anyway may have been leaked before.
    """
    order = reach(compared.after)
    test, _ = order.innermost(place)
    names = test.expr.names() & local_names(compared.after) if test is not None and test.expr is not None else set()
    for name in names:
        sets = [(n, e) for n in order.order for op, e in n.events if op == "assign" and e.args[0].key == name]
        told = [n for n, e in sets if e.args[1].kind != "num"]
        if told and all(order.chosen(now, n) is (not outcome) for n in told):
            return True
    return False


def _gives_up(function: Function, act: Act) -> bool:
    if act.expr.kind != "call" or act.use != "bare":
        return False
    return frees(act.word) or bool(given(function, act.word, act.expr))
