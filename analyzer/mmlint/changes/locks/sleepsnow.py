"""Calls that a patch makes sleep where they did not, in a function that callers enter under an atomic lock.

What PTL101 must leave open at the callers, a condition in the callee on the way to the sleep, is no longer open here:
the very call took care not to sleep until the patch, so that somebody under a lock was thought to get there.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.locks.forbidden import sleeps_alone
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.atomicsleep import AtomicSleep, atomic_sleeps
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.sleep import sleeps_at
from mmlint.facts.needs import GUESS, callers_know
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_LEVELS = 3
"""How many callers, one above the other, are looked at."""
_MOST = 24
"""So many callers of one function, or more, are not looked at."""
_WITHOUT_LOCK = frozenset({"irq", "preempt", "lazy_mmu"})
"""Sections that are not worth a guess: callees open and close them for each other, and at boot they say nothing."""


@dataclass(frozen=True, slots=True)
class SleepsNow:
    """`call` may sleep since the patch; `caller` gets there from `below`, inside an atomic section."""

    call: Expr
    caller: Function
    below: AtomicSleep


def sleeps_now(change: FunctionChange) -> tuple[SleepsNow, ...]:
    """The calls of a changed function that sleep since the change, each with one caller whose lock forbids it."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return ()
    found = []
    for call in sleep_since(compared):
        above = next(_under_locks(compared.after, call), None)
        if above is not None:
            found.append(SleepsNow(call, *above))
    return tuple(found)


def sleep_since(compared: Comparison) -> Iterator[Expr]:
    """The calls that slept in no way before the patch, and do now whatever the caller passes in."""
    before, after = compared.before, compared.after
    for act in compared.new:
        old = compared.sources.get(id(act))
        if act.expr.kind != "call" or old is None or old.expr.kind != "call" or old.word != act.word:
            continue
        row = after.tables.sleeps.get(act.word)
        if row is None or row.when != "gfp" or old.expr.key == act.expr.key:
            continue
        quiet = not sleeps_somehow(before, old) and not callers_know(after, act.node)
        if quiet and sleeps_alone(after, act.expr):
            yield act.expr


def sleeps_somehow(function: Function, act: Act) -> bool:
    """Whether a call may sleep in any way, be it one that nobody can tell."""
    states = locks(function).at_call.get(id(act.expr), {})
    return not states or any(sleeps_at(function, act.node, act.expr, facts) for facts in states.values())


def _under_locks(function: Function, call: Expr) -> Iterator[tuple[Function, AtomicSleep]]:
    """The callers, and theirs, that reach a call of this function inside a section of their own."""
    seen, work = {function}, [function]
    for _ in range(_LEVELS):
        above = []
        for callee in work:
            users = callers(callee, including=True)
            above += [c for c in users if c not in seen] if len(users) < _MOST else []
            seen.update(users)
        for caller in above:
            for found in atomic_sleeps(caller):
                if _leads_to(found, function, call):
                    yield caller, found
        work = above


def _leads_to(found: AtomicSleep, function: Function, call: Expr) -> bool:
    """Whether a sleep that the state rule is unsure of is this very call."""
    sleeper = found.sleeper
    if not sleeper.steps or not sleeper.requires or GUESS in sleeper.requires or found.kind in _WITHOUT_LOCK:
        return False
    last = sleeper.steps[-1]
    return (last.path, last.line) == (function.path, call.line) and sleeper.name == call.value
