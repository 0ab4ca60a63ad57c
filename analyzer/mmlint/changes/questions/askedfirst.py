"""Questions that were asked under a lock and send back to try again, and that a patch asks before it takes the lock.

What the answer is about may change between the two: who changes it takes the lock. Of a page-table entry that is read
under its lock all questions count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.locks.held import declared_types
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_AGAIN = re.compile(r"-EAGAIN$|-ERESTART\w*$|VM_FAULT_RETRY$|\w+_(RETRY|AGAIN)$")
_LABEL = re.compile(r"(^|_)(again|retry|repeat|restart)(_|$)")
_CONVERTS = re.compile(r"(^|_)(page|folio|pfn|virt|phys)_to_")
"""Calls that give another name of the same page: no lock is needed for that."""
_NEAR = 3
"""Lines that a condition of several terms may take."""


@dataclass(frozen=True, slots=True)
class AskedFirst:
    """`question` (of after) comes before `take`, which takes the lock `lock` under which it was asked."""

    question: Act
    lock: str
    take: Node


def asked_first(change: FunctionChange) -> AskedFirst | None:
    """The first such question."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends:
        return None
    return next(_asked_first(compared), None)


def _asked_first(compared: Comparison) -> Iterator[AskedFirst]:
    after, takes = compared.after, compared.after.tables.takes
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or now.key != act.key or act.expr.kind != "call" or act.word in takes:
            continue
        if _CONVERTS.search(act.word) or not _of_others(after, now):
            continue
        again = _again(compared.before, act) and _again(after, now)
        held = {h.key for h in locks(after).held_at(now.expr) if not h.gone}
        tables = {h.key for h in locks(compared.before).held_at(act.expr) if h.kind == "ptl"}
        for lock in sorted(locks(compared.before).always_held(act.expr) - held):
            take = _taken_behind(after, now, lock) if again or lock in tables else None
            if take is None or not (again or _entry_used(after, now, take)):
                continue
            if not any(_asks_anew(compared, now, take, a) for a in compared.added):
                yield AskedFirst(now, lock, take)


def _entry_used(function: Function, act: Act, take: Node) -> bool:
    """Whether a question is about a page-table entry, which is read behind the lock and not asked about there."""
    order = reach(function)
    entries = {arg.key for arg in act.expr.args if arg.kind == "unary" and arg.value == "*"}
    behind = [n for n in order.order if n.expr is not None and order.before(take, n)]
    reads = [n for n in behind if n.expr is not None and any(e.key in entries for e in n.expr.walk())]
    return bool(reads) and not any(n.kind == "branch" for n in reads)


def _of_others(function: Function, act: Act) -> bool:
    """Whether a question is about an object that others may know, behind a pointer; what is found is no answer."""
    types, target = declared_types(function), call_targets(function).get(id(act.expr))
    found = target is not None and "*" in types.get(target.key, "*")
    return not found and any("*" in types.get(arg.root, "") for arg in act.expr.args)


def _again(function: Function, act: Act) -> bool:
    """Whether one answer leads straight to another try: by a jump back, or by an error code that asks for one."""
    order = reach(function)
    lines = {line for test in act.tests for line in range(test.line - _NEAR, test.line + _NEAR + 1)}
    for node in order.order:
        back = any(tail is node and _LABEL.search(head.name) for tail, head in order.back)
        value = node.expr if node.kind == "return" else None
        says = any(op == "assign" and _AGAIN.match(e.args[1].key) for op, e in node.events)
        if not (back or says or (value is not None and any(_AGAIN.match(e.key) for e in value.walk()))):
            continue
        test, _ = order.innermost(node)
        if back and node in act.tests:
            return True
        if test is None or not any(order.chosen(t, node) is not None for t in act.tests):
            continue
        beside = test.line in lines and any(order.chosen(t, test) is not None for t in act.tests)
        if test in act.tests or beside:
            return True
    return False


def _taken_behind(function: Function, act: Act, lock: str) -> Node | None:
    """Where the lock is taken behind the question, on a way that comes by both."""
    order, flow = reach(function), locks(function).flow
    lines = {h.line for n in order.order for prop in flow.states(n) for h in prop if h.key == lock and not h.gone}
    takes = (n for n in order.order if n.line in lines and any(op == "call" for op, _ in n.events))
    return next((n for n in takes if order.before(act.node, n) and not order.before(n, act.node)), None)


def _asks_anew(compared: Comparison, now: Act, take: Node, other: Act) -> bool:
    """Whether the patch asks a second time, behind the taking of the lock."""
    return other.word == now.word and reach(compared.after).before(take, other.node)
