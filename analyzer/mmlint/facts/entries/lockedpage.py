"""Pages found in an entry under its page-table lock, and used when that lock is gone and no reference was taken.

The entry's own reference keeps such a page as long as nobody can take the entry away, that is while the lock is held.
Hunks alone often begin behind the look-up; what a fault carries with it (`vmf->page`) came out of its entry as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.consumed import harmless, keeps
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import NOT_SHOWN, Function, call_targets, fact
from mmlint.facts.holders import canon, held_at
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import lock_effects, locks
from mmlint.facts.locks.unseen import drops
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass

_FROM_ENTRY = re.compile(r"(vm_normal_(page|folio)(_pmd)?|p(te|md|ud)_(page|folio)|folio_walk_start)$")
_CONVERTS = re.compile(r"(page_folio|compound_head|folio_page|trace_\w+)$")
_POINTER_ONLY = frozenset(
    {
        *("page_to_pfn", "folio_pfn", "is_zero_page", "is_zero_folio", "is_huge_zero_folio"),
        *("wait_on_page_locked", "folio_wait_locked"),
    }
)
"""What does not touch the page, or only waits: to wait for the lock of a page that has become another's is harmless."""
_REFERENCES = frozenset({"folio reference", "isolated folio", "page pin"})
_LOCKS = frozenset({"ptl", "walk", "spin"})
_TAKEN, _REFUSED = {"nonzero": "!0", "zero": "0", "positive": ">0"}, {"nonzero": "0", "zero": "<0"}


class Seen(NamedTuple):
    """A page out of an entry: the variables that hold it, the call that found it, and the one that dropped the lock."""

    names: frozenset[str]
    found: int
    dropped: int = 0


Prop = frozenset[Seen]


@dataclass(frozen=True, slots=True)
class Unkept:
    """A use of a page after `drop` let go of the lock that kept it; `found` is the call, or what the fault carries."""

    found: Expr
    drop: Expr
    use: Expr
    key: str


@fact
def unkept_uses(function: Function) -> tuple[Unkept, ...]:
    """The first use of each page that nothing keeps any more."""
    carried = _carried_page(function)
    if carried is None and not any(_FROM_ENTRY.match(name) for name in function.calls):
        return ()
    facts = locks(function)
    if facts.flow.overflow or function.cfg.truncated or function.source.damaged:
        return ()
    client = _Pages(function, carried)
    if not client.drops or not (client.finds or client.initial):
        return ()
    if solve(function.cfg, client).overflow:
        return ()
    return tuple(sorted(client.uses.values(), key=lambda u: (u.use.line, u.use.column)))


def _carried_page(function: Function) -> Expr | None:
    """The page that a fault comes with, where the hunks show no look-up and the caller has locked its entry."""
    faults = [p.name for p in function.source.params if p.type_text.startswith("struct vm_fault")]
    if not function.program.partial or not faults:
        return None
    exprs = [e for node in function.cfg.order if node.expr is not None for e in node.expr.walk()]
    pages = [e for e in exprs if e.kind == "field" and e.value == "page" and e.root == faults[0]]
    stored = {e.args[0].key for e in exprs if e.kind == "assign"}
    return pages[0] if pages and pages[0].key not in stored and _entered_locked(function) else None


