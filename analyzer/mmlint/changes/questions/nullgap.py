"""Pointers that a function goes on asking whether they are NULL, but not on each way to where it looks into them."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.questions.nullasked import Unasked, asked_for_null, fillings, looks, may_be_null
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.graph import after
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach

_DEPTH = 2
_QUESTIONS = frozenset({"&&", "||", "==", "!="})


def null_gaps(change: FunctionChange) -> Iterator[Unasked]:
    """The variables that a call fills with what may be NULL, as before, and that are looked into behind it on a way
    with no question: there was one on each such way before.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.before.name != change.name:
        return
    for pointer in sorted(asked_for_null(compared.before) & asked_for_null(compared.after)):
        found = _gap(compared, pointer)
        if found is not None:
            yield found


def _gap(compared: Comparison, pointer: str) -> Unasked | None:
    old, new = compared.before, compared.after
    known = {value.key for node in fillings(old, pointer) if (value := _value(node)) is not None}
    open_before = {
        value.key
        for node in fillings(old, pointer)
        if (value := _value(node)) is not None and _unasked_look(old, node, pointer) is not None
    }
    for node in fillings(new, pointer):
        value = _value(node)
        if value is None or value.key not in known - open_before:
            continue
        source = may_be_null(new, value)
        use = _unasked_look(new, node, pointer) if source else None
        if use is not None:
            return Unasked(pointer, use, new, value, source)
    return None


def _value(filling: Node) -> Expr | None:
    """The call that fills a variable."""
    value = filling.expr.args[1] if filling.expr is not None else None
    return value if value is not None and value.kind == "call" and value.value else None


def _unasked_look(function: Function, filling: Node, pointer: str) -> Node | None:
    """Where a variable may be looked into behind what fills it, with no question and nothing else filling it before."""
    if filling.kind == "branch":
        return None
    behind = after([n for n, _ in filling.succ], lambda n: n.sets(pointer) or _asks(function, n, pointer))
    nodes = (n for n in function.cfg.order if n.id in behind and n.expr is not None and not _asks(function, n, pointer))
    found = (n for n in nodes if n.expr is not None and looks(function, n.expr, pointer, _DEPTH))
    return next((n for n in found if not _ruled_out(reach(function), filling, n)), None)


def _ruled_out(order: Reach, filling: Node, look: Node) -> bool:
    """Whether a test decides about the look by what is set together with the pointer: it may say whose way it is."""
    beside = [n for n in order.order if order.innermost(n) == order.innermost(filling) and order.together(n, filling)]
    told = {expr.args[0].key for n in beside for op, expr in n.events if op == "assign" and n is not filling}
    return any(
        test.kind == "branch"
        and test.expr is not None
        and order.chosen(test, look) is not None
        and order.before(filling, test)
        and any(part.key in told for part in test.expr.walk())
        for test in order.order
    )


def _asks(function: Function, node: Node, pointer: str) -> bool:
    """Whether a statement may tell control, or what comes of it, whether the variable is NULL."""
    if node.expr is None or pointer not in node.expr.names():
        return False
    parts = list(node.expr.walk())
    if any(part.kind == "cond" or (part.kind == "binary" and part.value in _QUESTIONS) for part in parts):
        return True
    if node.kind == "branch" and not looks(function, node.expr, pointer, _DEPTH):
        return True
    calls = [part for part in parts if part.kind == "call" and pointer in {arg.key for arg in part.args}]
    return any(_callee_asks(function, call, pointer, answers=node.expr is not call) for call in calls)


def _callee_asks(function: Function, call: Expr, pointer: str, *, answers: bool) -> bool:
    """Whether a callee asks whether what it is handed is NULL; of one that is not seen, whether something is made of
    its answer.
    """
    callee = function.program.resolve(call.value, function.path) if call.value else None
    if callee is None:
        return answers
    places = [i for i, arg in enumerate(call.args) if arg.key == pointer]
    return any(i < len(callee.params) and callee.params[i] in asked_for_null(callee) for i in places)
