"""Raw spinlocks that a patch makes sleeping ones on PREEMPT_RT, told once for a lock."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.locks.lockset import lock_name
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.steps import Act

_OF_RT = re.compile(r"\braw|_RT\b|\bRT\b|-rt\b|real-?time", re.I)
_RAW = "raw_spin"
_SECTIONS = frozenset({_RAW, "preempt"})


def in_raw_section(function: Function, call: Expr) -> bool:
    """Whether a lock is taken where the function itself forbids to sleep on PREEMPT_RT: its new state tells that."""
    return any(not held.gone and held.kind in _SECTIONS for prop in locks(function).held(call) for held in prop)


def told_of(change: FunctionChange, step: Act) -> bool:
    """Whether the patch speaks of PREEMPT_RT, or the lock of `step` is told of in another function that it changes."""
    lock = lock_name(step.expr)
    if _OF_RT.search(f"{change.patch.subject} {change.patch.body}"):
        return True
    first = True
    for other in change.patch.changes:
        first = first and other is not change
        if other is change or other.before is None or other.after is None:
            continue
        now = _taken(other.after, lock)
        converted = bool(now) and _is_raw(other.before, lock) and not _is_raw(other.after, lock)
        if converted and (first or any(in_raw_section(other.after, call) for call in now)):
            return True
    return False


def _taken(function: Function, lock: str) -> list[Expr]:
    """The calls that take a lock of this name."""
    names = function.calls.keys() & function.tables.takes.keys()
    return [call for name in names for _, call in function.calls[name] if lock and lock_name(call) == lock]


def _is_raw(function: Function, lock: str) -> bool:
    rows = (row for call in _taken(function, lock) for row in function.tables.takes[call.value])
    return any(row.kind == _RAW for row in rows)
