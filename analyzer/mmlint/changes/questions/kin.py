"""Predicates for different states of one thing, as the tables have them, and a patch that makes them answer alike."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr, operands
from mmlint.frozen import dataclass

_Values = frozenset[tuple[str, str]]
"""What is compared, in terms of the parameters' places, and the constant."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """At `result` a predicate holds where `other` does, which is for other states."""

    result: Node
    other: str


def overlapping(change: FunctionChange) -> Overlap | None:
    """The predicate of other states for some of which a patch has this one answer true, too."""
    before, after = change.before, change.after
    if before is None or after is None or change.patch.partial:
        return None
    was, now = answered_for(before), answered_for(after)
    result = next((n for n in after.cfg.order if n.kind == "return"), None)
    for other in _of_other_states(after) if now - was and result is not None else ():
        theirs = answered_for(other)
        if theirs & now and not theirs & was and result is not None:
            return Overlap(result, other.name)
    return None


def parted(change: FunctionChange) -> bool:
    """Whether all that a predicate does not hold for any more is what another one is for, of other states."""
    before, after = change.before, change.after
    if before is None or after is None:
        return False
    was, now = answered_for(before), answered_for(after)
    others = [answered_for(other) for other in _of_other_states(after)] if was > now else []
    return bool(others) and was - now <= frozenset[tuple[str, str]]().union(*others)


def _of_other_states(function: Function) -> list[Function]:
    """The predicates of the same file that hold for none of the states that the function is for."""
    states = function.tables.steps.states
    mine = states.get(function.name)
    found = []
    for name, row in states.items() if mine is not None else ():
        if mine is not None and row.of == mine.of and not set(row.holds) & set(mine.holds):
            found += function.program.named(function.path, name)
    return found


@fact
def answered_for(function: Function) -> _Values:
    """The values for one of which a function asks that does nothing else (`type == A || type == B`)."""
    order = function.cfg.order
    results = [n.expr for n in order if n.kind == "return" and n.expr is not None]
    if len(results) != 1 or any(n.kind in ("branch", "switch", "iter") for n in order):
        return frozenset()
    found = set()
    for term in operands(results[0], "||"):
        if term.kind != "binary" or term.value != "==":
            return frozenset()
        constants = [arg.key for arg in term.args if arg.kind == "name" and arg.value.isupper()]
        asked = [arg for arg in term.args if not (arg.kind == "name" and arg.value.isupper())]
        if len(constants) != 1:
            return frozenset()
        found.add((_placed(function, asked[0]), constants[0]))
    return frozenset(found)


def _placed(function: Function, expr: Expr) -> str:
    """A text with the parameters by their places, and a variable by the one value that it is given."""
    values = assigned_values(function).get(expr.key, ()) if expr.kind == "name" else ()
    key = values[0].key if len(values) == 1 else expr.key
    for place, name in enumerate(function.params):
        key = key.replace(f"({name})", f"({place})")
    return key
