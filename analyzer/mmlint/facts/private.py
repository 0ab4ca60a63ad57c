"""Objects that a function made, while it has handed them to nobody."""

from __future__ import annotations

import re

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare
from mmlint.facts.telling import tells

_MAKES = re.compile(r"alloc|(^|_)(new|create|memdup)(_|$)")


def known_to_others(function: Function, name: str, node: Node, keeps: re.Pattern[str]) -> bool:
    """Whether others may know the object of a variable once a node is reached: not all of its values are made here, or
    a call in front got it that neither asks about it nor is one of those that keep it to themselves.
    """
    values = assigned_values(function).get(name, ())
    if not name or not values or not all(any(_MAKES.search(call.value) for call in value.calls()) for value in values):
        return True
    order = reach(function)
    return any(
        not _MAKES.search(callee) and not keeps.search(callee) and not tells(callee) and order.before(at, node)
        for callee, calls in function.calls.items()
        for at, call in calls
        if name in {bare(arg).key for arg in call.args}
    )
