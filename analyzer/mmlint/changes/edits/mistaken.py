"""What tells that a variable stands for another one by mistake: other arguments, the loop, the rest of the function."""

from __future__ import annotations

import re

from mmlint.changes.compare import Comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import local_names
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act

_SAFE = re.compile(r"for_each\w*_safe")


def mistaken(compared: Comparison, act: Act, there: Act, was: str, now: str) -> bool:
    """Whether a call (`act` before, `there` after the patch) gets `now` in the place of `was` by mistake."""
    function = compared.after
    keys = [arg.key for arg in there.expr.args]
    if keys.count(now) > 1 and was != now and [arg.key for arg in act.expr.args].count(was) == 1:
        return True
    return _next_one(function, there.node, was, now) or _unread(compared, was) or _unset(function, there.node, now)


def _next_one(function: Function, node: Node, was: str, now: str) -> bool:
    """Whether `now` is where a walk goes on, in whose body `was` is what it has come to."""
    order = reach(function)
    walks = (n for n in order.order if n.kind == "iter" and n.expr is not None and _SAFE.search(n.expr.value))
    return any(_names(n.expr)[:2] == [was, now] and order.before(n, node) for n in walks if n.expr is not None)


def _names(walk: Expr) -> list[str]:
    """The variables of a walk, in order: what it has come to, where it goes on."""
    return [e.value for arg in walk.args for e in arg.walk() if e.kind == "name"]


def _unread(compared: Comparison, was: str) -> bool:
    """Whether nothing reads a variable any more that is still given a value, or a parameter that was read."""
    exprs = [n.expr for n in compared.after.cfg.order if n.expr is not None]
    return not any(_reads(expr, was) for expr in exprs)


def _reads(e: Expr, name: str) -> bool:
    if e.kind == "assign" and e.args[0].key == name and e.value == "=":
        return _reads(e.args[1], name)
    return (
        e.key == name or any(_reads(arg, name) for arg in e.args) or (e.callee is not None and _reads(e.callee, name))
    )


def _unset(function: Function, node: Node, now: str) -> bool:
    """Whether a local variable gets its first value only behind a call."""
    if now not in local_names(function):
        return False
    naming = _others_naming(function, node, now)
    return bool(naming) and not _any_before(function, naming, node) and any(n.sets(now) for n in naming)


def without_value(function: Function, node: Node, name: str) -> bool:
    """Whether a statement computes something of a local variable that has no value yet: it gets one behind it, or by
    the statement itself.
    """
    if node.expr is None or not _computes(node.expr, name):
        return False
    naming = _others_naming(function, node, name)
    later = any(n.sets(name) for n in (node, *naming))
    return name in local_names(function) and later and not _any_before(function, naming, node)


def _others_naming(function: Function, node: Node, name: str) -> list[Node]:
    return [n for n in reach(function).order if n.expr is not None and n is not node and name in n.expr.names()]


def _any_before(function: Function, nodes: list[Node], node: Node) -> bool:
    return any(reach(function).before(n, node) for n in nodes)


def _computes(e: Expr, name: str) -> bool:
    """Whether an expression reads the variable itself: not its address, nor as what a call gets, which may fill it."""
    if e.kind == "call" or (e.kind, e.value) == ("unary", "&"):
        return False
    if e.kind == "assign" and e.value == "=" and e.args[0].key == name:
        return _computes(e.args[1], name)
    return e.key == name or any(_computes(arg, name) for arg in e.args)
