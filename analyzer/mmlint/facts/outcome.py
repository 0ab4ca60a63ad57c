"""Which outcome of a branch says that something failed, by what the tables know of the results tested."""

from __future__ import annotations

from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function, call_targets
from mmlint.facts.ir import Expr, asks_for_error
from mmlint.facts.steps import bare

_FAILS = {"true": False, "null-fails": False, "zero": True, "nonzero": False}
"""The truth of a result on failure, by how the tables say it is read."""


def failing(function: Function, test: Expr) -> bool | None:
    """The outcome of `test` that means failure; None if the test says nothing about that."""
    if test.kind == "unary" and test.value == "!":
        inner = failing(function, test.args[0])
        return None if inner is None else not inner
    if test.kind == "binary" and test.value in ("<", "!=", "==") and test.args[1].key in ("0", "NULL"):
        inner = failing(function, test.args[0])
        if test.value == "<":
            return True
        return inner if inner is None or test.value == "!=" else not inner
    if test.kind == "assign" and test.value == "=":
        return failing(function, test.args[1])
    if test.kind == "call":
        return True if asks_for_error(test) else _by_tables(function, test.value)
    if test.kind == "name":
        values = assigned_values(function).get(test.value, [])
        errors = [v for v in values if v.kind == "unary" and v.value == "-" and v.args[0].key.startswith("E")]
        ways = {_by_tables(function, v.value) for v in values if v.kind == "call"}
        return True if errors else ways.pop() if len(ways) == 1 else None
    return None


_SENSES = {"<": (">=0", "<0"), "IS_ERR": ("ok", "err")}
"""How a result is asked for: what it is where the call went well, and where it failed."""


def told_by(function: Function, call: Expr) -> tuple[str, str] | None:
    """What a call's result is where it went well and where it failed, if a branch asks for that."""
    target = call_targets(function).get(id(call))
    for node in function.cfg.order:
        test = bare(node.expr) if node.kind == "branch" and node.expr is not None else None
        if test is not None and target is not None and test.key == target.key and _is_pointer(function, target):
            return "!0", "0"
        sense = _SENSES.get(test.value) if test is not None and test.args else None
        if test is None or sense is None or (test.value == "<" and test.args[1].key != "0"):
            continue
        if test.args[0] is call or (target is not None and test.args[0].key == target.key):
            return sense
    return None


def _is_pointer(function: Function, variable: Expr) -> bool:
    """Whether a local variable is declared as a pointer."""
    declared = (n for n in function.cfg.nodes if n.kind == "decl" and n.name == variable.key)
    return any("*" in node.type for node in declared)


def _by_tables(function: Function, name: str) -> bool | None:
    sense = function.tables.senses.get(name)
    if sense is not None:
        return _FAILS.get(sense.ok)
    whens = {row.when for row in function.tables.takes_resource.get(name, ())}
    return _FAILS.get(whens.pop()) if len(whens) == 1 else None
