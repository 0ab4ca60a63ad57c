"""Members that are NULL in some objects, looked into where a patch has taken the question for NULL away."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.questions.nullasked import asked_for_null, looks
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.reach import reach
from mmlint.facts.steps import plain, plain_null
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Bare:
    """`member` is looked into at `use` (after the patch), and `test` (before it) asked whether it is NULL."""

    member: str
    use: Node
    test: Node


def unasked_member(change: FunctionChange) -> Bare | None:
    """The first use of such a member, itself or in a variable, that a test for NULL decided about and none does now."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.large or change.named_elsewhere:
        return None
    if any(act.expr.kind == "call" for act in compared.added):
        return None  # what is called now may have asked
    before, after = compared.before, compared.after
    tests = [{plain(n) for n in side.cfg.order if n.kind == "branch"} for side in (before, after)]
    if tests[1] - tests[0]:
        return None
    asked = {key for n in after.cfg.order if n.kind == "branch" and n.expr is not None for key in _keys(n.expr)}
    order = reach(before)
    for test in order.order:
        pointer = plain_null(test.expr) if test.kind == "branch" and test.expr is not None else None
        if pointer is None or pointer.key in asked or not _optional(before, pointer):
            continue
        use = _guarded_use(compared, test, pointer.key)
        if use is not None:
            return Bare(pointer.key, use, test)
    return None


def _guarded_use(compared: Comparison, test: Node, key: str) -> Node | None:
    """A statement that the test alone let through to look into what the pointer leads to, and that is still there."""
    order = reach(compared.before)
    mine = [n for n in order.order if n.expr is not None and _needs(compared.before, n.expr, key, _DEPTH)]
    if not all(order.chosen(test, n) is not None for n in mine):
        return None
    texts = {n.expr.key for n in mine if n.expr is not None}
    now = (n for n in compared.after.cfg.order if n.expr is not None and n.expr.key in texts)
    return next((n for n in now if n.expr is not None and _needs(compared.after, n.expr, key, _DEPTH)), None)


def _needs(function: Function, expr: Expr, key: str, depth: int) -> bool:
    """Whether an expression looks into what a pointer leads to, or hands it to a callee that does, or hands it on, and
    never asks.
    """
    if looks(function, expr, key, 0):
        return True
    calls = (part for part in expr.walk() if part.kind == "call" and part.value and not tells(part.value))
    return depth > 0 and any(
        _passed_on(function, part, i, depth) for part in calls for i, arg in enumerate(part.args) if arg.key == key
    )


def _passed_on(function: Function, call: Expr, index: int, depth: int) -> bool:
    callee = function.program.resolve(call.value, function.path)
    if callee is None:  # a macro of another header: what it is handed by a helper, it is handed for use
        return depth < _DEPTH and call.value not in function.tables.gives_resource
    if index >= len(callee.params) or callee.params[index] in asked_for_null(callee):
        return False
    exprs = (n.expr for n in callee.cfg.order if n.expr is not None)
    return any(_needs(callee, expr, callee.params[index], depth - 1) for expr in exprs)


def _keys(expr: Expr) -> list[str]:
    return [e.key for e in expr.walk()]


def _optional(function: Function, pointer: Expr) -> bool:
    """Whether a pointer is a member that may be NULL, or a variable that is given nothing else."""
    if pointer.kind == "name":
        values = assigned_values(function).get(pointer.value, [])
        return bool(values) and all(value.kind == "field" and _optional(function, value) for value in values)
    rows = function.tables.optional.get(pointer.value, ()) if pointer.kind == "field" else ()
    owner = pointer.args[0] if rows else None
    if owner is None or owner.kind != "name":
        return False
    words = {owner.value, *declared_types(function).get(owner.value, "").split()}
    return any(not words.isdisjoint(row.of) for row in rows)
