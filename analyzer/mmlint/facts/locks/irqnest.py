"""Releases that turn interrupts on while a lock is still held that was taken with them off, and nested sections that
keep what interrupts were in one variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Held, Prop, match
from mmlint.facts.locks.irqsoff import ENABLES
from mmlint.facts.locks.locks import locks, may_turn_off
from mmlint.facts.locks.lockwords import kinds_named
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Drop, Take

_OFF = "irq"


@dataclass(frozen=True, slots=True)
class TurnedOn:
    """`call` turns interrupts on, by itself or in its callee, while `outer` is held, which was taken with them off."""

    call: Expr
    outer: Held


@dataclass(frozen=True, slots=True)
class Overwritten:
    """`call` saves the state of interrupts in `variable`, which is to keep what it was before `outer` was taken."""

    call: Expr
    variable: str
    outer: Held


@fact
def overwritten(function: Function) -> tuple[Overwritten, ...]:
    """The calls that save where an outer section of the function has saved, on every way to them."""
    if _OFF not in kinds_named(function):
        return ()
    facts = locks(function)
    saves = {(call.line, name): kept for name, _, call in _taking(function) if (kept := _saves_in(function, call))}
    names = {kept for kept in saves.values() if list(saves.values()).count(kept) > 1}
    found = []
    for name, node, call in _taking(function) if names and not facts.flow.overflow else ():
        kept = saves.get((call.line, name), "")
        if kept not in names or _declared_twice(function, kept) or _left_to_macro(function, node, call):
            continue
        outer = [_saved_by(prop, saves, kept, call) for prop in facts.held(call)]
        first = outer[0] if outer and None not in outer else None
        if first is not None and _restored(function, kept, first, call):
            found.append(Overwritten(call, kept, first))
    return tuple(found)


def _taking(function: Function) -> Iterator[tuple[str, Node, Expr]]:
    takes = function.tables.takes
    for name in takes.keys() & function.calls.keys():
        if any(_OFF in row.kinds for row in takes[name]):
            yield from ((name, node, call) for node, call in function.calls[name])


def _saves_in(function: Function, call: Expr) -> str:
    """The variable that a taker or a dropper is given for the state of interrupts, beside the lock; "" if none."""
    rows: list[Take | Drop] = [*function.tables.takes.get(call.value, ()), *function.tables.drops.get(call.value, ())]
    last = len(call.args) - 1
    mine = last >= 0 and call.args[last].kind == "name" and all(row.arg != last for row in rows)
    return call.args[last].value if mine else ""


def _declared_twice(function: Function, name: str) -> bool:
    """Whether an inner block has a variable of that name of its own."""
    found = re.findall(rb"\blong\b[^;(){}]*\b%s\b[^;(){}]*;" % re.escape(name.encode()), function.text)
    return len(found) != 1


def _saved_by(prop: Prop, saves: dict[tuple[int, str], str], variable: str, call: Expr) -> Held | None:
    """What is held that was taken with the state kept in the same variable."""
    mine = (h for h in prop if not h.gone and h.line < call.line and saves.get((h.line, h.name)) == variable)
    return min((h for h in mine if h.kind != _OFF), key=lambda h: (h.line, h), default=None)


def _restored(function: Function, variable: str, outer: Held, call: Expr) -> bool:
    """Whether both locks are given up with the variable, as each would be by itself."""
    drops = function.tables.drops
    ends = [each for name in drops.keys() & function.calls.keys() for _, each in function.calls[name]]
    names = {each.args[0].key for each in ends if _saves_in(function, each) == variable and len(each.args) > 1}
    return outer.key in names and bool(call.args) and call.args[0].key in names


@fact
def turned_on(function: Function) -> tuple[TurnedOn, ...]:
    """The first such call of each name. What it releases was taken inside the outer lock, and turned them off, too: who
    hands one lock over to the next leaves the last of them.
    """
    if not may_turn_off(function):
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
    if not may_turn_off(function):
        return False
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
