"""Functions that return the value of a swap entry on one way and an errno on another, through one return value."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Mixed:
    """A way on which `error` is returned at `node`: an errno by name, or a call of `callee`, which returns one.

    `value` is the swap entry that is returned on another way; None where only the tables know of it.
    """

    node: Node
    error: Expr
    value: Expr | None
    callee: Function | None = None


@fact
def mixed_returns(function: Function) -> tuple[Mixed, ...]:
    """The returns of an errno by a function that returns the raw value of a swap entry elsewhere."""
    known = function.program.partial and function.name in function.tables.entry_results
    if not (known or function.has("swp_entry_t")) or "*" in function.source.returns:
        return ()
    returned = list(_returned(function))
    entries = _entries(function)
    values = [expr for _, expr in returned if expr.kind == "field" and expr.value == "val" and expr.root in entries]
    if not (values or known):
        return ()
    value = values[0] if values else None
    found = []
    for node, expr in returned:
        callee = _failing_callee(function, expr)
        if _is_errno(expr) or callee is not None:
            found.append(Mixed(node, expr, value, callee))
    return tuple(found)


def _failing_callee(function: Function, expr: Expr) -> Function | None:
    """The function of the same file whose result this is, where it returns errnos by name and nothing but 0 beside."""
    callees = function.program.named(function.path, expr.value) if expr.kind == "call" and expr.value else ()
    callee = next((each for each in callees if each is not function), None)
    if callee is None:
        return None
    results = [result for _, result in _returned(callee)]
    errors = [result for result in results if _is_errno(result)]
    return callee if errors and all(result in errors or result.key == "0" for result in results) else None


def _entries(function: Function) -> set[str]:
    """The variables that hold a swap entry."""
    params = {p.name for p in function.source.params if "swp_entry_t" in p.type_text}
    return params | {n.name for n in function.cfg.nodes if n.kind == "decl" and "swp_entry_t" in n.type}


def _returned(function: Function) -> Iterator[tuple[Node, Expr]]:
    """What is returned, directly or by way of a variable: where it is set, and the expression."""
    names = set()
    for node in function.cfg.order:
        if node.kind == "return" and node.expr is not None:
            if node.expr.kind == "name":
                names.add(node.expr.value)
            else:
                yield from ((node, arm) for arm in _arms(node.expr))
    for node in function.cfg.order:
        expr = node.expr
        if expr is not None and expr.kind == "assign" and expr.value == "=" and expr.args[0].key in names:
            yield from ((node, arm) for arm in _arms(expr.args[1]))


def _arms(expr: Expr) -> Iterator[Expr]:
    if expr.kind == "cond":
        yield from _arms(expr.args[1])
        yield from _arms(expr.args[2])
    else:
        yield expr


def _is_errno(expr: Expr) -> bool:
    """Whether it is a negative errno by name."""
    if expr.kind != "unary" or expr.value != "-":
        return False
    name = expr.args[0].key
    return name.startswith("E") and name.isupper() and name.isalnum()
