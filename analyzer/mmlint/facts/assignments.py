"""What a function assigns to its variables, whichever way control comes."""

from __future__ import annotations

from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr


@fact
def assigned_values(function: Function) -> dict[str, list[Expr]]:
    """What is assigned to each variable, in order of control flow."""
    found: dict[str, list[Expr]] = {}
    for node in function.cfg.order:
        if node.expr is not None and node.expr.kind == "assign" and node.expr.args[0].kind == "name":
            found.setdefault(node.expr.args[0].value, []).append(node.expr.args[1])
    return found
