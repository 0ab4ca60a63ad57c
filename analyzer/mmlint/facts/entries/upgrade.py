"""Functions that map a page frame, or give more rights to an entry they find: is it known to map that frame?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.values import Facts

UNKNOWN, EMPTY, FOUND, PRESENT, CHECKED = "unknown", "empty", "found", "present", "checked"
_STEP = "pfn-before-upgrade"
_FRAME = re.compile(r"pfn(_t)?$")
_PAGE = re.compile(r"struct (page|folio) \*$")
_FRAME_OF = re.compile(r"(pte|pmd|pud)_pfn$")
_VALUE = re.compile(r"(pte|pmd|pud|p4d|pgd)_(pfn|val|page|folio)$")


@fact
def unchecked_upgrades(function: Function) -> tuple[tuple[Node, Expr], ...]:
    """The calls that give rights to an entry which was there already and may map something else, in order."""
    solved = _solved(function)
    if solved is None:
        return ()
    return tuple(sorted(solved.found.values(), key=lambda found: (found[1].line, found[1].column)))


@fact
def undecoded_frames(function: Function) -> tuple[Expr, ...]:
    """The first comparison of the frame of an entry that is known not to be empty, but not to be present either."""
    solved = _solved(function)
    return tuple(sorted(solved.decoded.values(), key=lambda call: (call.line, call.column))[:1]) if solved else ()


@fact
def _solved(function: Function) -> _Upgrades | None:
    client = _Upgrades(function)
    if client.sinks.isdisjoint(function.words) or not _maps_frame(function):
        return None
    solve(function.cfg, client)
    return client


def maps_frames(function: Function) -> bool:
    """Whether it gives rights to entries for a page frame that it is handed."""
    return _solved(function) is not None


def _maps_frame(function: Function) -> bool:
    """Whether it is handed a page frame: as a number, or as a page that it writes into an entry."""
    if any(_FRAME.search(p.name) or _FRAME.search(p.type_text) for p in function.source.params):
        return True
    if not any(_PAGE.search(p.type_text) for p in function.source.params):
        return False
    table = function.tables.set_entries
    return any(table[name].op == "set" for name in table.keys() & function.words)


class _Upgrades(Client[str]):
    def __init__(self, function: Function) -> None:
        super().__init__(UNKNOWN)
        self.function = function
        self.guards = function.tables.guards
        self.sinks = frozenset(function.tables.steps.by_name[_STEP].sinks)
        self.found: dict[int, tuple[Node, Expr]] = {}
        self.decoded: dict[int, Expr] = {}

    def call(self, call: Expr, prop: str, facts: Facts, node: Node) -> Iterable[Outcome[str]] | None:
        if prop in (FOUND, PRESENT) and call.value in self.sinks:
            self.found[id(call)] = (node, call)
        if prop == FOUND and node.kind == "branch" and _FRAME_OF.match(call.value):
            self.decoded[id(call)] = call
        return None

    def branched(self, node: Node, outcome: bool, prop: str, facts: Facts) -> str | None:
        if node.expr is None:
            return prop
        for expr in self._meanings(node.expr):
            guard = self.guards.get(expr.value) if expr.kind == "call" else None
            if guard is not None and guard.class_ == "none":
                return EMPTY if outcome else prop if prop == PRESENT else FOUND
            if guard is not None and guard.class_ == "present" and outcome and prop in (UNKNOWN, FOUND):
                return PRESENT
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


def _same_frame(expr: Expr, outcome: bool) -> bool:
    """Whether the outcome of a comparison says that an entry maps the frame it is compared with."""
    if expr.kind != "binary" or expr.value not in ("==", "!="):
        return False
    return (expr.value == "==") is outcome and any(_VALUE.search(call.value) for call in expr.calls())
