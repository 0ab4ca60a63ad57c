"""Releases that turn interrupts on while a lock is still held that was taken with them off."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.held import Held, Prop, match
from mmlint.facts.ir import Expr
from mmlint.facts.irqsoff import ENABLES
from mmlint.facts.locks import locks, may_hold
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Drop

_OFF = "irq"


@dataclass(frozen=True, slots=True)
class TurnedOn:
    """`call` turns interrupts on, by itself or in its callee, while `outer` is held, which was taken with them off."""

    call: Expr
    outer: Held


@fact
def turned_on(function: Function) -> tuple[TurnedOn, ...]:
    """The first such call of each name. What it releases was taken inside the outer lock, and turned them off, too: who
    hands one lock over to the next leaves the last of them.
    """
    if not may_hold(function):
        return ()
    facts = locks(function)
    found: dict[str, TurnedOn] = {}
    for name, calls in function.calls.items() if not facts.flow.overflow else ():
        for node, call in calls:
            if _left_to_macro(function, node, call):
                continue
            for prop in facts.held(call) if name not in found else ():
                outer = _held_with(prop)
                held = _left_behind(function, call, prop, outer) if outer else None
                if held is not None:
                    found.setdefault(name, TurnedOn(call, held))
    return tuple(found.values())


def _left_behind(function: Function, call: Expr, prop: Prop, outer: list[Held]) -> Held | None:
    """The outer lock under which a call turns interrupts on."""
    name = call.value
    if name in function.tables.drops or name in function.tables.takes:
        mine = next((h for row in _enabling(function, name) if (h := _own(prop, row, call)) in outer), None)
        return next((h for h in outer if mine is not None and h.line < mine.line), None)
    callee = function.program.resolve(name, function.path) if name else None
    above = next((h for h in outer if h.line < call.line), None)  # one of an earlier turn of a loop is less sure
    return above if callee is not None and callee is not function and turns_on(callee) else None


def _left_to_macro(function: Function, node: Node, call: Expr) -> bool:
    """Whether a macro is handed the call, and may make it with the lock given up, as those that wait do."""
    around = (each for each in (node.expr.calls() if node.expr is not None else ()) if each is not call)
    given = (each for each in around if any(inner is call for arg in each.args for inner in arg.calls()))
    return any(function.program.resolve(each.value, function.path) is None for each in given)


def _enabling(function: Function, name: str) -> Iterator[Drop]:
    return (row for row in function.tables.drops.get(name, ()) if row.mode in ENABLES and row.arg is not None)


def _own(prop: Prop, row: Drop, call: Expr) -> Held | None:
    """The lock that a release names, by that very name."""
    key = call.args[row.arg].key if row.arg is not None and row.arg < len(call.args) else ""
    held = match(prop, row.kind, key, "")
    return held if held is not None and held.key == key else None


def _held_with(prop: Prop) -> list[Held]:
    """The locks held that were taken together with turning interrupts off, in the order of their lines."""
    sites = {(h.line, h.name) for h in prop if h.kind == _OFF and not h.gone}
    mine = (h for h in prop if h.kind != _OFF and not h.gone and (h.line, h.name) in sites)
    return sorted(mine, key=lambda h: (h.line, h))


@fact
def turns_on(function: Function) -> bool:
    """Whether it turns interrupts on where it turned them off itself, whatever they were before; who gives up a lock of
    its callers anywhere is believed to know.
    """
    facts = locks(function)
    if facts.flow.overflow or any(h.gone for states in facts.flow.before.values() for prop in states for h in prop):
        return False
    return any(
        _always_own(facts.held(call), row, call)
        for name in function.words.intersection(function.tables.drops)
        for row in _enabling(function, name)
        for _, call in function.calls.get(name, ())
    )


def _always_own(states: list[Prop], row: Drop, call: Expr) -> bool:
    return bool(states) and all(_own(prop, row, call) in _held_with(prop) for prop in states)
