"""Tests that refuse more than before: they ask for a flag that all have who have the one which was asked for."""

from __future__ import annotations

import re

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.reach import reach
from mmlint.facts.steps import negated

_REFUSED = re.compile(r"-E[A-Z0-9]+$|ERR_PTR\(|VM_FAULT_SIGBUS$")


def refuses_more(function: Function, test: Node, was: str, now: str) -> bool:
    """Whether a test for a flag leads to nothing but errors, and the flag that it asked for before implies this one."""
    row = function.tables.implied.get(was)
    if row is None or now not in row.implies or test.kind != "branch":
        return False
    order, outcome = reach(function), not negated(test.expr)
    alone = order.side(test, outcome) & ~order.side(test, not outcome)
    ends = [n.expr for n in order.order if n.kind == "return" and n.expr is not None and alone >> order.rank[n.id] & 1]
    return bool(ends) and all(_REFUSED.match(expr.key) for expr in ends)
