"""Who gives pins and GUP references back: calls of the tables, and functions that make such calls, by how they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, fact, keep
from mmlint.facts.graph import always_through
from mmlint.facts.holders import held_at
from mmlint.facts.ir import Expr
from mmlint.facts.values import Facts, is_error, is_negative, is_zero
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Moving

RESOURCES = {"pin": "page pin", "get": "GUP page reference", "extract": "page pin"}
"""The resource of the tables for each kind of GUP entry point."""


def all_calls(function: Function) -> list[tuple[Node, Expr]]:
    """Every reachable call of a function with its node."""
    return [pair for calls in function.calls.values() for pair in calls]


def fails(function: Function, node: Node, value: str | None) -> bool:
    """Whether a return is known to report a failure: negative, an error pointer, or NULL for a pointer.

    Not zero is a failure, too, in a function with 0 for success that asks `if (err)` and returns it.
    """
    if node.kind != "return" or node.expr is None:
        return False
    if is_negative(value) or is_error(value) or value == "bad":
        return True
    returns = function.source.returns
    if value == "!0" and "*" not in returns and returns != "bool":
        return node.expr.key in _error_codes(function)
    return ("*" in returns or returns == "bool") and "char" not in returns and is_zero(value) is True


@fact
def _error_codes(function: Function) -> frozenset[str]:
    """The variables tested as a truth value and returned, where the function returns error codes, such values and 0."""
    results = [node.expr for node in function.cfg.order if node.kind == "return" and node.expr is not None]
    assigned = [e for n in function.cfg.order if n.expr is not None for e in n.expr.walk() if e.kind == "assign"]
    if not any(e.key.startswith("-E") for e in (*results, *(a.args[1] for a in assigned))):
        return frozenset()
    tested = {n.expr.key for n in function.cfg.order if n.kind == "branch" and n.expr is not None}
    zeros = {a.args[0].key for a in assigned if a.args[1].key == "0"} | {"0"}
    named = {expr.key for expr in results if not expr.key.startswith("-E")} - set(function.params)
    succeeds = bool(named & zeros) or named <= tested
    only_codes = all(expr.key == "0" for expr in results if expr.kind == "num")
    return frozenset(named & tested) if succeeds and only_codes else frozenset()


@dataclass(frozen=True, slots=True)
class Given:
    """The resources that a call gives back: in any case, or only where it fails (`failing`)."""

    always: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()


_NOTHING = Given()
_LEVELS = 3
"""How many calls deep releases are looked for."""


def given_by(function: Function, call: Expr, level: int = _LEVELS) -> Given:
    """What a call gives back of pins and GUP references, by the tables or by its own body, `level` calls deep."""
    rows = function.tables.gives_resource.get(call.value)
    if rows is not None:
        return Given(frozenset(r.resource for r in rows))
    if not call.value or call.value in function.tables.nosleep or call.value in function.tables.sleeps:
        return _NOTHING
    callee = function.program.resolve(call.value, function.path)
    if callee is None or callee is function or _elsewhere(callee, function):
        return _NOTHING
    return gives(callee, level)


def gives_away(function: Function, call: Expr) -> list[tuple[int, str]]:
    """The arguments of a call, with their resource, that the callee gives back or hands on without telling its caller.

    The callee, which returns nothing, does so by a call of the tables: on some path with what has a single owner; once
    and whatever happens with references of which there may be many, in the same file.
    """
    rows = function.tables
    if call.value in rows.gives_resource or call.value in rows.transfers_resource:
        return []
    callee = function.program.resolve(call.value, function.path) if call.value else None
    if callee is None or callee is function:
        return []
    return sorted(_given_away(callee) | (_always_given(callee) if callee.path == function.path else set()))


@fact
def _given_away(function: Function) -> frozenset[tuple[int, str]]:
    tables = function.tables
    if not _silent(function):
        return frozenset()
    moves = (_moves(function, table) for table in (tables.gives_resource, tables.transfers_resource))
    return frozenset(
        (i, row.resource) for found in moves for i, row, _ in found if tables.resources[row.resource].single
    )


@fact
def _always_given(function: Function) -> frozenset[tuple[int, str]]:
    tables = function.tables
    made = _moves(function, tables.gives_resource) if _silent(function) else []
    taken = {
        row.resource for n in function.words.intersection(tables.takes_resource) for row in tables.takes_resource[n]
    }
    count = Counter(row.resource for _, row, _ in made)
    return frozenset(
        (i, row.resource)
        for i, row, node in made
        if count[row.resource] == 1
        and row.resource not in taken
        and always_through(function.cfg, [node], function.cfg.exit)
    )


def _silent(function: Function) -> bool:
    """Whether it returns nothing."""
    return function.source.returns.split() in (["void"], ["static", "void"])


def _moves(function: Function, table: Mapping[str, Sequence[Moving]]) -> list[tuple[int, Moving, Node]]:
    """What its calls of a table give back or hand on that it was handed: the parameter, the row, the node."""
    found = []
    for name in sorted(function.words.intersection(table)):
        for row, (node, call) in product(table[name], function.calls.get(name, ())):
            held = held_at(call, row.holder, None)
            if held in function.params:
                found.append((function.params.index(held), row, node))
    return found


def _elsewhere(callee: Function, function: Function) -> bool:
    """Whether a callee lies in the shared headers or in mm, whose own references are not the caller's."""
    return callee.path != function.path and (callee.path.endswith(".h") or callee.path.startswith("mm/"))


def gives(function: Function, level: int = _LEVELS) -> Given:
    """What `function`, or one of its folder that it calls, gives back: also on success, or only where it fails."""
    return keep(function, ("gives", level), lambda: _gives(function, level))


def _gives(function: Function, level: int) -> Given:
    if level <= 0:
        return _NOTHING
    calls = {id(call): given_by(function, call, level - 1) for _, call in all_calls(function)}
    found = frozenset[str]().union(*(g.always for g in calls.values())) & frozenset(RESOURCES.values())
    if not found:
        return _NOTHING
    flow = solve(function.cfg, _Gave(calls))
    ends = [(gave, fails(function, node, value)) for node, gave, _, value in flow.returns]
    always = frozenset[str]().union(*(gave for gave, failed in ends if not failed)) & found
    return Given(always, found - always)


class _Gave(Client[frozenset[str]]):
    """Which resources were given back on the way."""

    def __init__(self, calls: dict[int, Given]) -> None:
        super().__init__(frozenset())
        self.calls = calls

    def call(
        self, call: Expr, prop: frozenset[str], facts: Facts, node: Node
    ) -> Iterable[Outcome[frozenset[str]]] | None:
        given = self.calls[id(call)].always if id(call) in self.calls else None
        return [Outcome(prop | given)] if given else None

    def assigned(
        self, target: Expr, value: Expr | None, prop: frozenset[str], facts: Facts, node: Node
    ) -> frozenset[str]:
        return prop
