"""References that a fork copy takes in order to share a page, and whether they go when the page is copied instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.entries.fork import is_fork_copy, pin_checks
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import CUT, Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass

_REFERENCE = "folio reference"


class Share(NamedTuple):
    """The state of a path: the reference taken for sharing (the id of its call), and whether the page is pinned."""

    taken: int
    pinned: bool


_NONE = Share(0, False)


@dataclass(frozen=True, slots=True)
class StaleReference:
    """A reference taken at `call` and still held at `end`, although `check` said that the page is not shared."""

    node: Node
    call: Expr
    check: Expr
    end: Node


@fact
def stale_references(function: Function) -> tuple[StaleReference, ...]:
    """The references to pinned pages that a fork copy keeps on a way that does not share them.

    A check whose result is not looked at is none: it stands where pages cannot be pinned (device-private memory).
    """
    if not is_fork_copy(function) or not pin_checks(function):
        return ()
    client = _Shares(function)
    flow = solve(function.cfg, client)
    found: dict[int, StaleReference] = {}
    ends = [(end, share) for end, share, _, _ in flow.returns]
    ends += [(cut, share) for cut in _cuts(function) for share in flow.states(cut) if _meets(flow.states(cut), share)]
    for end, share in ends:
        if share.taken and share.pinned:
            node, call = client.takes[share.taken]
            found.setdefault(share.taken, StaleReference(node, call, client.checks[share.taken], end))
    return tuple(sorted(found.values(), key=lambda s: s.call.line))


def _cuts(function: Function) -> list[Node]:
    """Where a hunk breaks off."""
    return [node for node, _ in function.calls.get(CUT, ())] if function.program.partial else []


def _meets(states: Iterable[Share], share: Share) -> bool:
    """Whether a page that is shared comes the same way: what follows, which is not shown, cannot tell the two apart."""
    return share._replace(pinned=False) in states


class _Shares(Client[Share]):
    def __init__(self, function: Function) -> None:
        super().__init__(_NONE)
        self.tables = function.tables
        self.wrprotects = function.tables.wrprotects
        self.takes: dict[int, tuple[Node, Expr]] = {}
        self.checks: dict[int, Expr] = {}

    def call(self, call: Expr, prop: Share, facts: Facts, node: Node) -> Iterable[Outcome[Share]] | None:
        guard = self.tables.guards.get(call.value)
        if (
            guard is not None
            and guard.class_ == "pinned"
            and prop.taken
            and (node.kind == "branch" or node.expr is not call)
        ):
            self.checks[prop.taken] = call
            yes, no = ("0", "!0") if guard.implies == "zero" else ("!0", "0")
            return [Outcome(prop._replace(pinned=True), yes), Outcome(prop._replace(pinned=False), no)]
        if self._moves(self.tables.gives_resource, call) or self._shares(call):
            return [Outcome(_NONE)]
        if self._moves(self.tables.takes_resource, call):
            self.takes[id(call)] = (node, call)
            return [Outcome(Share(id(call), False))]
        return None

    def _shares(self, call: Expr) -> bool:
        row = self.wrprotects.get(call.value)
        return row is not None and row.arg is not None

    def _moves(self, rows: object, call: Expr) -> bool:
        assert isinstance(rows, dict)
        return any(row.resource == _REFERENCE and row.holder == "arg:0" for row in rows.get(call.value, ()))
