"""Blocks of pages that were allocated by order, and of which a patch frees the first page alone."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.steps import Act

_BY_ORDER = re.compile(r"(^|_)(alloc|get_free)_pages(_node|_exact)?$")
_ORDER = "order"


def one_of_order(change: FunctionChange) -> tuple[Act, str] | None:
    """The new call that frees one page of what an allocation by another order than zero gave: with that order."""
    compared = comparison(change)
    if compared is None:
        return None
    rows = [row for row in compared.after.tables.steps.stronger.values() if row.only == _ORDER]
    for act in compared.added:
        if not any(act.word == row.calls[1] for row in rows) or len(act.expr.args) != 1:
            continue
        order = _order(compared.after, act.expr.args[0])
        if order:
            return act, order
    return None


def _order(function: Function, block: Expr) -> str:
    """The order that all allocations which a variable is set to have, if it is not zero."""
    values = [value for value in assigned_values(function).get(block.key, ()) if value.key != "NULL"]
    calls = [value for value in values if value.kind == "call" and _BY_ORDER.search(value.value) and value.args]
    orders = {call.args[-1].key for call in calls}
    return next(iter(orders)) if len(orders) == 1 and len(calls) == len(values) and "0" not in orders else ""
