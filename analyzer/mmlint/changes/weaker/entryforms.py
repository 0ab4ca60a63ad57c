"""Whether an entry that a call is about is known to be a present one: such an entry has a layout of its own."""

from __future__ import annotations

import re

from mmlint.facts.function import Function
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, acts

_SWAPPED = re.compile(r"sw(a)?p|marker|none_mostly|migration")
_DECODED = "present-before-decode"
"""The row of the step tables whose sinks are for present entries alone."""


def known_present(function: Function, act: Act) -> bool:
    """Whether a test has said so before an act, the entry is decoded as one, or its bit goes into one.

    Not where anything takes the entry for one that is not present, outside of the other outcome of such a test.
    """
    key = act.expr.args[0].key if act.expr.args else ""
    decodes, found = function.tables.steps.by_name[_DECODED].sinks, False
    for other in acts(function):
        if other is act or other.expr.kind != "call" or key not in {arg.key for arg in other.expr.args}:
            continue
        said = _said(function, other, act)
        if said is False or (said is None and _SWAPPED.search(other.word)):
            return False
        row = function.tables.carries.get(other.word)
        found |= bool(said) or other.word in decodes or (row is not None and row.form == "present" and row.op == "test")
    return found or (key in function.params and _goes_on(function, act))


def _said(function: Function, test: Act, act: Act) -> bool | None:
    """Whether an act stands where a test has said that the entry is present, or (False) that it is not."""
    guard, order = function.tables.guards.get(test.word), reach(function)
    if guard is None or guard.class_ not in ("present", "swap_kind"):
        return None
    sides = {order.chosen(node, act.node) for node in test.tests} - {None}
    if len(sides) != 1:
        return None
    negated = any(node.expr is not None and node.expr.value == "!" for node in test.tests)
    return (True in sides) is ((guard.class_ == "present") is not negated)


def _goes_on(function: Function, act: Act) -> bool:
    """Whether the bit that is asked for is set in a present entry where the answer is yes."""
    carries, order = function.tables.carries, reach(function)
    mine = carries.get(act.word)
    made = (
        other
        for other in acts(function)
        if mine is not None
        and (row := carries.get(other.word)) is not None
        and (row.bit, row.form, row.op) == (mine.bit, "present", "set")
    )
    return any(order.chosen(test, other.node) is not None for other in made for test in act.tests)
