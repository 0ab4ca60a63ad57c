"""Retries that a patch takes away: the jump back to a label, taken where what was looked at had changed meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, bare, plain
from mmlint.frozen import dataclass

_AGAIN = re.compile(rb"-E(AGAIN|STALE)\b|VM_FAULT_RETRY")


@dataclass(frozen=True, slots=True)
class LostRetry:
    """`test` decided before the patch whether `again` (after it) was done once more, or not done this time."""

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


def lost_turns(change: FunctionChange) -> list[LostRetry]:
    """The loops that went on as long as their body was told to try again, and do not any more."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    order, asked = reach(compared.before), {plain(n) for n in compared.after.cfg.order if n.kind == "branch"}
    changed = {other.name for other in change.patch.changes}
    found = []
    for test, head in order.back:
        if test.expr is None or plain(test) in asked or not _AGAIN.search(test.expr.key.encode()) or head.name:
            continue
        body = (a for a in compared.old if a.expr.kind == "call" and order.before(a.node, test))
        inside = [a for a in body if a.node is head or order.before(head, a.node)]
        if any(act.word in changed for act in inside):
            continue  # what told to try again may not do so any more
        there = (compared.pairs[id(a)] for a in inside if id(a) in compared.pairs)
        found += [LostRetry(test, act) for act in islice(there, 1)]
    return found


def lost_backouts(change: FunctionChange) -> list[LostRetry]:
    """The tests that a patch takes away and that had the caller try again, with the first call that stood behind."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere:
        return []
    if any(act.expr.kind == "call" for act in compared.added) or _again(compared.after) >= _again(compared.before):
        return []
    order, asked = reach(compared.before), {plain(n) for n in compared.after.cfg.order if n.kind == "branch"}
    found = []
    for test in order.order:
        if test.kind != "branch" or test.line in compared.lines or plain(test) in asked or not _looks(test):
            continue
        for target, outcome in test.succ:
            if not isinstance(outcome, bool) or not _backs_out(target):
                continue
            behind = (a for a in compared.old if a.expr.kind == "call" and order.chosen(test, a.node) is not outcome)
            there = (compared.pairs[id(a)] for a in behind if order.before(test, a.node) and id(a) in compared.pairs)
            found += [LostRetry(test, act) for act in islice(there, 1)]
    return found[:1]


def _again(function: Function) -> int:
    """How often the function says that the caller is to try again."""
    return len(_AGAIN.findall(function.text))


def _looks(test: Node) -> bool:
    """Whether a test looks at memory, or calls something that does."""
    return test.expr is not None and any(e.kind in ("call", "field", "index") for e in test.expr.walk())


def _backs_out(node: Node) -> bool:
    """Whether the straight way from a node ends with a result that says so, and gives something up, or jumps to where
    that is done.
    """
    said = undone = False
    while len(node.succ) == 1 and len(node.pred) == 1:
        said = said or (node.expr is not None and _AGAIN.search(node.expr.key.encode()) is not None)
        undone = undone or any(op == "call" for op, _ in node.events)
        node = node.succ[0][0]
    return said and (undone or bool(node.name))


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
    """A comparison of two values, or a test of the tables, of a call that takes something, or of its result; or of the
    result of one that says itself when to try again.
    """
    expr = bare(expr)
    if expr.kind == "binary" and expr.value in ("==", "!="):
        return not any(_constant(arg) for arg in expr.args)
    if expr.kind == "binary" and expr.value == "<":
        return any(_says_again(compared.before, name) for name in _giving(compared.before, expr.args[0]))
    tables = compared.before.tables
    asked = [*(call.value for call in expr.calls()), *_giving(compared.before, expr)]
    return any(name in tables.guards or name in tables.takes or name in tables.takes_resource for name in asked)


def _giving(function: Function, result: Expr) -> Iterator[str]:
    """The calls of which a variable holds the result, by name."""
    targets = call_targets(function)
    for name, calls in function.calls.items():
        if any((target := targets.get(id(call))) is not None and target.key == result.key for _, call in calls):
            yield name


def _says_again(function: Function, name: str) -> bool:
    callee = function.program.resolve(name, function.path) if name else None
    return callee is not None and _again(callee) > 0


def _constant(expr: Expr) -> bool:
    while expr.kind == "unary":
        expr = expr.args[0]
    return expr.kind == "num" or (expr.kind == "name" and (expr.value.isupper() or expr.value in ("true", "false")))
