"""Page tables of another level than the entry that they are for: what is allocated or put where an entry holds none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from mmlint.changes.change import FunctionChange
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.reach import Reach, reach
from mmlint.frozen import dataclass

_LEVELS = ("pgd", "p4d", "pud", "pmd", "pte")
_BELOW = dict(pairwise(_LEVELS))
_NAMES = "|".join(_LEVELS)
_NONE = re.compile(rf"({_NAMES})_none$")
_ALLOCATES = re.compile(rf"_*({_NAMES})_alloc(_kernel|_map)?$")
_POPULATES = re.compile(rf"({_NAMES})_populate(_kernel|_safe)?$")
_POINTER = re.compile(rf"(?:const )?({_NAMES})_t \*$")


@dataclass(frozen=True, slots=True)
class WrongLevel:
    """`call` is about a table of `level`, and the entry needs one of level `below`."""

    call: Expr
    level: str
    below: str


def wrong_level(change: FunctionChange) -> WrongLevel | None:
    """The first such call that the function did not make before."""
    if change.after is None or change.patch.partial:
        return None
    known = {found.call.key for found in wrong_levels(change.before)} if change.before is not None else set()
    return next((found for found in wrong_levels(change.after) if found.call.key not in known), None)


def wrong_levels(function: Function) -> Iterator[WrongLevel]:
    """The calls that fill an entry with a table of another level than the next one, or allocate such a one for it."""
    for name, calls in function.calls.items():
        fills, makes = _POPULATES.match(name), _ALLOCATES.match(name)
        for node, call in calls if fills is not None or makes is not None else ():
            if fills is not None and call.args:
                of = _POINTER.match(_type(function, call.args[-1].key))
                level, below = of[1] if of is not None else "", _BELOW.get(fills[1], "")
            else:
                level, below = makes[1] if makes is not None else "", _asked(reach(function), node)
            if level and below and level != below:
                yield WrongLevel(call, level, below)


def _type(function: Function, name: str) -> str:
    """The type of a variable that no inner block declares anew."""
    declared = sum(node.kind == "decl" and node.name == name for node in function.cfg.nodes)
    return declared_types(function).get(name, "") if declared <= 1 else ""


def _asked(order: Reach, node: Node) -> str:
    """The level of table that an entry lacks which a test right before has found to hold none."""
    test, side = order.innermost(node)
    expr = test.expr if test is not None and side else None
    asked = _NONE.match(expr.value) if expr is not None and expr.kind == "call" else None
    first = test is not None and any(target is node for target, _ in test.succ)
    return _BELOW.get(asked[1], "") if asked is not None and first else ""
