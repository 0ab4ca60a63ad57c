"""Releases of as many pages as were asked for, on a way on which the call that took them is known to have got fewer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.owners.gup import GupSite, gup_calls
from mmlint.facts.things import argument, plain
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass

_CLOSED, _FRESH, _SHORT = "closed", "fresh", "short"
_LESS = {"<": True, "!=": True, "==": False, ">=": False}
_FAILED = {"<": True, "<=": True, "==": True, ">": False, ">=": False}


@dataclass(frozen=True, slots=True)
class Over:
    """`release` gives up `count` pages of the array that `taken` filled only in part, or not at all."""

    node: Node
    release: Expr
    count: Expr
    taken: Expr


@fact
def overcounts(function: Function) -> tuple[Over, ...]:
    """The first such release for each call that takes pages into an array."""
    found = []
    for site in gup_calls(function):
        asked = _asked(site)
        result = call_targets(function).get(id(site.call))
        if asked is None or result is None or site.pages is None or asked.kind == "num":
            continue
        releases = list(_releases(function, plain(site.pages), asked))
        if releases:
            flow = solve(function.cfg, _Short(site.call, result.key, asked.key))
            late = (r for r in releases if not flow.overflow and _SHORT in flow.states(r[0]))
            found += [Over(node, call, asked, site.call) for node, call in list(late)[:1]]
    return tuple(found)


def _asked(site: GupSite) -> Expr | None:
    nr = site.entry.nr
    return site.call.args[nr] if nr is not None and nr < len(site.call.args) else None


def _releases(function: Function, array: str, asked: Expr) -> Iterator[tuple[Node, Expr]]:
    """The calls that release `asked` elements of the array, by a count of their own or in a loop up to it."""
    for name, rows in function.tables.gives_resource.items():
        for node, call in function.calls.get(name, ()):
            for row in rows:
                holder = argument(call, row.holder)
                if holder is None or plain(holder) != array:
                    continue
                if row.nr and row.holder.startswith("*"):
                    counted = argument(call, row.nr)
                    whole = counted is not None and counted.key == asked.key
                else:
                    whole = holder.kind == "index" and _bounded(node, holder.args[1], asked)
                if whole:
                    yield node, call


def _bounded(node: Node, index: Expr, asked: Expr) -> bool:
    """Whether the call stands in a loop whose condition holds the index below the number asked for."""
    seen: set[int] = set()
    work = [node]
    while work and len(seen) < 12:
        at = work.pop()
        if at.id in seen:
            continue
        seen.add(at.id)
        if at.kind == "branch" and at.expr is not None and at.expr.key == f"{index.key} < {asked.key}":
            return True
        work += at.pred
    return False


class _Short(Client[str]):
    """What is known of the result: not taken yet or past (CLOSED), FRESH, or less than what was asked for (SHORT)."""

    def __init__(self, call: Expr, result: str, asked: str) -> None:
        super().__init__(_CLOSED)
        self.taking, self.result, self.asked = call, result, asked

    def call(self, call: Expr, prop: str, facts: Facts, node: Node) -> Iterable[Outcome[str]] | None:
        return [Outcome(_FRESH)] if call is self.taking else None

    def assigned(self, target: Expr, value: Expr | None, prop: str, facts: Facts, node: Node) -> str:
        past = target.key == self.result and value is not self.taking and prop == _FRESH
        return _CLOSED if past or target.key == self.asked else prop

    def branched(self, node: Node, outcome: bool, prop: str, facts: Facts) -> str | None:
        expr = node.expr
        if prop != _FRESH or expr is None or expr.kind != "binary" or expr.args[0].key != self.result:
            return prop
        other = expr.args[1]
        table = _LESS if other.key == self.asked else _FAILED if other.value == "0" else {}
        return _SHORT if table.get(expr.value) is outcome else prop
