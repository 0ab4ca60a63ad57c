"""Folios taken off an LRU list: which are put back, or put on a list, though taking them off failed or never happened.

A flow client over the resource `isolated folio`. Of each folio that a function isolates it tracks where its value comes
from and whether, on this way, it was never tried, refused, or put back already; isolated and unknown are not tracked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass

UNTRIED, REFUSED, BACK = "untried", "refused", "back"
_ISOLATED = "isolated folio"
_WAYS = {"nonzero": ("!0", "0"), "zero": ("0", "<0")}


class Off(NamedTuple):
    """A folio that is not isolated: its variable, the node that set it (0 for a parameter), why, and the call's id."""

    key: str
    origin: int
    why: str
    call: int


Prop = frozenset[Off]


@dataclass(frozen=True, slots=True)
class Unisolated:
    """A call that takes a folio for isolated: `why` it is not, and the isolating (or earlier putting) call if any."""

    call: Expr
    key: str
    why: str
    tried: Expr | None


@fact
def unisolated(function: Function) -> tuple[Unisolated, ...]:
    """The calls that put back, or queue by its `lru` member, a folio that the same function failed to isolate."""
    client = _Isolation(function)
    if not client.keys or function.source.damaged:
        return ()
    if solve(function.cfg, client).overflow or function.cfg.truncated:
        return ()
    found = [u for u, off in client.found.values() if off.why != UNTRIED or (off.key, off.origin) in client.tried]
    return tuple(sorted(found, key=lambda u: (u.call.line, u.call.column)))


class _Isolation(Client[Prop]):
    def __init__(self, function: Function) -> None:
        tables = function.tables
        self.takes = {n: r for n, rows in tables.takes_resource.items() for r in rows if r.resource == _ISOLATED}
        self.gives = {n for n, rows in tables.gives_resource.items() for r in rows if _one_folio(r.resource, r.holder)}
        self.queues = {
            n for n, rows in tables.transfers_resource.items() for r in rows if _one_folio(r.resource, r.holder)
        }
        calls = [call for name in self.takes for _, call in function.calls.get(name, ())]
        self.keys = frozenset(canon(call.args[0]) for call in calls if call.args)
        self.calls = {id(call): call for found in function.calls.values() for _, call in found}
        super().__init__(frozenset(Off(key, 0, UNTRIED, 0) for key in self.keys & set(function.params)))
        self.tried: set[tuple[str, int]] = set()
        self.found: dict[int, tuple[Unisolated, Off]] = {}

    def call(self, call: Expr, prop: Prop, facts: Facts, node: Node) -> Iterable[Outcome[Prop]] | None:
        name = call.value
        if not call.args:
            return None
        if name in self.queues:
            self._report(call, _listed(call.args[0]), prop, queued=True)
            return None
        key = canon(call.args[0])
        if name in self.takes:
            self.tried |= {(off.key, off.origin) for off in prop if off.key == key}
            rest = frozenset(off for off in prop if off.key != key)
            held, refused = _WAYS[self.takes[name].when]
            return [Outcome(rest, held), Outcome(rest | {Off(key, 0, REFUSED, id(call))}, refused)]
        if name in self.gives and key in self.keys:
            self._report(call, key, prop)
            return [Outcome(frozenset(off for off in prop if off.key != key) | {Off(key, 0, BACK, id(call))})]
        return None

    def _report(self, call: Expr, key: str, prop: Prop, *, queued: bool = False) -> None:
        for off in sorted(prop):
            if off.key == key and not (queued and off.why != REFUSED):
                self.found.setdefault(id(call), (Unisolated(call, key, off.why, self.calls.get(off.call)), off))

    def assigned(self, target: Expr, value: Expr | None, prop: Prop, facts: Facts, node: Node) -> Prop:
        gone = frozenset(off for off in prop if off.key == target.key or off.key.startswith(f"{target.key}->"))
        if target.key in self.keys and value is not None:
            return (prop - gone) | {Off(target.key, node.id, UNTRIED, 0)}
        return prop - gone if gone else prop

    def branched(self, node: Node, outcome: bool, prop: Prop, facts: Facts) -> Prop | None:
        if node.kind == "iter" and node.expr is not None:
            for arg in node.expr.args:
                prop = self.assigned(arg, None, prop, facts, node)
        return prop


def _one_folio(resource: str, holder: str) -> bool:
    return resource == _ISOLATED and holder == "arg:0"


def _listed(arg: Expr) -> str:
    """The folio whose `lru` member is handed over."""
    member = arg.args[0] if arg.kind == "unary" and arg.value == "&" else arg
    return canon(member.args[0]) if member.kind == "field" and member.value == "lru" else ""
