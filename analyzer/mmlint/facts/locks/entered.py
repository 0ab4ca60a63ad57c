"""Sleeping under a lock that the caller holds, where only the hunks of a patch are seen and the caller is not.

The tables name functions that the kernel always enters with a page-table lock held; what such a function calls in the
same hunks runs under it too. With a tree none of this is needed: there the lock is followed from where it is taken.
"""

from __future__ import annotations

from mmlint.facts.function import Function, fact
from mmlint.facts.locks.atomicsleep import AtomicSleep
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.sleep import sleeps_at

CALLERS = "callers"
"""The context of a sleep under a lock that a caller took."""
_LEVELS = 3


@fact
def entered_sleeps(function: Function) -> tuple[AtomicSleep, ...]:
    """The calls that sleep while a lock of the callers is held; empty unless the program is one of hunks alone."""
    if not function.program.partial:
        return ()
    root = _entered(function, _LEVELS)
    if root is None:
        return ()
    kind = function.tables.entered[root.name].holds[0]
    at_call = locks(function).at_call
    found = []
    for calls in function.calls.values():
        for node, call in calls:
            for prop, facts in at_call.get(id(call), {}).items():
                if any(held.gone or held.kind == kind for held in prop):
                    continue
                own = [
                    s
                    for s in sleeps_at(function, node, call, facts)
                    if not s.steps and s.gfp_param is None and not s.unlocked
                ]
                if own:
                    found.append(AtomicSleep(node, call, own[0], CALLERS, kind, root.line, root.name))
                    break
    return tuple(sorted(found, key=lambda s: (s.call.line, s.call.column)))


def _entered(function: Function, levels: int) -> Function | None:
    """The function of the tables under whose lock this one runs: itself, or one that calls it in the same file."""
    if function.name in function.tables.entered:
        return function
    if not levels:
        return None
    for caller in function.program.functions(function.path):
        if caller is not function and _calls_under_lock(caller, function.name):
            root = _entered(caller, levels - 1)
            if root is not None:
                return root
    return None


def _calls_under_lock(caller: Function, name: str) -> bool:
    """Whether it calls `name` at a place before which no lock of its own callers was dropped."""
    if not caller.has(name):
        return False
    at_call = locks(caller).at_call
    states = [prop for _, call in caller.calls.get(name, ()) for prop in at_call.get(id(call), {})]
    return bool(states) and not any(held.gone for prop in states for held in prop)
