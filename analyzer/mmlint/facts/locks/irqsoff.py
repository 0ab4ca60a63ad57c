"""Functions that are entered with interrupts off: by a caller that has them off, or by contract from any context."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function, keep
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import may_change_locks

_LEVELS = 4
"""How many callers, one above the other, are looked at."""
ENABLES = frozenset({"irq"})
"""How a taker or dropper is marked that turns interrupts on at its end, whatever they were before."""


def entered_with_irqs_off(function: Function, level: int = _LEVELS) -> bool:
    """Whether a caller is known to have interrupts off at a call, or is called from contexts of every kind."""
    return keep(function, ("entered with irqs off", level), lambda: _entered(function, level))


def enables_irqs(function: Function) -> bool:
    """Whether it turns interrupts on without a look at what they were."""
    tables = function.tables
    rows = (row for name in function.words.intersection(tables.drops) for row in tables.drops[name])
    return any(row.mode in ENABLES for row in rows)


def _entered(function: Function, level: int) -> bool:
    if function.name in function.tables.nosleep:
        return True
    above = []
    for caller in callers(function, including=True) if level else ():
        calls = [call for _, call in caller.calls.get(function.name, ())]
        if not calls or caller.source.damaged:
            continue
        states = [prop for call in calls for prop in locks(caller).held(call)] if may_change_locks(caller) else []
        if any(h.kind == "irq" and not h.gone for prop in states for h in prop) and not locks(caller).flow.overflow:
            return True
        if not enables_irqs(caller):
            above.append(caller)
    if any(_off(callee, name) for callee, name in _handed_to(function)):
        return True
    return any(entered_with_irqs_off(caller, level - 1) for caller in above)


def _off(function: Function, name: str) -> bool:
    """Whether interrupts are off at a call of what one of the function's parameters points to."""
    facts = locks(function) if may_change_locks(function) else None
    if facts is None or facts.flow.overflow:
        return False
    states = [prop for _, call in function.calls.get(name, ()) for prop in facts.held(call)]
    return bool(states) and all(any(h.kind == "irq" and not h.gone for h in prop) for prop in states)


def _handed_to(function: Function) -> Iterator[tuple[Function, str]]:
    """The functions that get this one as an argument in its file, each with the parameter that it is for them."""
    program = function.program
    for user in program.functions(function.path):
        if user is function or function.name not in user.words:
            continue
        for name, calls in user.calls.items():
            places = {i for _, call in calls for i, arg in enumerate(call.args) if arg.key.lstrip("&") == function.name}
            callee = program.resolve(name, function.path) if places and name else None
            params = callee.params if callee is not None else ()
            yield from ((callee, params[i]) for i in places if callee is not None and i < len(params))
