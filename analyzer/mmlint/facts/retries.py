"""Retries that a patch takes away: the jump back to a label, taken where what was looked at had changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.change import FunctionChange
from mmlint.facts.compare import Comparison, comparison
from mmlint.facts.function import call_targets
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, bare
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class LostRetry:
    """`test` decided before the patch whether `again` (after it) was done once more."""

    test: Node
    again: Act


def lost_retries(change: FunctionChange) -> list[LostRetry]:
    """The retries of before without a counterpart, where no other loop came."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    old, new = reach(compared.before), reach(compared.after)
    if _loops(new) > _loops(old) or len(_retried(new)) >= len(_retried(old)):
        return []
    return list(_lost(compared, old, _retried(new)))


def _loops(order: Reach) -> int:
    return sum(not head.name for _, head in order.back)


def _retried(order: Reach) -> frozenset[str]:
    return frozenset(head.name for _, head in order.back if head.name)


def _lost(compared: Comparison, order: Reach, still: frozenset[str]) -> Iterator[LostRetry]:
    told: set[str] = set()
    for tail, head in order.back:
        if not head.name or head.name in still or head.name in told:
            continue
        again = next((a for a in compared.old if order.before(head, a.node) and a.expr.kind == "call"), None)
        there = compared.pairs.get(id(again)) if again is not None else None
        test = _decider(compared, order, tail)
        if there is not None and test is not None:
            told.add(head.name)
            yield LostRetry(test, there)


def _decider(compared: Comparison, order: Reach, tail: Node) -> Node | None:
    """The last test that the patch removes, that led back, and that asked whether something had changed."""
    for node in reversed(order.order):
        if node.kind != "branch" or node.expr is None or node.line in compared.lines:
            continue
        led = node is tail or (order.before(node, tail) and order.chosen(node, tail) is not None)
        if led and _asks(compared, node.expr):
            return node
    return None


def _asks(compared: Comparison, expr: Expr) -> bool:
    """A comparison of two values, or a test of the tables, of a call that takes something, or of its result."""
    expr = bare(expr)
    if expr.kind == "binary" and expr.value in ("==", "!="):
        return not any(_constant(arg) for arg in expr.args)
    tables = compared.before.tables
    asked = [call.value for call in expr.calls()]
    asked += [
        call.value
        for calls in compared.before.calls.values()
        for _, call in calls
        if (target := call_targets(compared.before).get(id(call))) is not None and target.key == expr.key
    ]
    return any(name in tables.guards or name in tables.takes or name in tables.takes_resource for name in asked)


def _constant(expr: Expr) -> bool:
    while expr.kind == "unary":
        expr = expr.args[0]
    return expr.kind == "num" or (expr.kind == "name" and (expr.value.isupper() or expr.value in ("true", "false")))
