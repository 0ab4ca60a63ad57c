"""Contexts that a callee needs (RCU, interrupts or preemption off), and that a patch no longer enters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.locks.forbidden import context_of
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.contract import annotated_dropper
from mmlint.facts.locks.held import Prop
from mmlint.facts.locks.inside import KINDS, asks_for, enters, is_bare, is_inside, stand_ins, states_at
from mmlint.facts.locks.irqsoff import entered_with_irqs_off
from mmlint.facts.locks.locks import locks
from mmlint.frozen import dataclass

_LEVELS = 3
_WEAKER = frozenset({"preempt", "bh"})
_SLEPT_FOR = frozenset({"mutex", "rwsem", "mmap_lock"})
_MET = ("_locked", "_rcu", "irqs_off", "irq_disabled", "irqs_disabled")
"""How a function is called whose callers see to it."""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """`call` (after the patch) asks for a context of the kind, by what it does in the end: `why`. `meant`: the
    changelog speaks of what entered it.
    """

    call: Expr
    kind: str
    why: str
    meant: bool = False


def uncovered(change: FunctionChange) -> list[Uncovered]:
    """The first call of each kind that was always made in such a context, entered here, and is made in none now."""
    compared = comparison(change)
    if compared is None or change.named_elsewhere or compared.scoped or change.patch.partial:
        return []
    before, after = compared.before, compared.after
    facts = locks(before), locks(after)
    if any(each.flow.overflow for each in facts) or annotated_dropper(after):
        return []
    takes = before.tables.takes
    found = []
    for kind in KINDS:
        gone = [a for a in compared.removed if any(enters(row.kinds, kind) for row in takes.get(a.word, ()))]
        if not gone or any(a.word in takes for a in compared.added) or _moved(change, kind):
            continue
        first = next(_outside(before, after, kind), None)
        known = (kind == "irq" and _surely_on(after, _LEVELS)) or (
            kind == "preempt" and first is not None and _may_sleep_above(after, stand_ins(after, first.why), _LEVELS)
        )
        if first is not None and (known or not _covered(after, kind, stand_ins(after, first.why), _LEVELS)):
            found.append(replace(first, meant=any(change.patch.speaks_of(act.word) for act in gone)))
    return found


def _outside(before: Function, after: Function, kind: str) -> Iterator[Uncovered]:
    for name, calls in after.calls.items():
        was = [prop for node, call in before.calls.get(name, ()) for prop in states_at(before, node, call)]
        if not was or not all(is_inside(prop, kind) for prop in was):
            continue
        for node, call in calls:
            why = asks_for(after, call, kind)
            if why and any(is_bare(prop, kind, stand_ins(after, why)) for prop in states_at(after, node, call)):
                yield Uncovered(call, kind, why)


def _moved(change: FunctionChange, kind: str) -> bool:
    """Whether another function that the patch changes enters such a context now."""
    takes = change.patch.tables.takes
    words = [name for name, rows in takes.items() if any(enters(row.kinds, kind) for row in rows)]
    return any(change.gained_elsewhere(word) for word in words)


def _surely_on(function: Function, level: int) -> bool:
    """Whether a caller turns preemption or bottom halves off for its call: that would be done with interrupts off."""
    for caller, states in _above(function) if level else ():
        if any(h.kind in _WEAKER and not h.gone for prop in states for h in prop if is_bare(prop, "irq")):
            return True
        if all(is_bare(prop, "irq") for prop in states) and _surely_on(caller, level - 1):
            return True
    return False


def _may_sleep_above(function: Function, instead: tuple[str, ...], level: int) -> bool:
    """Whether a caller holds a lock that is waited for asleep, and nothing that keeps it on its CPU."""
    for caller, states in _above(function) if level else ():
        on = [prop for prop in states if is_bare(prop, "preempt", instead)]
        if any(h.kind in _SLEPT_FOR and not h.gone for prop in on for h in prop):
            return True
        if on and _may_sleep_above(caller, instead, level - 1):
            return True
    return False


def _above(function: Function) -> Iterator[tuple[Function, list[Prop]]]:
    """The callers, each with the states in which it makes its calls."""
    for caller in callers(function):
        calls = [call for _, call in caller.calls.get(function.name, ())]
        if calls and not locks(caller).flow.overflow:
            yield caller, [prop for call in calls for prop in locks(caller).held(call)]


def _covered(function: Function, kind: str, instead: tuple[str, ...], level: int) -> bool:
    """Whether a caller is known to be in such a context, or under a lock, or the function says that its callers are."""
    if any(word in function.name for word in _MET) or any("lockdep" in w or "_held" in w for w in function.calls):
        return True
    if context_of(function) is not None or (kind == "irq" and entered_with_irqs_off(function)):
        return True
    return any(
        any(not is_bare(prop, kind, instead) for prop in states) or _covered(caller, kind, instead, level - 1)
        for caller, states in (_above(function) if level else ())
    )
