"""Whether pages that were pinned for writing are marked dirty before they are given back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.loops import loops_with
from mmlint.facts.owners.giveback import fails
from mmlint.facts.owners.gup import GupSite, gup_calls
from mmlint.facts.values import Facts, evaluate, is_zero

_UNPINS = frozenset({"unpin_user_page", "unpin_user_pages", "unpin_user_folio"})
_DIRTYING_UNPIN = "dirty_lock"


class _Way(NamedTuple):
    """On the way: the pin's call (0: none), whether a dirty mark was seen, and the clean release."""

    pin: int = 0
    dirtied: bool = False
    release: int = 0


@fact
def clean_releases(function: Function) -> tuple[tuple[Expr, Expr], ...]:
    """(release, pin): releases without a dirty mark, on a successful way, of what was pinned with FOLL_WRITE."""
    sites = [s for s in gup_calls(function) if s.kind == "pin" and "FOLL_WRITE" in s.flags.must and s.pages is not None]
    if not sites:
        return ()
    client = _Writes(function, sites)
    flow = solve(function.cfg, client)
    if flow.overflow:
        return ()
    found: dict[int, tuple[Expr, Expr]] = {}
    for node, way, _, value in flow.returns:
        failed = fails(function, node, value) or (value == "!0" and _asked(function, node))
        if way.release and not way.dirtied and not failed:
            found[way.release] = (client.releases[way.release], client.pins[way.pin])
    return tuple(found.values())


def _asked(function: Function, node: Node) -> bool:
    """Whether the function tests its own result as a truth value: then not zero may well mean failure."""
    key = node.expr.key if node.expr is not None else ""
    return any(n.kind == "branch" and n.expr is not None and n.expr.key == key for n in function.cfg.order)


class _Writes(Client[_Way]):
    def __init__(self, function: Function, sites: list[GupSite]) -> None:
        super().__init__(_Way())
        self.tables = function.tables
        self.pins = {id(s.call): s.call for s in sites}
        self.roots = {s.pages.root for s in sites if s.pages is not None}
        self.releases: dict[int, Expr] = {}
        marking = [node for name, calls in function.calls.items() if "dirty" in name.lower() for node, _ in calls]
        self.loops = loops_with(function, marking, without=[s.node.id for s in sites])

    def call(self, call: Expr, prop: _Way, facts: Facts, node: Node) -> Iterable[Outcome[_Way]] | None:
        if id(call) in self.pins:
            return [Outcome(_Way(id(call)), ">0"), Outcome(_Way(), "0"), Outcome(_Way(), "<0")]
        if not prop.pin:
            return None
        mark = self.tables.marks.get(call.value)
        if _DIRTYING_UNPIN in call.value and len(call.args) > 2:
            if is_zero(evaluate(call.args[2], facts)) is not True:
                return [Outcome(prop._replace(dirtied=True))]
            return [self._released(call, prop)]
        if "dirty" in call.value.lower() or (mark is not None and mark.what == "dirty"):
            return [Outcome(prop._replace(dirtied=True))]
        if call.value in _UNPINS and call.args and call.args[0].root in self.roots:
            return [self._released(call, prop)]
        return None

    def _released(self, call: Expr, prop: _Way) -> Outcome[_Way]:
        self.releases[id(call)] = call
        return Outcome(prop._replace(release=id(call)))

    def branched(self, node: Node, outcome: bool, prop: _Way, facts: Facts) -> _Way | None:
        return prop._replace(dirtied=True) if node.id in self.loops and prop.pin else prop
