"""Which way data goes: whether user memory is written where FOLL_WRITE is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

WRITE = "FOLL_WRITE"


@dataclass(frozen=True, slots=True)
class Choice:
    """`flag` (where FOLL_WRITE is written) is asked for if `test` has that outcome."""

    flag: Expr
    test: Expr
    outcome: bool


@fact
def against_direction(function: Function) -> Choice | None:
    """The first place that asks for FOLL_WRITE where memory is only read, if no place asks for it otherwise."""
    if not function.has(WRITE) or function.words.isdisjoint(function.tables.directions):
        return None
    found = list(_choices(function))
    wrong = [each for each in found if each is not None and _written(function, each.test, each.outcome) is False]
    return wrong[0] if wrong and len(wrong) == len(found) else None


def only_read(function: Function, call: Expr) -> bool:
    """Whether the memory that a call of GUP starts at is a parameter's not to be written: `const char __user *`."""
    entry = function.tables.gup.get(call.value)
    if entry is None or entry.start is None or entry.start >= len(call.args):
        return False
    names = set(call.args[entry.start].names())
    names |= {n for name in list(names) for value in assigned_values(function).get(name, ()) for n in value.names()}
    const = {p.name for p in function.source.params if p.type_text.startswith("const ") and "*" in p.type_text}
    return not names.isdisjoint(const)


def _choices(function: Function) -> Iterator[Choice | None]:
    """Every place that names the flag as a value, with what it hangs on; None where nothing close by decides."""
    for node in function.cfg.order:
        for part in _values(node):
            yield from _in(function, node, part, None)


def _values(node: Node) -> Iterator[Expr]:
    """What a statement gives to variables or calls; what a branch asks is no value."""
    for op, expr in node.events:
        if op == "assign":
            yield expr.args[1]
        elif op == "call":
            yield from expr.args


def _in(function: Function, node: Node, value: Expr, choice: tuple[Expr, bool] | None) -> Iterator[Choice | None]:
    """The places in a value, `choice` being the innermost `?` around it."""
    if value.kind == "cond":
        for arm, outcome in zip(value.args[1:], (True, False), strict=True):
            yield from _in(function, node, arm, (value.args[0], outcome))
    elif value.kind == "name" and value.value == WRITE:
        test, side = reach(function).innermost(node) if choice is None else (None, None)
        if test is not None and test.expr is not None and side is not None:
            choice = (test.expr, side)
        yield Choice(value, *choice) if choice is not None else None
    elif value.kind == "binary" and value.value == "|":
        for arg in value.args:
            yield from _in(function, node, arg, choice)


def _written(function: Function, test: Expr, outcome: bool) -> bool | None:
    """Whether user memory is written on one outcome of a comparison with a direction; None where it does not say."""
    if test.kind == "unary" and test.value == "!":
        return _written(function, test.args[0], not outcome)
    if test.kind != "binary" or test.value not in ("==", "!="):
        return None
    row = next((r for arg in test.args if (r := function.tables.directions.get(arg.value)) is not None), None)
    if row is None:
        return None
    same = (test.value == "==") is outcome
    return row.written if same else (not row.written if row.two else None)
