"""Predicates that tell whom two halves leave alone, and a patch that exchanges the one half's for another predicate."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.slips import differ, tokens
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.owners.halves import halves
from mmlint.facts.reach import reach
from mmlint.facts.things import kind_of
from mmlint.frozen import dataclass

_COUNTS = re.compile(r"(?:atomic|refcount|percpu_counter|this_cpu)\w*_(?:(add|inc)|(sub|dec))(?:_|$)")
_UP, _DOWN, _CALL = "+", "-", "()"
_Effect = tuple[str, str]
"""A direction and what is counted (a member, or a kind of reference); or a call by its name."""


@dataclass(frozen=True, slots=True)
class Spared:
    """At `test` (of after) `now` is asked, where `was` was; `other` counts the other way, and asks `was` still."""

    test: Node
    was: str
    now: str
    other: Function


def spared_otherwise(change: FunctionChange) -> Spared | None:
    """The one predicate that a patch exchanges in a function, if the function's other half goes by the old one."""
    before, after = change.before, change.after
    if before is None or after is None or change.patch.partial or change.named_elsewhere:
        return None
    pair = differ(tokens(before), tokens(after))
    was, now = (word.decode() for word in pair) if pair is not None else ("", "")
    old, new = _test_of(before, was), _test_of(after, now)
    if old is None or new is None or _akin(after, was, now):
        return None
    done = _spares(before, old)
    for other in after.program.functions(after.path) if done else ():
        test = _test_of(other, was)
        if test is None or other.name == after.name or now in other.words:
            continue
        if change.patch.before.resolve(other.name, after.path) is not None and _undoes(done, _spares(other, test)):
            return Spared(new, was, now, other)
    return None


def _test_of(function: Function, name: str) -> Node | None:
    """The one test that asks a predicate of one argument, or None."""
    calls = function.calls_of({name}).get(name, []) if name else []
    if len(calls) != 1 or len(calls[0][1].args) != 1 or calls[0][0].kind != "branch":
        return None
    return calls[0][0]


def _akin(function: Function, was: str, now: str) -> bool:
    """Whether the two may say the same: equal by the tables, or one by means of the other."""
    for name, other in ((was, now), (now, was)):
        body = function.program.resolve(name, function.path)
        if body is not None and body.has(other):
            return True
    return now in function.tables.steps.equals(was)


def _spares(function: Function, test: Node) -> frozenset[_Effect]:
    """What is counted or called on one side of a test alone, the side that goes further."""
    order = reach(function)
    further = order.side(test, True).bit_count() > order.side(test, False).bit_count()
    return frozenset(
        effect for node in order.order if order.chosen(test, node) is further for effect in _effects(function, node)
    )


def _effects(function: Function, node: Node) -> Iterator[_Effect]:
    tables = function.tables
    for op, expr in node.events:
        if op == "assign" and expr.value in ("+=", "-=") and expr.args[0].kind == "field":
            yield expr.value[0], expr.args[0].value
        if op != "call" or not expr.value:
            continue
        yield _CALL, expr.value
        counts = _COUNTS.match(expr.value)
        if counts is not None:
            yield from ((_UP if counts[1] else _DOWN, arg.args[0].value) for arg in expr.args if arg.value == "&")
        row = tables.ref_helpers.get(expr.value)
        if row is not None and row.op in ("inc", "dec"):
            yield _UP if row.op == "inc" else _DOWN, "page"
        for rows, way in ((tables.takes_resource, _UP), (tables.gives_resource, _DOWN)):
            yield from ((way, kind_of(each.resource)) for each in rows.get(expr.value, ()))


def _undoes(done: frozenset[_Effect], others: frozenset[_Effect]) -> bool:
    """Whether one of two sets of effects takes back what the other does."""
    flipped = {({_UP: _DOWN, _DOWN: _UP}[way], what) for way, what in done if way != _CALL}
    if flipped & others:
        return True
    names = [[what for way, what in each if way == _CALL] for each in (done, others)]
    return any(halves(a, b) or halves(b, a) for a in names[0] for b in names[1])
