"""Who owns what on each path: references, pins, folio locks and everything else that the tables pair as take and give.

A flow client over `tables.resources`. An owned thing is known by the variables that hold it; a store into memory, a
return, and a callee that gives or keeps it end the ownership (`moved`), a call of the tables that gives it back ends it
too (`given`). What is handed to a function that is not known counts as moved: unknown is no finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from mmlint.facts.cfg import Node
from mmlint.facts.consumed import escapes, harmless, keeps
from mmlint.facts.flow import Client, Flow, Outcome, solve
from mmlint.facts.function import NOT_SHOWN, Function, call_targets, cut_short, fact
from mmlint.facts.holders import GIVEN, HELD, MOVED, Own, Prop, canon, found_another, held_at
from mmlint.facts.ir import Expr
from mmlint.facts.loops import loops_with
from mmlint.facts.owners.acquired import REFUSED, TAKEN, by_release, candidates, handed_out, may_hand_out
from mmlint.facts.owners.failing import OTHER, contains, element, fails_with, inside, linked
from mmlint.facts.owners.giveback import given_by, gives_away
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Giving, Moving, Taking, Transfer
from mmlint.kernel.tables import PINNED

_CONVERTED = frozenset({"page_to_pfn", "folio_pfn", "page_to_phys", "page_address", "folio_address", "page_to_virt"})
"""Calls after which the page is known by another value, too."""


@dataclass(slots=True)
class Ownership:
    """The flow, and for each taking call (by id) its node, expression, resource and row."""

    flow: Flow[Prop]
    takes: dict[tuple[int, str], tuple[Node, Expr, Taking]] = field(default_factory=dict)

    def take(self, own: Own) -> tuple[Node, Expr, Taking]:
        """The call that took a thing."""
        return self.takes[own.take, own.resource]


@fact
def concerns(function: Function) -> bool:
    """Whether the function names a call, or a helper, that takes something."""
    return function.mentions(function.tables.takes_resource) or bool(acquirers(function))


@fact
def acquirers(function: Function) -> dict[str, tuple[Taking, ...]]:
    """The helpers that leave pages to `function`: a name with what a call of it takes."""
    found = by_release(function)
    for name in sorted(candidates(function)):
        callee = function.program.resolve(name, function.path)
        rows = acquired(callee) if callee is not None and callee is not function else ()
        if rows:
            found[name] = rows
    return found


_ASKING: list[tuple[str, str]] = []


@fact
def acquired(function: Function) -> tuple[Taking, ...]:
    """What a call of `function` leaves to its caller to give back."""
    key = (function.path, function.name)
    if not may_hand_out(function):
        return ()
    if key in _ASKING:
        cut_short()
        return ()
    _ASKING.append(key)
    try:
        if not concerns(function):
            return ()
        flow = ownership(function).flow
        return () if flow.overflow or function.cfg.truncated else handed_out(function, flow.returns)
    finally:
        _ASKING.pop()


@fact
def ownership(function: Function) -> Ownership:
    """What `function` owns at each point, of the things that it took itself."""
    if not concerns(function) or function.source.damaged:
        return Ownership(Flow(), {})
    client = _Owner(function)
    return Ownership(solve(function.cfg, client), client.takes)


@fact
def loop_gives(function: Function) -> dict[int, list[tuple[str, str]]]:
    """For each branch that leaves a loop of releases: what the loop gives back."""
    tables = function.tables
    taking = (*tables.takes_resource, *acquirers(function))
    acquiring = [n.id for name in taking for n, _ in function.calls.get(name, ())]
    found: dict[int, list[tuple[str, str]]] = {}
    for name, calls in function.calls.items():
        rows = tables.gives_resource.get(name, ())
        for node, call in calls if rows else ():
            if not any(_is_element(function, arg) for arg in call.args):
                continue
            for branch in loops_with(function, [node], without=acquiring):
                given = found.setdefault(branch, [])
                given += [(row.resource, held_at(call, row.holder, None).split("[")[0]) for row in rows]
    return found


@fact
def loop_moves(function: Function) -> dict[int, list[str]]:
    """For each branch that leaves a loop which hands on the elements of an array: the array."""
    taking = (*function.tables.takes_resource, *acquirers(function))
    acquiring = [n.id for name in taking for n, _ in function.calls.get(name, ())]
    found: dict[int, list[str]] = {}
    for name, calls in function.calls.items():
        for node, call in calls if name not in function.tables.gives_resource and not harmless(function, name) else ():
            for array in {array for array, bracket, _ in (canon(arg).partition("[") for arg in call.args) if bracket}:
                for branch in loops_with(function, [node], without=acquiring):
                    found.setdefault(branch, []).append(array)
    return found


def _is_element(function: Function, arg: Expr) -> bool:
    """Whether an argument is an element of an array, by itself or through a local."""
    return "[" in arg.key or "++" in arg.key or (arg.kind == "name" and arg.key in _elements(function))


@fact
def _elements(function: Function) -> frozenset[str]:
    """What is set to an element of an array somewhere."""
    exprs = (e for node in function.cfg.order if node.expr is not None for e in node.expr.walk())
    return frozenset(e.args[0].key for e in exprs if e.kind == "assign" and "[" in e.args[1].key)


def asks_for_one(function: Function, call: Expr) -> bool:
    """Whether a GUP call asks for one page: its positive result is 1."""
    entry = function.tables.gup.get(call.value)
    return entry is not None and entry.nr is not None and entry.nr < len(call.args) and call.args[entry.nr].value == "1"


class _Owner(Client[Prop]):
    def __init__(self, function: Function) -> None:
        super().__init__(frozenset())
        self.function = function
        self.tables = function.tables
        self.targets = call_targets(function)
        self.takes: dict[tuple[int, str], tuple[Node, Expr, Taking]] = {}
        self.loops = loop_gives(function)
        self.hands = loop_moves(function)
        self.helpers = acquirers(function)

    # ---------------------------------------------------------------- events
    def call(self, call: Expr, prop: Prop, facts: Facts, node: Node) -> Iterable[Outcome[Prop]] | None:
        name = call.value
        gives, moves = self.tables.gives_resource.get(name), self.tables.transfers_resource.get(name)
        takes = self.tables.takes_resource.get(name) or self.helpers.get(name)
        if gives is None and moves is None and takes is None:
            offer = self.tables.offers.get(name)
            if offer is not None and offer.arg < len(call.args):
                offered = canon(call.args[offer.arg])
                kept = frozenset(o._replace(state=MOVED) if o.state == HELD and offered in o.names else o for o in prop)
                return [Outcome(prop, "0"), Outcome(kept, "ok")]
            if name == NOT_SHOWN:
                return [Outcome(frozenset(o._replace(state=MOVED) if o.state == HELD else o for o in prop))]
            after = self._passed(call, prop, facts)
            if after is prop:
                return None
            failed = fails_with(call, node) if self.function.program.partial else ""
            return [Outcome(after, OTHER[failed]), Outcome(prop, failed)] if failed else [Outcome(after)]
        outcomes = [Outcome(linked(prop, call))]
        if gives is not None:
            outcomes = self._release(gives, call, outcomes, GIVEN)
        if moves is not None:
            outcomes = self._release(moves, call, outcomes, MOVED)
        for row in takes or ():
            outcomes = [after for o in outcomes for after in self._take(row, call, o, node)]
        return outcomes

    def _release(
        self, rows: tuple[Giving, ...] | tuple[Transfer, ...], call: Expr, outcomes: list[Outcome[Prop]], state: str
    ) -> list[Outcome[Prop]]:
        done: list[Outcome[Prop]] = []
        for outcome in outcomes:
            prop = outcome.prop
            row: Moving | None = None
            for each in rows:
                key = held_at(call, each.holder, self.targets.get(id(call)))
                after = _end(prop, each.resource, key, state)
                if after is not prop:
                    prop, row = after, each
                    break
            if row is None or row.when == "always":
                done.append(Outcome(prop, outcome.value))
            else:
                done.append(Outcome(prop, TAKEN.get(row.when)))
                done += [Outcome(outcome.prop, value) for value in REFUSED.get(row.when, ())]
        return done

    def _take(self, row: Taking, call: Expr, outcome: Outcome[Prop], node: Node) -> list[Outcome[Prop]]:
        key = held_at(call, row.holder, self.targets.get(id(call)))
        out = row.holder.startswith("*") or "->" in row.holder
        if not key or (not out and ("->" in key or "[" in key)):
            return [outcome]
        if outcome.value is not None and row.when != "always" and outcome.value in REFUSED[row.when]:
            return [outcome]
        self.takes[id(call), row.resource] = (node, call, row)
        fresh = frozenset(o for o in outcome.prop if o.take != id(call) or o.resource != row.resource)
        own = Own(row.resource, frozenset((key,)), id(call))
        if row.when == "always":
            mapped = row.resource == "kernel mapping" and row.holder == "result"
            return [Outcome(fresh | {own}, "ok" if mapped else outcome.value)]
        held = Outcome(fresh | {own}, "1" if asks_for_one(self.function, call) else TAKEN[row.when])
        certain = outcome.value is not None or any("__GFP_NOFAIL" in arg.key for arg in call.args)
        return [held] if certain else [held, *(Outcome(fresh, v) for v in REFUSED[row.when])]

    def _passed(self, call: Expr, prop: Prop, facts: Facts) -> Prop:
        if prop and call.value in _CONVERTED and call.args:
            key = canon(call.args[0])
            return frozenset(o._replace(state=MOVED) if o.state == HELD and key in o.names else o for o in prop)
        if not prop or harmless(self.function, call.value) or self._borrows(call):
            return prop
        prop = linked(prop, call)
        if any(o.state == HELD and o.resource in PINNED for o in prop):
            given = given_by(self.function, call)
            for resource in given.always | given.failing:
                prop = _end_all(prop, resource)
        for index, resource in gives_away(self.function, call) if prop else ():
            prop = _end(prop, resource, canon(call.args[index]), GIVEN) if index < len(call.args) else prop
        callee = self.function.program.resolve(call.value, self.function.path) if call.value else None
        known = callee is not None and callee.whole
        for index, arg in enumerate(call.args):
            taken = arg.kind == "unary" and arg.value == "&"
            key = canon(arg)
            key = canon(arg.args[0]) if taken and key.startswith("&") else key
            mine = [o for o in prop if o.state == HELD and (key in o.names or element(o, key))]
            if not known and call.value not in ("", self.function.name):
                mine += [o for o in prop if o.state == HELD and o not in mine and inside(o, key)]
            if taken:
                gone = {o for o in prop if o.state == GIVEN and key in o.names}
                prop = prop - gone | {o._replace(names=o.names - {key}) for o in gone if o.names - {key}}
            rewrites = taken and not all(o.resource in PINNED and known for o in mine)
            if mine and (rewrites or not keeps(self.function, call, index)):
                prop = prop - set(mine) | {o._replace(state=MOVED) for o in mine}
        return prop

    def _borrows(self, call: Expr) -> bool:
        row = self.tables.borrows.get(call.value)
        return row is not None and not (row.unless and any(row.unless in arg.key for arg in call.args))

    def assigned(self, target: Expr, value: Expr | None, prop: Prop, facts: Facts, node: Node) -> Prop:
        if not prop:
            return prop
        source = canon(value) if value is not None else ""
        fresh = {id(call) for call in value.calls()} if value is not None else set()
        out = set()
        for own in prop:
            if own.take in fresh and target.key in own.names:
                out.add(own)
                continue
            here = own
            names = own.names
            if target.kind == "name":
                if source not in names and target.value in {n.split("->")[0].split("[")[0].lstrip("*") for n in names}:
                    names = frozenset(n for n in names if n.split("->")[0].split("[")[0].lstrip("*") != target.value)
                elif source in names or contains(value, names):
                    names = names | {target.key}
            elif target.key in names and source not in names and target.kind != "index":
                names = names - {target.key}
            if value is not None and own.state == HELD and escapes(target, value, own.names):
                here = own._replace(state=MOVED)
                names = names | self._given_out(target, own)
            names = self._tied(target, value, names)
            if all(name.startswith("~") for name in names):
                if here.state == HELD:
                    out.add(here._replace(state=MOVED, names=frozenset()))
                continue
            out.add(here._replace(names=names))
        return frozenset(out)

    def _tied(self, target: Expr, value: Expr | None, names: frozenset[str]) -> frozenset[str]:
        """The names with `~x` for a variable that holds the kernel mapping of the page: it is set while the page is."""
        tie = f"~{target.key}"
        rows = self.tables.takes_resource.get(value.value, ()) if value is not None and value.kind == "call" else ()
        maps = any(row.resource == "kernel mapping" for row in rows)
        if maps and value is not None and any(canon(arg) in names for arg in value.args):
            return names | {tie}
        return names - {tie} if tie in names else names

    def _given_out(self, target: Expr, own: Own) -> frozenset[str]:
        """The place in the caller's memory that a page now lies in, if it is one that callers can be told of."""
        plain = target.kind == "unary" or (target.kind == "field" and own.resource in PINNED)
        return frozenset((target.key,)) if plain and target.root in self.function.params else frozenset()

    def branched(self, node: Node, outcome: bool, prop: Prop, facts: Facts) -> Prop | None:
        for resource, key in self.loops.get(node.id, ()):
            prop = _end(prop, resource, key, GIVEN)
        for array in self.hands.get(node.id, ()) if prop else ():
            for resource in PINNED:
                prop = _end(prop, resource, array, MOVED)
        if node.kind == "iter" and node.expr is not None and prop:
            for arg in node.expr.args:
                if arg.kind == "name":
                    prop = self.assigned(arg, None, prop, facts, node)
        if node.kind != "branch" or not prop or node.expr is None:
            return prop
        test, zero = node.expr, not outcome
        if test.kind == "unary" and test.value == "!":
            test, zero = test.args[0], outcome
        if zero and any(o.state == HELD and f"~{test.key}" in o.names for o in prop):
            return None
        gone = {o for o in prop if o.state == HELD and any(facts.get(n) in ("0", "err", "bad") for n in o.names)}
        gone |= found_another(self.function, node.expr, outcome, prop)
        return prop - gone if gone else prop

    def cleanup(self, node: Node, prop: Prop, facts: Facts) -> Prop:
        if node.expr is None or not prop:
            return prop
        key = canon(node.expr)
        return frozenset(o._replace(state=GIVEN) if o.state == HELD and key in o.names else o for o in prop)


def _end_all(prop: Prop, resource: str) -> Prop:
    """The property after a callee gave back what it found of a resource, by whatever name."""
    return frozenset(o._replace(state=GIVEN) if o.resource == resource and o.state == HELD else o for o in prop)


def _end(prop: Prop, resource: str, key: str, state: str) -> Prop:
    """The property after one unit of a resource found at `key` was given back or moved."""
    base = key.split("[")[0]
    if resource in PINNED:
        mine = {o for o in prop if o.resource == resource and o.state == HELD and (key in o.names or base in o.names)}
        return prop - mine | {o._replace(state=state) for o in mine} if mine else prop
    for own in sorted(prop, key=lambda o: (o.take, sorted(o.names))):
        if own.resource == resource and own.state == HELD and (key in own.names or base in own.names):
            return prop - {own} | {own._replace(state=state)}
    return prop
