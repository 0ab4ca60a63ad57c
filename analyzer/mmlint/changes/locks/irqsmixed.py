"""Locks that a patch takes with interrupts on, where the rest of the file takes them with interrupts off.

Whoever saves the state of interrupts for a lock expects an interrupt to take it; one that comes in while the lock is
held with interrupts on waits for it forever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison
from mmlint.changes.locks.forbidden import context_of
from mmlint.changes.locks.lockset import lock_name
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.irqsoff import entered_with_irqs_off
from mmlint.facts.locks.lockclass import class_of
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.sleep import sleeps_anyway
from mmlint.facts.steps import Act

_OFF = frozenset({"irq", "bh"})
_OF_IRQS = re.compile(r"irq|interrupt|bottom hal|_bh\b", re.I)


def taken_with_irqs_off(compared: Comparison, was: Act, now: Act) -> bool:
    """Whether others in the file still take the lock of `now` with interrupts, or bottom halves, off, and nothing tells
    that they are off here anyway.
    """
    off = _given_up(compared, was, now)
    return bool(off) and _others_take(compared.after, now, off)


def nowhere_irqs_off(compared: Comparison, was: Act, now: Act) -> bool:
    """Whether nobody in the file takes the lock with interrupts, or bottom halves, off any more, all else as above."""
    off = _given_up(compared, was, now)
    return bool(off) and not _others_take(compared.after, now, off)


def meant_everywhere(change: FunctionChange, step: Act) -> bool:
    """Whether a patch that takes a lock nowhere with interrupts off has a word of them, or but this one place."""
    lock, off = lock_name(step.expr), {k for row in change.patch.tables.takes.get(step.word, ()) for k in row.also}
    others = (each.before for each in change.others if each.before is not None and lock in each.before.words)
    more = any(True for other in others for _ in _taken_off(other, lock, off))
    return not more or change.patch.mends or _OF_IRQS.search(f"{change.patch.subject} {change.patch.body}") is not None


def _given_up(compared: Comparison, was: Act, now: Act) -> set[str]:
    """What the taking of a lock turned off, and does not any more, where nothing tells that it is off anyway."""
    before, after = compared.before, compared.after
    lock = lock_name(now.expr)
    rows = [row for row in before.tables.takes.get(was.word, ()) if row.arg == 0]
    off = {kind for row in rows for kind in row.also if kind in _OFF}
    off -= {kind for row in after.tables.takes.get(now.word, ()) for kind in row.also}
    if not lock or not off or lock != lock_name(was.expr) or _off_anyway(after, now):
        return set()
    return off if any(row.mode == "irq" for row in rows) or sleeps_anyway(after) else set()


def _others_take(function: Function, now: Act, off: set[str]) -> bool:
    lock, mine = lock_name(now.expr), class_of(function, now.expr.args[0].key)
    return any(
        class_of(other, call.args[0].key) in (mine, None)
        for other in function.program.functions(function.path)
        if lock in other.words
        for call in _taken_off(other, lock, off)
    )


def _taken_off(function: Function, lock: str, off: set[str]) -> Iterator[Expr]:
    """The calls that take a lock of this name with interrupts, or bottom halves, off."""
    takes = function.tables.takes
    for name in takes.keys() & function.calls.keys():
        if any(row.arg == 0 and not off.isdisjoint(row.also) for row in takes[name]):
            yield from (call for _, call in function.calls[name] if lock_name(call) == lock)


def _off_anyway(function: Function, now: Act) -> bool:
    """Whether interrupts, or bottom halves, are off at the call, or may be: by a lock, a caller, or the context."""
    states = locks(function).held(now.expr)
    if locks(function).flow.overflow or any(h.kind in _OFF and not h.gone for prop in states for h in prop):
        return True
    words = function.calls.keys() - function.tables.takes.keys() - function.tables.drops.keys()
    says = any("irq" in name or "lockdep" in name for name in words)
    return says or context_of(function) is not None or entered_with_irqs_off(function)
