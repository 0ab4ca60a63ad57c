"""Allocations whose direct reclaim may wait for a lock that the allocating function itself holds."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import atomic, locks, may_block_reclaim
from mmlint.facts.locks.order import of_hugetlb
from mmlint.facts.locks.sleep import Sleeper, sleeps_at
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Reclaiming:
    """A call that may enter direct reclaim, through `sleeper`, while `held` is held, for which reclaim waits."""

    call: Expr
    sleeper: Sleeper
    held: Held


@fact
def reclaiming_calls(function: Function) -> tuple[Reclaiming, ...]:
    """The calls of a function that may enter direct reclaim under a lock that reclaim takes.

    None in hugetlb code, whose pages reclaim does not touch.
    """
    if not may_block_reclaim(function) or of_hugetlb(function):
        return ()
    facts = locks(function)
    if facts.flow.overflow or function.cfg.truncated:
        return ()
    found: dict[int, Reclaiming] = {}
    for calls in function.calls.values():
        for node, call in calls:
            for prop, values in facts.at_call.get(id(call), {}).items():
                held = _waited_for(function, prop)
                sleeper = _reclaims(function, node, call, values) if held is not None else None
                if held is not None and sleeper is not None:
                    found.setdefault(id(call), Reclaiming(call, sleeper, held))
    return tuple(sorted(found.values(), key=lambda each: (each.call.line, each.call.column)))


def _waited_for(function: Function, prop: frozenset[Held]) -> Held | None:
    kinds = function.tables.kinds
    if atomic(function, prop):
        return None
    held = (h for h in prop if not h.gone and h.kind in kinds and kinds[h.kind].reclaim)
    return min(held, key=lambda h: (h.line, h.kind, h.key), default=None)


def _reclaims(function: Function, node: Node, call: Expr, values: Facts) -> Sleeper | None:
    """The allocation in a call that enters direct reclaim for certain of its mask, if there is one."""
    rows = function.tables.sleeps
    for sleeper in sleeps_at(function, node, call, values):
        row = rows.get(sleeper.name)
        if row is not None and row.when == "gfp" and sleeper.gfp_param is None and not sleeper.requires:
            return sleeper
    return None
