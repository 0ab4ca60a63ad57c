"""Loops that a patch makes ask behind their body instead of before it, though there may be nothing to do.

That there may be nothing is shown by a way from the function's entry, no statement passed twice, on which the condition
does not hold where the loop begins: the first one of a row failed, and the loop undoes those before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.facts.telling import keeps_count, tells
from mmlint.frozen import dataclass

_MAX_STEPS = 4000
_CONSTANTS = {"NULL": 0, "false": 0, "true": 1}
_Value = int | str | None
_Env = dict[str, int | str]


@dataclass(frozen=True, slots=True)
class OnceAnyway:
    """A call that a loop makes at least once now, and the condition that it asked before."""

    call: Expr
    asked: Node


def once_anyway(change: FunctionChange) -> OnceAnyway | None:
    """The first such loop."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    old, new = reach(compared.before), reach(compared.after)
    first = {
        node.expr.key
        for node in compared.gone
        if node.kind == "branch" and node.expr is not None and _asks_first(old, node)
    }
    for node in compared.fresh:
        if node.kind != "branch" or node.expr is None or node.expr.key not in first:
            continue
        head = next((head for tail, head in new.back if tail is node and head is not node), None)
        call = _done_between(new, head, node) if head is not None else None
        if head is not None and call is not None and _nothing_to_do(compared.after, head, node):
            return OnceAnyway(call, node)
    return None


def _asks_first(order: Reach, node: Node) -> bool:
    """Whether a condition stands before the body of its loop."""
    return any(head is node or [t for t, _ in head.succ] == [node] for _, head in order.back)


def _done_between(order: Reach, head: Node, test: Node) -> Expr | None:
    """The first call for its effect between the beginning of a loop and its condition."""
    inside = (n for n in order.order if order.dominates(head, n) and order.before(n, test) and n.kind == "expr")
    calls = (n.expr for n in inside if n.expr is not None and n.expr.kind == "call")
    return next((call for call in calls if not tells(call.value) and not keeps_count(call.value)), None)


def _nothing_to_do(function: Function, head: Node, asked: Node) -> bool:
    """Whether on some way to the loop its condition is known to end it."""
    again = {label for target, label in asked.succ if target is head}
    values = (_value(asked.expr, dict(env)) if asked.expr is not None else None for env in _arrivals(function, head))
    return any(isinstance(value, int) and bool(value) not in again for value in values)


def _arrivals(function: Function, head: Node) -> Iterator[_Env]:
    """What the variables are on the ways to a node, each statement passed once at most."""
    work: list[tuple[Node, _Env, frozenset[int]]] = [(function.cfg.entry, {}, frozenset())]
    for _ in range(_MAX_STEPS):
        if not work:
            return
        node, env, seen = work.pop()
        if node is head:
            yield env
            continue
        chosen = _value(node.expr, dict(env)) if node.kind == "branch" and node.expr is not None else None
        after, passed = _after(node, env), seen | {node.id}
        for target, label in node.succ:
            known = isinstance(label, bool) and isinstance(chosen, int) and bool(chosen) is not label
            if target.id not in passed and not known:
                work.append((target, after, passed))


def _after(node: Node, env: _Env) -> _Env:
    """What the variables are behind a statement."""
    found = dict(env)
    if node.kind == "decl":
        found[node.name] = f"{node.name} {node.id}"
    if node.kind == "iter" and node.expr is not None:
        found |= {arg.value: f"{arg.value} {node.id}" for arg in node.expr.args if arg.kind == "name"}
    for op, expr in node.events:
        if op == "call":
            handed = (arg.args[0] for arg in expr.args if arg.kind == "unary" and arg.value == "&")
            found |= {arg.root: f"{arg.root} {node.id}" for arg in handed}
        elif expr.args[0].kind == "name":
            name = expr.args[0].value
            value = _value(expr, found)
            if value is None:
                found[name] = f"{name} {node.id}"
            elif op == "assign":
                found[name] = value
    return found


def _value(expr: Expr, env: _Env) -> _Value:
    """A number, or the name of what a variable was when it was set; increments are made in `env`."""
    if expr.kind == "num":
        return int(expr.value, 0) if expr.value.isdigit() else None
    if expr.kind == "name":
        return _CONSTANTS.get(expr.value, env.get(expr.value, expr.value))
    if expr.kind == "assign":
        return _value(expr.args[1], env) if expr.value == "=" else None
    if expr.kind == "unary":
        return _unary(expr, env)
    if expr.kind != "binary":
        return None
    left, right = (_value(arg, env) for arg in expr.args)
    if isinstance(left, int) and isinstance(right, int):
        return _of_numbers(expr.value, left, right)
    same = left is not None and left == right
    return {"==": 1, "!=": 0, "<": 0, ">": 0, "<=": 1, ">=": 1, "-": 0}.get(expr.value) if same else None


def _unary(expr: Expr, env: _Env) -> _Value:
    value = _value(expr.args[0], env)
    if not isinstance(value, int):
        return None
    if expr.value.endswith(("++", "--")):
        changed = value + (1 if expr.value.endswith("++") else -1)
        if expr.args[0].kind == "name":
            env[expr.args[0].value] = changed
        return value if expr.value.startswith("p") else changed
    return {"-": -value, "!": int(not value)}.get(expr.value)


def _of_numbers(operator: str, left: int, right: int) -> _Value:
    found: dict[str, int] = {
        "==": left == right, "!=": left != right, "<": left < right, ">": left > right, "<=": left <= right,
        ">=": left >= right, "+": left + right, "-": left - right,
    }  # fmt: skip
    value = found.get(operator)
    return None if value is None else int(value)
