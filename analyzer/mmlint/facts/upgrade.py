"""Functions that map a page frame, or give more rights to an entry they find: is it known to map that frame?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Outcome, solve
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reuse import assigned_values
from mmlint.facts.values import Facts

UNKNOWN, EMPTY, FOUND, CHECKED = "unknown", "empty", "found", "checked"
_STEP = "pfn-before-upgrade"
_FRAME = re.compile(r"pfn(_t)?$")
_PAGE = re.compile(r"struct (page|folio) \*$")
_VALUE = re.compile(r"(pte|pmd|pud|p4d|pgd)_(pfn|val|page|folio)$")


@fact
def unchecked_upgrades(function: Function) -> tuple[tuple[Node, Expr], ...]:
    """The calls that give rights to an entry which was there already and may map something else, in order."""
    if not _maps_frame(function):
        return ()
    client = _Upgrades(function)
    if client.sinks.isdisjoint(function.words):
        return ()
    solve(function.cfg, client)
    return tuple(sorted(client.found.values(), key=lambda found: (found[1].line, found[1].column)))


def _maps_frame(function: Function) -> bool:
    """Whether it is handed a page frame: as a number, or as a page that it writes into an entry."""
    if any(_FRAME.search(p.name) or _FRAME.search(p.type_text) for p in function.source.params):
        return True
    if not any(_PAGE.search(p.type_text) for p in function.source.params):
        return False
    return any(row.op == "set" and name in function.words for name, row in function.tables.set_entries.items())


class _Upgrades:
    initial = UNKNOWN

    def __init__(self, function: Function) -> None:
        self.function = function
        self.guards = function.tables.guards
        self.sinks = frozenset(function.tables.steps.by_name[_STEP].sinks)
        self.found: dict[int, tuple[Node, Expr]] = {}

    def call(self, call: Expr, prop: str, facts: Facts, node: Node) -> Iterable[Outcome[str]] | None:
        if prop == FOUND and call.value in self.sinks:
            self.found[id(call)] = (node, call)
        return None

    def assigned(self, target: Expr, value: Expr | None, prop: str, facts: Facts, node: Node) -> str:
        return prop

    def branched(self, node: Node, outcome: bool, prop: str, facts: Facts) -> str | None:
        if node.expr is None:
            return prop
        for expr in self._meanings(node.expr):
            guard = self.guards.get(expr.value) if expr.kind == "call" else None
            if guard is not None and guard.class_ == "none":
                return EMPTY if outcome else FOUND
            if guard is not None and guard.class_ == "pte_same" and outcome:
                return CHECKED
            if _same_frame(expr, outcome):
                return CHECKED
        return prop

    def _meanings(self, expr: Expr) -> Iterator[Expr]:
        yield expr
        if expr.kind == "name":
            values = assigned_values(self.function).get(expr.value, [])
            if len(values) == 1:
                yield values[0]

    def cleanup(self, node: Node, prop: str, facts: Facts) -> str:
        return prop


def _same_frame(expr: Expr, outcome: bool) -> bool:
    """Whether the outcome of a comparison says that an entry maps the frame it is compared with."""
    if expr.kind != "binary" or expr.value not in ("==", "!="):
        return False
    return (expr.value == "==") is outcome and any(_VALUE.search(call.value) for call in expr.calls())
