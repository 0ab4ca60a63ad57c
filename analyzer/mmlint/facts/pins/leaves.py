"""Huge entries that a lockless walk does not see: tests by kind, and the descent to the next level."""

from __future__ import annotations

import re

from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.pins.grabs import lockless

_HUGE = re.compile(r"(pmd|pud)_(trans_huge|huge)$")
_NEXT = {"pmd": "pte", "pud": "pmd"}
_RECHECKS = re.compile(
    r"(pte_offset_map(_ro_nolock|_rw_nolock|_nolock)?_?lock|pte_alloc_map_lock|pmd_(trans_unstable|none_or_\w+)|pud_trans_unstable"
    r"|(pmd|pud)(_trans_huge|_huge)?_lock)$"
)


@fact
def missed_leaves(function: Function) -> tuple[tuple[Expr, Expr], ...]:
    """(test, descent): the first test of a level that is false for device entries, and the call below it."""
    tests = [call for name, calls in function.calls.items() if _HUGE.match(name) for _, call in calls]
    if not tests or any(_RECHECKS.match(name) for name in function.calls) or not _hands_out_pages(function):
        return ()
    if not lockless(function):
        return ()
    found = []
    for level, below in _NEXT.items():
        mine = sorted((t for t in tests if t.value.startswith(level)), key=lambda t: (t.line, t.column))
        if not mine or function.calls.keys() & {f"{level}_devmap", f"{level}_leaf", f"{level}_large"}:
            continue
        if any(lock.kind in ("ptl", "spin") for prop in locks(function).held(mine[0]) for lock in prop):
            continue
        descent = _descent(function, below, mine[0].line)
        if descent is not None:
            found.append((mine[0], descent))
    return tuple(found)


def _hands_out_pages(function: Function) -> bool:
    """Whether a walker fills an array of pages: others walk VMAs that they know to be no device mappings."""
    return any(p.type_text.replace(" ", "").endswith("structpage**") for p in function.source.params)


def _descent(function: Function, level: str, after: int) -> Expr | None:
    """The first call that goes to the next level down."""
    reads = re.compile(rf"{level}_offset\w*$|\w*_{level}_\w*range$|\w*_{level}s$")
    calls = [call for name, found in function.calls.items() if reads.match(name) for _, call in found]
    return min((c for c in calls if c.line >= after), key=lambda c: c.line, default=None)
