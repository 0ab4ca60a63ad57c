"""Early exits that a patch deletes, test and all, with nothing else: who was turned away before goes on now."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison
from mmlint.changes.fewer import Fewer, alone, asked_by_callee, kept_in_a_value, missed, weighs
from mmlint.changes.spared import spares_work
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare, plain

_NOTHING = frozenset({"0", "NULL", "false"})


def exit_gone(change: FunctionChange) -> Fewer | None:
    """Where control goes on now, and the test that sent some away from there, if the patch only deletes that."""
    compared = alone(change)
    if compared is None or change.patch.large or compared.added:
        return None
    node, place = _only_exit(compared)
    if node is None or place is None or not _of_state(node) or _known(compared, node):
        return None
    if not weighs(node.expr) or kept_in_a_value(compared, node):
        return None
    if spares_work(compared, node) and _says_nothing(node):
        return None
    if asked_by_callee(compared, node) or not missed(change, compared, plain(node)):
        return None
    return Fewer(place, plain(node))


def _known(compared: Comparison, node: Node) -> bool:
    """Whether the tables know what the test asks: then they know, too, what may come in its place."""
    tables = compared.before.tables
    asked = [act.word for act in compared.removed if node in act.tests]
    return any(word in tables.guards or tables.steps.done_by(word) for word in asked)


def _says_nothing(test: Node) -> bool:
    """Whether the way out of a test tells the caller no more than that nothing went wrong."""
    ends = (n for n, _ in test.succ if n.kind == "return")
    return all(n.expr is None or n.expr.key in _NOTHING for n in ends)


def _of_state(node: Node) -> bool:
    """Whether a test is about more than what a variable holds: that is an answer, and others speak of it."""
    return node.expr is not None and any(part.kind in ("field", "call") for part in bare(node.expr).walk())


def _only_exit(compared: Comparison) -> tuple[Node | None, Node | None]:
    """The one test that is gone, with the statement behind it (of after), if all that is gone is the way out."""
    was = [n for n in reach(compared.before).order if n.kind == "branch" and n.expr is not None]
    gone = [n for n in was if n.line not in compared.lines]
    if len(gone) != 1 or any(
        n.line not in compared.standing for n in reach(compared.after).order if n.expr is not None
    ):
        return None, None
    test, order = gone[0], reach(compared.before)
    for side, other in ((True, False), (False, True)):
        arm = next((n for n, label in test.succ if label is side), None)
        rest = next((n for n, label in test.succ if label is other), None)
        if arm is None or rest is None or arm.line in compared.lines or order.chosen(test, rest) is side:
            continue
        left = [a for a in compared.removed if a.node is not test and order.chosen(test, a.node) is not side]
        if left or order.before(arm, rest):
            continue
        return test, compared.behind(test)
    return None, None
