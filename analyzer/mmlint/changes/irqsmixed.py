"""Locks that a patch takes with interrupts on, where the rest of the file takes them with interrupts off.

Whoever saves the state of interrupts for a lock expects an interrupt to take it; one that comes in while the lock is
held with interrupts on waits for it forever.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.compare import Comparison
from mmlint.changes.forbidden import context_of
from mmlint.changes.lockset import lock_name
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.irqsoff import entered_with_irqs_off
from mmlint.facts.lockclass import class_of
from mmlint.facts.locks import locks
from mmlint.facts.sleep import sleeps_anyway
from mmlint.facts.steps import Act

_OFF = frozenset({"irq", "bh"})


def taken_with_irqs_off(compared: Comparison, was: Act, now: Act) -> bool:
    """Whether others in the file still take the lock of `now` with interrupts, or bottom halves, off, and nothing tells
    that they are off here anyway.
    """
    before, after = compared.before, compared.after
    lock = lock_name(now.expr)
    rows = [row for row in before.tables.takes.get(was.word, ()) if row.arg == 0]
    off = {kind for row in rows for kind in row.also if kind in _OFF}
    off -= {kind for row in after.tables.takes.get(now.word, ()) for kind in row.also}
    if not lock or not off or lock != lock_name(was.expr) or _off_anyway(after, now):
        return False
    if not any(row.mode == "irq" for row in rows) and not sleeps_anyway(after):
        return False
    mine = class_of(after, now.expr.args[0].key)
    return any(
        class_of(other, call.args[0].key) in (mine, None)
        for other in after.program.functions(after.path)
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
    says = any("irq" in name or "lockdep" in name for name in function.calls if name not in function.tables.takes)
    return says or context_of(function) is not None or entered_with_irqs_off(function)
