"""Which of a function's pins and references are still held where it returns successfully."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, call_targets
from mmlint.facts.graph import after
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.loops import loops_with
from mmlint.facts.owners.giveback import all_calls, fails, given_by
from mmlint.facts.owners.gup import one_page
from mmlint.facts.steps import bare, negated
from mmlint.facts.values import Facts, join_value
from mmlint.frozen import dataclass

_FAILED = {"ok": "bad", "!0": "0", ">0": "<0", ">=0": "<0", "0": "<0"}

Live = frozenset[int]


@dataclass(frozen=True, slots=True)
class Kept:
    """The sites (ids of their calls) whose pages a successful return leaves held, and what is known of its result."""

    sites: frozenset[int] = frozenset()
    value: str | None = None


def live_at_success(
    function: Function, taken: dict[int, str], kinds: set[str], holders: dict[int, Expr] | None = None
) -> Kept:
    """What is held at a successful return: `taken` says, by id, of which result each call took pages of `kinds`.

    `holders` are the expressions that receive the pages.
    """
    flow = solve(function.cfg, _Held(function, taken, kinds, holders or {}))
    found: set[int] = set()
    values: list[str | None] = []
    for node, live, _, value in flow.returns:
        if live and not fails(function, node, value):
            found |= live
            values.append(value)
    return Kept(frozenset(found), reduce(join_value, values) if values else None)


def _leftover(call: Expr) -> bool:
    """Whether a release goes on with a running index (`put_page(pages[i++])`): what comes before it is in use."""
    indices = (expr.args[1] for arg in call.args for expr in arg.walk() if expr.kind == "index")
    return any(index.kind == "unary" and index.value == "p++" for index in indices)


class _Held(Client[Live]):
    """Which sites' pages are held. A release of the right kind gives back all of them; so does a loop of releases."""

    def __init__(self, function: Function, taken: dict[int, str], kinds: set[str], holders: dict[int, Expr]) -> None:
        super().__init__(frozenset())
        self.function = function
        self.taken = taken
        self.kinds = kinds
        self.singles = {site: pages.args[0] for site, pages in holders.items() if one_page(pages)}
        acquiring = {node.id for node, call in all_calls(function) if id(call) in taken}
        gives = [node for node, call in all_calls(function) if self._gives(call) and not _leftover(call)]
        self.loops = loops_with(function, gives, without=acquiring)
        self.last = self._last_looks(gives, acquiring)
        self.leftovers = {id(call) for _, call in all_calls(function) if self._gives(call) and _leftover(call)}

    def _last_looks(self, gives: list[Node], acquiring: set[int]) -> set[int]:
        """The tests, with nothing taken behind them, of a variable that is given up and holds what was taken."""
        given = {arg.key for n in gives for op, call in n.events if op == "call" for arg in call.args}
        targets = call_targets(self.function)
        taken = {target.key for site in self.taken if (target := targets.get(site)) is not None}
        values = assigned_values(self.function)
        holders = {key for key in given - taken if taken & {value.key for value in values.get(key, ())}}
        tests = (n for n in self.function.cfg.order if n.kind == "branch" and n.expr is not None)
        asked = [n for n in tests if n.expr is not None and bare(n.expr).key in holders]
        return {n.id for n in asked if acquiring.isdisjoint(after([n]))}

    def _gives(self, call: Expr) -> bool:
        return bool(given_by(self.function, call).always & self.kinds)

    def call(self, call: Expr, prop: Live, facts: Facts, node: Node) -> Iterable[Outcome[Live]] | None:
        taken = self.taken.get(id(call))
        if taken is None:
            return self._given(call, prop) if prop else None
        page = self.singles.get(id(call))
        known = ((page, "ok"),) if page is not None else ()
        return [Outcome(prop | {id(call)}, taken, known), Outcome(prop, _FAILED.get(taken, "0"))]

    def _given(self, call: Expr, prop: Live) -> list[Outcome[Live]] | None:
        if id(call) in self.leftovers:
            return None
        given = given_by(self.function, call)
        if given.always & self.kinds:
            mine = self._named(call)
            return [Outcome(prop - mine if mine else frozenset())]
        return [Outcome(frozenset(), "<0"), Outcome(prop)] if given.failing & self.kinds else None

    def _named(self, call: Expr) -> Live:
        """The sites whose one page a release names, where there are others with a page of another name."""
        keys = {canon(arg) for arg in call.args}
        return frozenset(site for site, page in self.singles.items() if page.key in keys)

    def branched(self, node: Node, outcome: bool, prop: Live, facts: Facts) -> Live | None:
        if node.id in self.last and node.expr is not None and outcome is negated(node.expr):
            return frozenset()
        return frozenset() if node.id in self.loops else prop
