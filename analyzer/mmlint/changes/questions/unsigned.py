"""Comparisons of a count that may be an error, of which a patch drops the cast that made them signed (PAT123)."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

_SIGNED = frozenset({"int", "long", "ssize_t", "s32", "s64", "long int", "signed int", "signed long"})
_CAST = re.compile(rf"\(\s*({'|'.join(sorted(_SIGNED))})\s*\)".encode())
_ORDERS = frozenset({"<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Unsigned:
    """`node` (after the patch) compares what `call` returned with `bound`, a member which may have no sign."""

    node: Node
    call: Expr
    bound: Expr


def unsigned(change: FunctionChange) -> Unsigned | None:
    """The first comparison that lost the cast and nothing else."""
    compared = comparison(change)
    if compared is None or change.patch.partial or _CAST.search(compared.before.text) is None:
        return None
    was = _comparisons(compared.before, frozenset(compared.lines))
    now = _comparisons(compared.after, compared.standing)
    found = (_judged(compared, was[key], now[key]) for key in now if key in was)
    return next((each for each in found if each is not None), None)


def _comparisons(function: Function, standing: frozenset[int]) -> dict[str, Node]:
    """The comparisons by size on changed lines, by their text, in which no cast counts."""
    nodes = (n for n in function.cfg.order if n.kind == "branch" and n.line not in standing)
    return {n.expr.key: n for n in nodes if n.expr is not None and n.expr.value in _ORDERS}


def _judged(compared: Comparison, was: Node, now: Node) -> Unsigned | None:
    old, new = compared.before.line_of(was), compared.after.line_of(now)
    if len(_CAST.findall(old)) <= len(_CAST.findall(new)) or now.expr is None:
        return None
    for told, bound in (now.expr.args, now.expr.args[::-1]):
        call = _count_or_error(compared.after, told)
        if call is not None and bound.kind == "field" and not _failed_before(compared.after, told, now):
            return Unsigned(now, call, bound)
    return None


def _failed_before(function: Function, told: Expr, node: Node) -> bool:
    """Whether errors have been turned away on the way."""
    order, failed = reach(function), {f"{told.key} < 0", f"{told.key} <= 0"}
    asked = (n for n in order.order if n.kind == "branch" and n.expr is not None and n.expr.key in failed)
    return any(order.chosen(n, node) is False for n in asked)


def _count_or_error(function: Function, told: Expr) -> Expr | None:
    """The call that gave a signed variable its value, if it is one that pins pages: it returns their number, or an
    error.
    """
    if told.kind != "name" or declared_types(function).get(told.key) not in _SIGNED:
        return None
    values = (value for value in assigned_values(function).get(told.key, ()) if value.kind == "call")
    rows = function.tables.gup
    return next((value for value in values if value.value in rows and rows[value.value].result == "count"), None)