class _Pages(Client[Prop]):
    def __init__(self, function: Function, carried: Expr | None) -> None:
        super().__init__(frozenset([Seen(frozenset([carried.key]), id(carried))] if carried is not None else ()))
        self.function = function
        self.tables = function.tables
        self.targets = call_targets(function)
        self.calls = {id(call): call for calls in function.calls.values() for _, call in calls}
        if carried is not None:
            self.calls[id(carried)] = carried
        self.finds = {
            id(call)
            for name, calls in function.calls.items()
            if _FROM_ENTRY.match(name)
            for node, call in calls
            if id(call) in self.targets and (name == "folio_walk_start" or _locked(function, node))
        }
        self.drops = {
            id(call) for name, calls in function.calls.items() for node, call in calls if _lets_go(function, node, call)
        }
        self.uses: dict[int, Unkept] = {}

    def call(self, call: Expr, prop: Prop, facts: Facts, node: Node) -> Iterable[Outcome[Prop]] | None:
        if call.value in _POINTER_ONLY or _CONVERTS.match(call.value):
            return None
        self._used(call, {canon(arg) for arg in call.args}, prop, facts)
        if call.value == NOT_SHOWN or self._takes_over(call):
            return [Outcome(frozenset())]
        if id(call) in self.drops:
            return [Outcome(frozenset(s if s.dropped else s._replace(dropped=id(call)) for s in prop))]
        for row in self.tables.takes_resource.get(call.value, ()):
            if row.resource in _REFERENCES and row.holder.startswith("arg:"):
                key = held_at(call, row.holder, None)
                kept = frozenset(s for s in prop if key not in s.names)
                taken = Outcome(kept, _TAKEN.get(row.when))
                return [taken] if row.when == "always" else [taken, Outcome(prop, _REFUSED.get(row.when))]
        if prop and not harmless(self.function, call.value) and not _FROM_ENTRY.match(call.value):
            mine = frozenset(
                s
                for s in prop
                if any(
                    (key := canon(arg)) in s.names or key.lstrip("&").partition("->")[0] in s.names
                    for index, arg in enumerate(call.args)
                    if not keeps(self.function, call, index)
                )
            )
            return [Outcome(prop - mine)] if mine else None
        return None

    def _takes_over(self, call: Expr) -> bool:
        """Whether an entry is taken away: the reference that it had is the function's then."""
        row = self.tables.set_entries.get(call.value)
        return row is not None and row.op in ("clear", "get-and-clear")

    def _used(self, use: Expr, keys: set[str], prop: Prop, facts: Facts) -> None:
        for seen in sorted(prop, key=lambda s: (s.found, s.dropped)):
            names = keys & seen.names
            if seen.dropped and names and not any(facts.get(n) == "0" for n in seen.names):
                unkept = Unkept(self.calls[seen.found], self.calls[seen.dropped], use, min(names))
                self.uses.setdefault(seen.found, unkept)

    def assigned(self, target: Expr, value: Expr | None, prop: Prop, facts: Facts, node: Node) -> Prop:
        if value is not None:
            self._read(value, prop, facts)
        if target.kind == "field":
            self._read(target, prop, facts)
        source = canon(value) if value is not None else ""
        out = set()
        for seen in prop:
            if source in seen.names and target.kind != "name":
                continue
            names = seen.names | {target.key} if source in seen.names else _but(seen.names, target)
            if names:
                out.add(seen._replace(names=names))
        found = next((c for c in value.calls() if id(c) in self.finds), None) if value is not None else None
        if found is not None and self.targets[id(found)].key == target.key:
            out.add(Seen(frozenset((target.key,)), id(found)))
        return frozenset(out)

    def _read(self, expr: Expr, prop: Prop, facts: Facts) -> None:
        for each in expr.walk() if prop else ():
            if each.kind == "field":
                self._used(each, {canon(each.args[0])}, prop, facts)

    def branched(self, node: Node, outcome: bool, prop: Prop, facts: Facts) -> Prop | None:
        if node.expr is not None and prop:
            if node.kind == "iter":
                for arg in node.expr.args:
                    prop = self.assigned(arg, None, prop, facts, node)
            else:
                self._read(node.expr, prop, facts)
        return prop


def _but(names: frozenset[str], target: Expr) -> frozenset[str]:
    """The names that an assignment to `target` leaves as they are."""
    return frozenset(n for n in names if n != target.key and not n.startswith(f"{target.key}->"))


def _locked(function: Function, node: Node) -> bool:
    """Whether a page-table lock is held on every way to the node, taken here or by the caller."""
    states = locks(function).flow.states(node)
    return bool(states) and all(_holds(prop) or (_entered_locked(function) and not _gone(prop)) for prop in states)


@fact
def _entered_locked(function: Function) -> bool:
    """Whether it drops a page-table lock that its caller has taken."""
    return any(_gone(prop) for _, prop, _, _ in locks(function).flow.returns)


def _holds(prop: frozenset[Held]) -> bool:
    return any(h.kind in ("ptl", "walk") and not h.gone for h in prop)


def _gone(prop: frozenset[Held]) -> bool:
    return any(h.kind in ("ptl", "walk") and h.gone for h in prop)


def _lets_go(function: Function, node: Node, call: Expr) -> bool:
    """Whether the call drops a page-table lock in any case, and none is held behind it."""
    rows = drops(function, call.value)
    if rows is not None:
        if call.value in function.tables.takes or not any(d.kind in _LOCKS and d.when == "always" for d in rows):
            return False
    else:
        callee = function.program.resolve(call.value, function.path) if call.value else None
        effects = lock_effects(callee) if callee is not None and callee is not function else ()
        if not effects or not all(any(h.kind == "ptl" for h in e.released) and not e.uncertain for e in effects):
            return False
    flow = locks(function).flow
    before = flow.states(node)
    behind = [prop for target, _ in node.succ for prop in flow.states(target)]
    if any(_holds(prop) for prop in before):
        return not any(_holds(prop) for prop in behind)
    return not any(_gone(prop) for prop in before) and bool(behind) and all(_gone(prop) for prop in behind)
