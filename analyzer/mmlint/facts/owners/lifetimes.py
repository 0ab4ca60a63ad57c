"""What becomes of each thing that a function gives up somewhere: on every way out, in every turn of a loop, behind it.

A thing is an lvalue that is handed to a releasing call. States are read roughly, as two of a function are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmlint.facts.cfg import Node
from mmlint.facts.consumed import harmless, keeps, stored_by
from mmlint.facts.flow import Client, Flow, Outcome, solve
from mmlint.facts.function import Function, keep
from mmlint.facts.holders import canon, choices
from mmlint.facts.ir import Expr
from mmlint.facts.loops import ends_around
from mmlint.facts.outcome import told_by
from mmlint.facts.owners.acquired import REFUSED, TAKEN
from mmlint.facts.owners.aliases import (
    copies,
    fills_array,
    found_in,
    handed_out,
    looks_into,
    looks_up,
    mapped_as,
    other_names,
    put_away,
    results,
    same_thing,
    wipes,
    zeroes,
)
from mmlint.facts.owners.companions import used_behind
from mmlint.facts.owners.doors import SG_STORE
from mmlint.facts.owners.resources import asks_for_one, loop_gives
from mmlint.facts.owners.states import GIVEN, HELD, LOST, NOTHING, PASSED, TWICE, Life, State
from mmlint.facts.things import (
    WALK,
    Thing,
    counts,
    elements_given,
    given_inside,
    holder_of,
    kind_of,
    perishes,
    plain,
    things,
)
from mmlint.facts.values import Facts, counts_nothing, is_error, is_zero
from mmlint.facts.wayout import code_at, way_of
from mmlint.kernel.rows import Taking

_SPARES = re.compile(r"^k?v?free(_|$)|(^|_)free(_|$)|^ARRAY_SIZE$|for_each\w*_safe(_|$)|^IS_ERR|^PTR_ERR")
_FREES_MEMORY = re.compile(r"^k?v?free(_sensitive)?$")
"""Calls that free the array in which pages are held, and none of them."""
_LVALUE = ("name", "field")
_CODE = re.compile(r"-?[A-Z0-9_]+$")
_MOST_THINGS = 40
"""Things of one function, each of which is followed through all of it; beyond that none is. The kernel comes to six."""
_NO_THING = frozenset({"NULL", "0", "ERR_PTR", "PTR_ERR", "PTR_ERR_OR_ZERO"})


def life(function: Function, thing: Thing, keepers: frozenset[str] = frozenset()) -> Life | None:
    """The life of one thing; None where the function is beyond the analysis, or knows nothing of the thing.

    Calls of `keepers` are known to leave it alone.
    """
    return keep(function, ("life", thing, keepers), lambda: _live(function, thing, keepers))


def early_calls(function: Function, thing: Thing) -> frozenset[str]:
    """The calls that come before a release of the thing: they leave it alone."""
    client = _Tracker(function, thing, {id(call) for _, call in things(function).get(thing, ())}, frozenset())
    nodes = (node for node in function.cfg.order if node.id in client.early)
    return frozenset(e.value for node in nodes for op, e in node.events if op == "call")


def _live(function: Function, thing: Thing, keepers: frozenset[str]) -> Life | None:
    known = things(function)
    releases = known.get(thing)
    if releases is None or len(known) > _MOST_THINGS or function.cfg.truncated or function.source.damaged:
        return None
    if not other_names(function, thing.key).isdisjoint(other.key for other, calls in known.items() if calls):
        return None
    client = _Tracker(function, thing, {id(call) for _, call in releases}, keepers)
    flow = solve(function.cfg, client)
    if flow.overflow:
        return None
    found = Life(thing, releases, taken=client.taken)
    names = copies(function, thing.key)
    for node, state, facts, _ in flow.returns:
        level = _left(thing, names, node, state, facts)
        level = HELD if level == LOST else level
        code = code_at(node, state.code, facts)
        found.exits.setdefault(way_of(node, code), {}).setdefault(level, node)
        if level in (HELD, TWICE):
            found.kept_at.add((node.line, code))
    _read(function, flow, client, found)
    return found


def _left(thing: Thing, names: frozenset[str], node: Node, state: State, facts: Facts) -> int:
    """How the thing is left at a way out: what is returned, by one of its `names`, is handed on.

    What is NULL or an error is nothing.
    """
    known = facts.get(thing.key)
    if state.level in (HELD, TWICE) and (is_zero(known) or is_error(known)):
        return NOTHING
    if node.kind == "return" and node.expr is not None and not names.isdisjoint(e.key for e in node.expr.walk()):
        return PASSED
    return state.level


def _read(function: Function, flow: Flow[State], client: _Tracker, found: Life) -> None:
    goes = found.thing.kind == WALK or perishes(function, found.thing.kind)
    led = used_behind(function, found.thing.key, (n for n, _ in found.releases)) if found.thing.kind != "page" else {}
    for node in function.cfg.order:
        states = flow.states(node)
        if node.expr is None or not states:
            continue
        levels = {s.level for s in states}
        for release in (call for n, call in found.releases if n is node):
            if levels.isdisjoint({HELD, TWICE}):
                found.unheld.append(node)
            if levels & {GIVEN, PASSED} and not found.in_parts:
                found.again.append(node)
            if any(_never_a_count(arg, states.values()) for arg in release.args):
                found.idle.setdefault(release.key, node)
        if GIVEN in levels:
            for used in (*client.uses(node), *led.get(node.id, ())) if goes else ():
                found.late.setdefault(used, node)
        held = [f for s, f in states.items() if s.level in (HELD, TWICE)]
        known = [f.get(found.thing.key) for f in held]
        if client.renews(node) and not looks_up(node) and any(not is_zero(k) and not is_error(k) for k in known):
            found.lost.append(node)
        if levels <= {HELD, TWICE} and _sets_null(node, found.thing.key):
            found.cleared.append(node)


def _sets_null(node: Node, key: str) -> bool:
    return any(op == "assign" and e.args[0].key == key and e.args[1].value in _NO_THING for op, e in node.events)


def _never_a_count(arg: Expr, states: Iterable[Facts]) -> bool:
    return arg.kind in _LVALUE and arg.value != "NULL" and all(counts_nothing(f.get(arg.key)) for f in states)


class _Tracker(Client[State]):
    """Follows one thing. A call that is known to leave it alone, or is followed by its release, does not consume it."""

    def __init__(self, function: Function, thing: Thing, releases: set[int], keepers: frozenset[str]) -> None:
        self.function = function
        self.keepers = keepers
        self.thing = thing
        self.releases = releases
        self.root = re.split(r"->|\.|\[", thing.key.lstrip("*"))[0]
        self.results = results(function)
        taken = any(
            self._takes(call, row)
            for name, rows in function.tables.takes_resource.items()
            for _, call in function.calls.get(name, ())
            for row in rows
        )
        self.taken = taken
        given_by_loops = loop_gives(function).items() if thing.kind == "page" else ()
        given_by = {branch for branch, found in given_by_loops if thing.key in (key for _, key in found)}
        self.loops = ends_around(function, given_by, self.root)
        super().__init__(State(HELD if self.root in function.params and not taken else NOTHING, ""))
        self.names = found_in(function, thing.key) if thing.kind == WALK else same_thing(function, thing.key)
        self.mapped = mapped_as(function, self.names) if thing.kind == "page" else frozenset()
        self.early = self._before_release()
        given_up = (arg for calls in function.calls.values() for _, c in calls if id(c) in releases for arg in c.args)
        self.numbers = frozenset(arg.key for arg in given_up if plain(arg) != thing.key and arg.kind in _LVALUE)

    def _before_release(self) -> set[int]:
        """The nodes from which a release is reached while the thing is still the same."""
        nodes = [n for n in self.function.cfg.order if any(id(e) in self.releases for _, e in n.events)]
        work, seen = list(nodes), {n.id for n in nodes}
        while work:
            for source in work.pop().pred:
                if source.id not in seen and not self.renews(source):
                    seen.add(source.id)
                    work.append(source)
        return seen

    def renews(self, node: Node) -> bool:
        """Whether the node gives the lvalue another thing (not NULL, not what is computed from the old one)."""
        takes = self.function.tables.takes_resource
        if any(op == "call" and e.value in takes and handed_out(e, self.thing.key) for op, e in node.events):
            return True
        return any(
            op == "assign"
            and expr.args[0].key == self.thing.key
            and expr.value == "="
            and expr.args[1].kind == "call"
            and self.thing.key not in (e.key for e in expr.args[1].walk())
            for op, expr in node.events
        )

    def uses(self, node: Node) -> list[str]:
        """What a node reads of the thing, or of what it is known by too: fields, and arguments of calls."""
        assert node.expr is not None
        if any(op == "assign" and expr.args[0].key == self.thing.key for op, expr in node.events):
            return []
        found = []
        for each in node.expr.walk():
            part = each.kind == "field" and each.args[0].key in self.names
            if looks_into(each, self.mapped) or (part and self.thing.key.startswith(each.args[0].key)):
                found.append(each.key)
            elif (
                each.kind == "call"
                and id(each) not in self.releases
                and not (_SPARES.search(each.value) or self._fills(each) or wipes(self.function, each, self.thing.key))
            ):
                takes = any(self._takes(each, r) for r in self.function.tables.takes_resource.get(each.value, ()))
                unmaps = each.value in self.function.tables.gives_resource
                handed = [canon(value) for arg in each.args for value in choices(arg)]
                through = not unmaps and any(name.removeprefix("&") in self.mapped for name in handed)
                mine = through or (not takes and any(name in self.names for name in handed))
                found += [each.key] if mine else []
        return found

    # ---------------------------------------------------------------- events
    def call(self, call: Expr, prop: State, facts: Facts, node: Node) -> Iterable[Outcome[State]] | None:
        if id(call) in self.releases:
            level = HELD if prop.level == TWICE and not prop.alone else GIVEN
            left = prop._replace(level=NOTHING if counts(self.function, call) else level)
            rows = self.function.tables.gives_resource.get(call.value, ())
            when = next((row.when for row in rows if row.when != "always"), None)
            if when is None:
                return [Outcome(left)]
            return [Outcome(left, TAKEN[when]), *(Outcome(prop, value) for value in REFUSED[when])]
        if prop.level == TWICE and not prop.alone and call.value in self.function.tables.drops:
            return [Outcome(prop._replace(alone=True))]
        for row in self.function.tables.takes_resource.get(call.value, ()):
            if self._takes(call, row):
                return self._take(call, row, prop)
        if prop.level == TWICE and call.value in SG_STORE and self.thing.key in {canon(arg) for arg in call.args}:
            return [Outcome(prop._replace(level=HELD))]
        if prop.level == HELD and self.taken and self.thing.kind == "page" and self._frees_array(call):
            return [Outcome(prop._replace(level=LOST))]
        if prop.level in (HELD, TWICE) and self._gives_up(call, node):
            return [Outcome(prop._replace(level=GIVEN))]
        if prop.level == HELD and node.id not in self.early and self._consumes(call):
            return [Outcome(prop._replace(level=PASSED))]
        if prop.level == HELD and put_away(self.function, call, self.thing.key):
            return [Outcome(prop._replace(level=PASSED))]
        if prop.level == HELD and node.id in self.early and stored_by(self.function, call, self.thing.key):
            return [Outcome(prop._replace(level=PASSED), "0"), Outcome(prop, "!0")]
        if prop.level in (NOTHING, GIVEN) and self._fills(call):
            held, told = prop._replace(level=HELD), told_by(self.function, call)
            return [Outcome(held)] if told is None else [Outcome(held, told[0]), Outcome(prop, told[1])]
        return None

    def _frees_array(self, call: Expr) -> bool:
        return _FREES_MEMORY.search(call.value) is not None and self.thing.key in map(canon, call.args[:1])

    def _gives_up(self, call: Expr, node: Node) -> bool:
        """Whether a helper is left with the thing and gives it up."""
        if self.thing.kind == "page" and elements_given(self.function, call, self.thing.key):
            return True
        return given_inside(self.function, call, self.thing) or (node.id not in self.early and self._gives_whole(call))

    def _gives_whole(self, call: Expr) -> bool:
        """Whether a helper gets the object that the lvalue lies in, and gives something of the kind up."""
        if self.root == self.thing.key or not any(arg.key == self.root for arg in call.args):
            return False
        callee = self.function.program.resolve(call.value, self.function.path) if call.value else None
        if callee is None or callee is self.function or self.thing.kind in callee.tables.resources:
            return False
        names = callee.tables.gives_resource if self.thing.kind == "page" else {self.thing.kind}
        return not callee.words.isdisjoint(names)

    def _fills(self, call: Expr) -> bool:
        """Whether the call gets the address of the lvalue or the array, to put something there."""
        address = handed_out(call, self.thing.key) and not harmless(self.function, call.value)
        return address or fills_array(self.function, call, self.thing.key)

    def _takes(self, call: Expr, row: Taking) -> bool:
        """Whether the row means this thing; what is given up by a call of unknown make is taken for pages."""
        kind = kind_of(row.resource)
        known = self.thing.kind in self.function.tables.resources or self.thing.kind == "page"
        return kind == (self.thing.kind if known else "page") and holder_of(self.function, call, row) == self.thing.key

    def _take(self, call: Expr, row: Taking, prop: State) -> list[Outcome[State]]:
        more = row.holder[0] != "r" and any("[" in arg.key or " + " in arg.key for arg in call.args)
        single = self.thing.kind == WALK or self.function.tables.resources[row.resource].single
        counted = row.holder.startswith("arg") and not single
        level = TWICE if counted and prop.level in (HELD, TWICE) else HELD
        if row.when == "always":
            return [Outcome(prop._replace(level=level))]
        gone = prop.level if more or counted else NOTHING
        refused = (Outcome(prop._replace(level=gone), value) for value in REFUSED[row.when])
        held = "1" if asks_for_one(self.function, call) else TAKEN[row.when]
        return [Outcome(prop._replace(level=level), held), *refused]

    def _consumes(self, call: Expr) -> bool:
        if call.value in self.keepers or harmless(self.function, call.value):
            return False
        return any(
            canon(arg) == self.thing.key and not keeps(self.function, call, index)
            for index, arg in enumerate(call.args)
        )

    def assigned(self, target: Expr, value: Expr | None, prop: State, facts: Facts, node: Node) -> State:
        if target.key == self.thing.key and prop.level != LOST:
            prop = prop._replace(level=self._assigned_level(value, prop, facts))
        elif target.key == self.root and value is not None:
            prop = prop._replace(level=NOTHING if zeroes(value, self.thing.key) else HELD)
        elif value is not None and prop.level == HELD and target.kind in ("field", "index", "unary"):
            stored = canon(value).removeprefix("&") == self.thing.key
            prop = prop._replace(level=PASSED) if stored else prop
        if target.key in self.numbers and value is not None and value.kind == "call":
            prop = prop._replace(counted=value.value in self.function.tables.takes_resource or self._fills(value))
        if target.key in self.results and value is not None:
            prop = prop._replace(code=value.key if _CODE.match(value.key) or value.kind == "call" else "")
        return prop

    def _assigned_level(self, value: Expr | None, prop: State, facts: Facts) -> int:
        if value is None or canon(value) == self.thing.key:
            return prop.level
        if value.value in _NO_THING or value.kind == "num":
            return NOTHING
        known = facts.get(f"#{id(value)}")
        lent = value.kind in ("name", "init") or (value.kind == "call" and canon(value) != value.key)
        return NOTHING if known in ("0", "err") or (self.taken and lent) else HELD

    def branched(self, node: Node, outcome: bool, prop: State, facts: Facts) -> State | None:
        known = facts.get(self.thing.key)
        if prop.level in (HELD, TWICE) and (is_zero(known) or is_error(known)):
            return prop._replace(level=NOTHING)
        if outcome and node.expr is not None and self._uncounted(node.expr):
            return prop._replace(level=NOTHING)
        if prop.level == HELD and prop.counted and self._none_left(node, facts):
            return prop._replace(level=NOTHING)
        if node.kind == "iter" and node.expr is not None and prop.level in (GIVEN, PASSED):
            named = self.root in {arg.key for arg in node.expr.args}
            return prop._replace(level=NOTHING) if named and outcome else prop
        if node.id in self.loops and not outcome and prop.level == HELD:
            return prop._replace(level=GIVEN)
        return prop

    def _none_left(self, node: Node, facts: Facts) -> bool:
        """Whether a number that goes with the thing is asked for and known to be zero."""
        asked = {e.key for e in node.expr.walk() if e.kind in _LVALUE} if self.numbers and node.expr is not None else ()
        return any(is_zero(facts.get(number)) for number in self.numbers.intersection(asked))

    def _uncounted(self, test: Expr) -> bool:
        """Whether a test tells that the thing is the zero page, of which pins take no reference."""
        guard = self.function.tables.guards.get(test.value) if test.kind == "call" else None
        return guard is not None and guard.class_ == "zero_page" and any(canon(a) in self.names for a in test.args)

    def cleanup(self, node: Node, prop: State, facts: Facts) -> State:
        if prop.level == TWICE and node.name.startswith("guard:"):
            return prop._replace(alone=True)
        return prop._replace(level=PASSED) if node.expr is not None and node.expr.key == self.thing.key else prop
