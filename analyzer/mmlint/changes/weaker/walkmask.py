"""Which of the caller's flags make a walk of GUP ask for a writable entry, and what a patch adds to them."""

from __future__ import annotations

import re
from collections import defaultdict

from mmlint.changes.change import PatchView
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass

_FLAG = re.compile(r"FOLL_\w+")
_WRITE = "FOLL_WRITE"


@dataclass(frozen=True, slots=True)
class Widened:
    """A walk in which `flags` ask for write permission now (first in `function`, at `expr`); `other` has no such test.

    `shown`: functions of the other walk are there to be looked at.
    """

    function: Function
    expr: Expr
    flags: frozenset[str]
    other: str
    shown: bool


@fact
def write_masks(function: Function) -> tuple[tuple[Expr, frozenset[str]], ...]:
    """The masks with FOLL_WRITE that the function holds the caller's flags against."""
    found = []
    for node in function.cfg.order:
        for expr in node.expr.walk() if node.expr is not None else ():
            if expr.kind == "binary" and expr.value == "&":
                flags = frozenset(_FLAG.findall(expr.args[1].key))
                if _WRITE in flags:
                    found.append((expr, flags))
    return tuple(found)


def widened(view: PatchView) -> list[Widened]:
    """The walks that a patch makes ask more callers for write permission, while another walk asks as before."""
    walks = view.tables.gup_walks
    gained: dict[str, list[tuple[Function, Expr, frozenset[str]]]] = defaultdict(list)
    for change in view.changes:
        before, after = change.before, change.after
        row = walks.get(change.name)
        if row is None or before is None or after is None or not write_masks(before):
            continue
        old = _flags(before)
        for expr, flags in write_masks(after):
            if flags - old:
                gained[row.walk].append((after, expr, flags - old))
    found = []
    for walk, places in gained.items():
        function, expr, flags = places[0]
        for other in sorted({row.walk for row in walks.values()} - {walk}):
            levels = _levels(view, other, function.path)
            if not any(flags <= _flags(level) for level in levels):
                found.append(Widened(function, expr, flags, other, bool(levels)))
    return found


def _flags(function: Function) -> frozenset[str]:
    return frozenset[str]().union(*(flags for _, flags in write_masks(function)))


def _levels(view: PatchView, walk: str, path: str) -> list[Function]:
    """The functions of a walk, after the patch, that ask for write permission."""
    names = [name for name, row in view.tables.gup_walks.items() if row.walk == walk]
    found = (view.after.resolve(name, path) for name in names)
    return [function for function in found if function is not None and write_masks(function)]
