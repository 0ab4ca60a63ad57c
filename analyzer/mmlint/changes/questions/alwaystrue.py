"""Conditions of a patch that hold whatever the flags are: `flags | WRITE`, by a wrong operator or lost parentheses."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr


def always_true(change: FunctionChange) -> Expr | None:
    """The first such condition that the function did not have before."""
    after = change.after
    if after is None or change.patch.partial:
        return None
    known = {expr.key for expr in _conditions(change.before)} if change.before is not None else set()
    fresh = (expr for expr in _conditions(after) if expr.key not in known)
    masks = _masks(change.before) if change.before is not None else frozenset()
    return next((expr for expr in fresh if _holds(expr) or expr.key in masks), None)


def _conditions(function: Function) -> Iterator[Expr]:
    """What branches and `?` ask, without its negations."""
    for node in function.cfg.order:
        if node.kind == "branch" and node.expr is not None:
            yield node.expr
        for part in node.expr.walk() if node.expr is not None else ():
            if part.kind == "cond":
                yield part.args[0]


def _holds(expr: Expr) -> bool:
    """Whether a condition is a mask to which a constant is added."""
    if (expr.kind, expr.value) != ("binary", "|"):
        return False
    return any(_constant(arg) or _holds(arg) for arg in expr.args)


def _constant(expr: Expr) -> bool:
    """Whether an operand is a constant other than zero: a flag, by its name, or a number."""
    if expr.kind == "num":
        return expr.value.isdigit() and int(expr.value) > 0
    return expr.kind == "name" and expr.value.isupper() and "_" in expr.value


def _masks(function: Function) -> frozenset[str]:
    """The flags that conditions of a function ask for by `&`: one that stands alone asks for nothing."""
    tests = (expr for expr in _conditions(function) if (expr.kind, expr.value) == ("binary", "&"))
    return frozenset(arg.key for expr in tests for arg in expr.args if _constant(arg))
