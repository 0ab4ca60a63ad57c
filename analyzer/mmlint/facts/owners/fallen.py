"""References put in the branch of a failure that goes on with the page as if nothing had happened.

Only pages whose reference the function did not take itself: for those it did, `leaks.afters` follows the reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.holders import POINTER_ONLY, canon, held_at
from mmlint.facts.ir import Expr
from mmlint.facts.outcome import failing
from mmlint.facts.reach import reach
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass

_REFERENCE = "folio reference"
_REFERENCES = frozenset({_REFERENCE, "isolated folio", "page pin"})
_TAKEN, _REFUSED = {"nonzero": "!0", "zero": "0", "positive": ">0"}, {"nonzero": "0", "zero": "<0"}
_OWN = 0


class Count(NamedTuple):
    """What became of the references on a page: an own one was taken (`put` 0), or one was put by the call `put`."""

    key: str
    put: int


Prop = frozenset[Count]


@dataclass(frozen=True, slots=True)
class FallThrough:
    """A reference put at `put`, on the failure tested at `test`; `use` is reached from there and needs the page."""

    put: Expr
    key: str
    test: Node
    use: Expr


@fact
def fall_throughs(function: Function) -> tuple[FallThrough, ...]:
    """The puts of a failure branch behind which the same page is used, one finding a put."""
    rows = function.tables.gives_resource
    names = [n for n, found in rows.items() if any(r.resource == _REFERENCE and r.holder == "arg:0" for r in found)]
    puts = {
        id(call): (call, test)
        for name in names
        for node, call in function.calls.get(name, ())
        if (test := _failed(function, node)) is not None
    }
    if not puts or function.source.damaged:
        return ()
    client = _Puts(function, puts)
    if solve(function.cfg, client).overflow or function.cfg.truncated:
        return ()
    return tuple(sorted(client.found.values(), key=lambda f: f.put.line))


def _failed(function: Function, node: Node) -> Node | None:
    """The innermost branch that leads to `node`, if it does so because something failed."""
    order = reach(function)
    for branch in reversed(order.order):
        if branch.kind != "branch" or branch.expr is None or not order.before(branch, node):
            continue
        outcome = order.chosen(branch, node)
        if outcome is not None:
            return branch if failing(function, branch.expr) is outcome else None
    return None


class _Puts(Client[Prop]):
    def __init__(self, function: Function, puts: dict[int, tuple[Expr, Node]]) -> None:
        super().__init__(frozenset())
        self.function = function
        self.tables = function.tables
        self.order = reach(function)
        self.puts = puts
        self.taken = _looked_up(function)
        self.found: dict[int, FallThrough] = {}

    def call(self, call: Expr, prop: Prop, facts: Facts, node: Node) -> Iterable[Outcome[Prop]] | None:
        keys = {canon(arg) for arg in call.args}
        if call.value not in POINTER_ONLY:
            self._used(call, keys, prop, facts, node)
        for row in self.tables.takes_resource.get(call.value, ()):
            if row.resource in _REFERENCES and row.holder.startswith("arg:"):
                key = held_at(call, row.holder, None)
                taken = Outcome(_without(prop, {key}) | {Count(key, _OWN)}, _TAKEN.get(row.when))
                return [taken] if row.when == "always" else [taken, Outcome(prop, _REFUSED.get(row.when))]
        if id(call) in self.puts and call.args:
            key = canon(call.args[0])
            if key not in self.taken and Count(key, _OWN) not in prop:
                return [Outcome(_without(prop, {key}) | {Count(key, id(call))})]
            return [Outcome(_without(prop, {key}))]
        return None

    def _used(self, use: Expr, keys: set[str], prop: Prop, facts: Facts, node: Node) -> None:
        for count in prop:
            if count.put != _OWN and count.key in keys and facts.get(count.key) != "0":
                put, test = self.puts[count.put]
                if self.order.chosen(test, node) is None:
                    self.found.setdefault(count.put, FallThrough(put, count.key, test, use))

    def assigned(self, target: Expr, value: Expr | None, prop: Prop, facts: Facts, node: Node) -> Prop:
        self._read(target, prop, facts, node)
        if value is not None:
            self._read(value, prop, facts, node)
        changed = {
            c.key for c in prop if target.key == c.key or c.key.startswith((f"{target.key}->", f"{target.key}["))
        }
        changed |= {c.key for c in prop if "[" in c.key and target.key in c.key.partition("[")[2]}
        return _without(prop, changed)

    def branched(self, node: Node, outcome: bool, prop: Prop, facts: Facts) -> Prop | None:
        if node.expr is None or not prop:
            return prop
        if node.kind == "iter":
            for arg in node.expr.args:
                prop = self.assigned(arg, None, prop, facts, node)
        else:
            self._read(node.expr, prop, facts, node)
        return prop

    def _read(self, expr: Expr, prop: Prop, facts: Facts, node: Node) -> None:
        for each in expr.walk() if prop else ():
            if each.kind == "field":
                self._used(each, {canon(each.args[0])}, prop, facts, node)


def _without(prop: Prop, keys: set[str]) -> Prop:
    return frozenset(c for c in prop if c.key not in keys) if keys else prop


def _looked_up(function: Function) -> set[str]:
    """The variables that hold what a look-up or an allocation of this function returned."""
    targets = call_targets(function)
    return {
        targets[id(call)].key
        for name, rows in function.tables.takes_resource.items()
        if any(row.holder == "result" for row in rows)
        for _, call in function.calls.get(name, ())
        if id(call) in targets
    }
