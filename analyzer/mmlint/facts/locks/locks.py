"""Locks and atomic contexts held at each point of a function, page-table locks apart from other spinlocks.

Conditional takers (`pte_offset_map_lock` may return NULL, trylocks, `page_vma_mapped_walk`) split the state by result.
What a callee takes or releases comes from its own analysis, translated to the caller's arguments. A release of a lock
that this function did not take is recorded as such: the caller's lock is gone from there on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from functools import lru_cache
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Flow, Outcome, solve
from mmlint.facts.function import Function, cut_short, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks import unseen
from mmlint.facts.locks.effects import effects_of, told_apart, ways_of
from mmlint.facts.locks.held import INNER, NOTHING, RESULT, Effect, Held, Prop, classed, retake, translate
from mmlint.facts.locks.lockrows import LockRows, release
from mmlint.facts.locks.lockwords import is_api, kinds_named, may_change_locks, names_called
from mmlint.facts.symbols import any_of_enum, same
from mmlint.facts.values import Facts, evaluate
from mmlint.frozen import dataclass

_NO_RETURN = re.compile(rb"\b__noreturn\b")
_BY_POINTER = frozenset({"spin", "raw_spin", "rwlock", "mutex", "rwsem", "lru_lock"})
"""Locks that are given by address: who has taken one has tested that it is there."""
_REACHED = re.compile(r"&?(\w+)->")
_MAX_DEPTH = 25
_Ways = list[Outcome[Prop]] | None


@dataclass(slots=True)
class LockFacts:
    """The flow over a function's locks, and the states in which each call is reached (by the id of its expression)."""

    flow: Flow[Prop]
    at_call: dict[int, dict[Prop, Facts]] = field(default_factory=dict)
    uncertain: bool = False
    """Whether a callee changes the locks in a way that its result does not tell: balance is then not to be judged."""

    def held(self, call: Expr) -> list[Prop]:
        """The lock sets in which `call` is reached, in a stable order."""
        return sorted(self.at_call.get(id(call), ()), key=sorted)

    def held_at(self, call: Expr) -> list[Held]:
        """The locks held at `call` on some way to it."""
        return [held for prop in self.held(call) for held in prop if not held.gone]

    def always_held(self, call: Expr) -> frozenset[str]:
        """The names of the locks held at `call` on every way to it."""
        states = [frozenset(held.key for held in prop if not held.gone) for prop in self.held(call)]
        return frozenset.intersection(*states) if states else frozenset()


def atomic(function: Function, prop: Prop) -> list[Held]:
    """The held locks and contexts in which nothing may sleep, outermost first."""
    kinds = function.tables.kinds
    return sorted(
        (h for h in prop if not h.gone and h.kind in kinds and kinds[h.kind].atomic), key=lambda h: (h.line, h.kind, h)
    )


@fact
def locks(function: Function) -> LockFacts:
    """The locks held in `function`, which is entered with none of its own."""
    client = _Locks(function)
    flow = solve(function.cfg, client, _enumerated(function))
    return LockFacts(flow, client.at_call, client.uncertain)


def _of_object(held: Held, value: Expr) -> bool:
    """Whether a lock is known by the object that a variable is given: `locked = lruvec` says which one is locked."""
    return held.kind == "lru_lock" and not held.gone and bool(held.key) and held.key == value.key


@lru_cache(maxsize=4096)
def _owner(key: str) -> str:
    """The variable through which a lock is reached, "" where it is the lock itself."""
    found = _REACHED.match(key)
    return found[1] if found is not None else ""


def _enumerated(function: Function) -> Facts:
    """What is known of parameters whose type is an enum of the file."""
    text = function.source.file.text
    enums = ((p.name, p.type_text.split()) for p in function.source.params if p.type_text.startswith("enum "))
    found = ((name, any_of_enum(text, words[1])) for name, words in enums if len(words) == 2)
    return {name: value for name, value in found if value is not None}


class _Locks(Client[Prop]):
    def __init__(self, function: Function) -> None:
        super().__init__(NOTHING)
        self.function = function
        self.tables = function.tables
        self.rows = LockRows(function)
        self.at_call: dict[int, dict[Prop, Facts]] = {}
        self.uncertain = False
        self.when: dict[str, str] = {}
        self.callees: dict[str, _Callee] = {}
        self.idle: set[str] = set()
        self.set_at: dict[str, int] = {}
        self.applied: dict[tuple[int, Prop, tuple[Effect, ...]], list[Outcome[Prop]]] = {}

    def call(self, call: Expr, prop: Prop, facts: Facts, node: Node) -> Iterable[Outcome[Prop]] | None:
        reached = self.at_call.get(id(call))
        if reached is None:
            self.at_call[id(call)] = {prop: facts}
        else:
            reached[prop] = facts
        name = call.value
        if name in self.idle:
            return None
        if name.startswith("guard:"):
            return self.rows.enter(call, prop)
        row = self.tables.sleeps.get(name)
        if row is not None and row.when.startswith("calls:"):
            return self._released_by(call, int(row.when[6:]), prop)
        if self.rows.knows(name):
            return self.rows.call(call, prop, facts, node)
        if not name:
            return self._unseen(call, call.callee.value, prop) if call.callee is not None else None
        return self._callee(call, prop, facts)

    def changes(self, name: str, calls: Iterable[Expr]) -> bool:
        """Whether some call of a name may change the locks that are held when none is held before it."""
        if not name:
            return any(call.callee is not None and unseen.says_release(call.callee.value) for call in calls)
        return self.may_change(name)

    def may_change(self, name: str) -> bool:
        """Whether calls of a name may do so, wherever they stand."""
        row = self.tables.sleeps.get(name)
        if name.startswith("guard:") or self.rows.knows(name) or (row is not None and row.when.startswith("calls:")):
            return True
        if self._says_release(name):
            return True
        return self._when(name) == _ALWAYS and self._look_up(name) not in (_UNKNOWN, _RECURSION)

    def leaves_held(self, name: str) -> Iterator[str]:
        """The kinds of locks that a call of a name which the tables do not know may come back with."""
        if not self.rows.knows(name) and self._when(name) == _ALWAYS:
            for effect in self._look_up(name).effects or ():
                yield from (held.kind for held in effect.taken)

    def assigned(self, target: Expr, value: Expr | None, prop: Prop, facts: Facts, node: Node) -> Prop:
        if value is not None and value.key in ("NULL", "0") and any(h.map == target.key for h in prop):
            return frozenset(h._replace(map="") if h.map == target.key else h for h in prop)
        if value is not None and target.kind == "name" and any(_of_object(h, value) for h in prop):
            return frozenset(h._replace(key=target.key) if _of_object(h, value) else h for h in prop)
        return prop

    def branched(self, node: Node, outcome: bool, prop: Prop, facts: Facts) -> Prop | None:
        """No way on where a lock that is held is NULL, or lies in what is NULL, or an entry whose page table is mapped:
        takers that fail leave nothing held.
        """
        for held in prop:
            owner = _owner(held.key)
            if held.gone or (held.key not in facts and held.map not in facts and owner not in facts):
                continue
            if facts.get(owner) == "0" and self._last_set(owner) <= held.line:
                return None
            if held.kind in _BY_POINTER and facts.get(held.key) == "0":
                return None
            if held.map and facts.get(held.map) == "0" and self._gives_entry(held):
                return None
        return prop

    def _last_set(self, name: str) -> int:
        """The last line that gives a variable something."""
        if name not in self.set_at:
            self.set_at[name] = max((node.line for node in self.function.cfg.order if node.sets(name)), default=0)
        return self.set_at[name]

    def _gives_entry(self, held: Held) -> bool:
        """Whether what the taker returned is the entry (or the lock), not a status that is 0 when it went well."""
        return any(take.when in ("always", "nonzero") for take in self.tables.takes.get(held.name, ()))

    def cleanup(self, node: Node, prop: Prop, facts: Facts) -> Prop:
        if not node.name.startswith("guard:") or node.expr is None:
            return prop
        take = self.rows.guard_take(node.name)
        if take is None:
            return prop
        mine = [h for h in prop if not h.gone and h.line == node.expr.line and h.kind == take.kind]
        return prop - {mine[0]} if mine else prop

    def _released_by(self, call: Expr, index: int, prop: Prop) -> _Ways:
        """The ways of a call that may run a callback which gives up a lock (`kref_put(&x->ref, release_locked)`)."""
        given = call.args[index] if index < len(call.args) else None
        target = self.function.program.resolve(given.value, self.function.path) if given is not None else None
        if target is None or not may_change_locks(target) or _busy(target):
            return None
        lock_effects(target)
        released = {(h.kind, h.key) for _, p, _, _ in locks(target).flow.returns for h in p if h.gone and h.key}
        if not released:
            return None
        after = prop
        for kind, key in sorted(released):
            after = release(after, kind, INNER + key.removeprefix(INNER), "", call)
        return [Outcome(after, "!0"), Outcome(prop, "0")]

    def _callee(self, call: Expr, prop: Prop, facts: Facts) -> _Ways:
        name = call.value
        when = self.when.get(name) or self._when(name)
        if when == _GIVEN and not unseen.is_given(call, prop):
            return None
        callee = _UNKNOWN if when == _NEVER else self.callees.get(name) or self._look_up(name)
        if when == _NEVER or callee is _RECURSION or (callee is _UNKNOWN and not self._says_release(name)):
            self.idle.add(name)
            return None
        if callee.function is None:
            return self._unseen(call, name, prop)
        if callee.effects is None:
            return []
        effects = callee.effects
        if callee.ways:
            effects = tuple(told_apart([way for way in callee.ways if _possible(way, call, facts)]))
        self.uncertain |= any(e.uncertain for e in effects)
        outcomes = self.applied.get((id(call), prop, effects))
        if outcomes is None:
            found = {self._apply(effect, callee.function, call, prop) for effect in effects}
            outcomes = sorted(found, key=lambda o: (sorted(o.prop), o.value or ""))
            self.applied[id(call), prop, effects] = outcomes
        return outcomes

    def _when(self, name: str) -> str:
        """When a call of this name may matter: a definition elsewhere that names no lock does not have to be read."""
        found = _ALWAYS
        if is_api(self.tables, name):
            found = _NEVER
        elif not unseen.says_release(name):
            away = self.function.program.elsewhere(name, self.function.path)
            found = _GIVEN if away is not None and not away.locks else _ALWAYS
        self.when[name] = found
        return found

    def _look_up(self, name: str) -> _Callee:
        function = self.function.program.resolve(name, self.function.path)
        if function is None:
            found = _UNKNOWN
        elif function is self.function:
            found = _RECURSION
        elif _NO_RETURN.search(function.text.split(b"{", 1)[0]):
            found = _Callee(function, None)
        else:
            effects = lock_effects(function)
            found = _Callee(function, effects, lock_ways(function)) if effects else _UNKNOWN
        self.callees[name] = found
        return found

    def _says_release(self, name: str) -> bool:
        """Whether a name is all that is known of a call, and says that a lock is given up."""
        seen = self.function.program.resolve(name, self.function.path) if unseen.says_release(name) else None
        return unseen.says_release(name) and (seen is None or not unseen.leaves_locks(seen))

    def _unseen(self, call: Expr, name: str, prop: Prop) -> _Ways:
        """What a macro or method does whose definition is not seen and whose name says that it releases something."""
        if not unseen.says_release(name):
            return None
        gone = unseen.released(call, name, prop, self.tables.kinds)
        self.uncertain |= not gone
        if gone or not call.args or not unseen.says_unlock(name):
            return [Outcome(prop - gone)]
        return [Outcome(release(prop, "spin", call.args[0].key, "", call))]

    def _apply(self, effect: Effect, callee: Function, call: Expr, prop: Prop) -> Outcome[Prop]:
        for held in sorted(effect.released):
            prop = release(prop, *classed(held.kind, translate(held.key, callee, call)), "", call)
        target = self.rows.target(call)
        for held in sorted(effect.taken):
            if RESULT in held.key and target is None:
                continue
            key = translate(held.key, callee, call).replace(RESULT, target.key if target is not None else "")
            mapped = target.key if target is not None and held.map else ""
            prop = retake(prop, Held(*classed(held.kind, key), call.line, call.value, mapped))
        return Outcome(prop, effect.value)


class _Callee(NamedTuple):
    """What is known of the calls of one name. `effects` is None where they do not return."""

    function: Function | None
    effects: tuple[Effect, ...] | None
    ways: tuple[Effect, ...] = ()


def _possible(way: Effect, call: Expr, facts: Facts) -> bool:
    """Whether a call's arguments allow a way that its callee takes for some values of its parameters only."""
    known = ((evaluate(call.args[i], facts), value) for i, value in way.given if i < len(call.args))
    return not any(known_value and same(known_value, value) is False for known_value, value in known)


_UNKNOWN, _RECURSION = _Callee(None, ()), _Callee(None, ())
_NEVER, _GIVEN, _ALWAYS = "never", "given", "always"
_BUSY: set[tuple[str, str]] = set()


@fact
def lent(function: Function) -> frozenset[Held]:
    """The locks of its callers that the function gives up at some point, taken again later or not."""
    if not changes_locks(function):
        return frozenset()
    return frozenset(h for states in locks(function).flow.before.values() for prop in states for h in prop if h.gone)


@fact
def may_hold(function: Function) -> bool:
    """Whether it may come to hold a lock of its own, or enter a context: a call that its text names does so, or is of a
    function that comes back with one. Many only call what gives locks up, or takes and drops them again.
    """
    return _may_come_to(function, lambda _: True)


@fact
def may_be_atomic(function: Function) -> bool:
    """Whether what it may come to hold forbids to sleep."""
    kinds = function.tables.kinds
    return _may_come_to(function, lambda kind: kind in kinds and kinds[kind].atomic)


@fact
def may_block_reclaim(function: Function) -> bool:
    """Whether direct reclaim may wait for what it may come to hold."""
    kinds = function.tables.kinds
    return _may_come_to(function, lambda kind: kind in kinds and kinds[kind].reclaim)


@fact
def may_turn_off(function: Function) -> bool:
    """Whether it may come to turn interrupts off."""
    return _may_come_to(function, lambda kind: kind == "irq")


def _may_come_to(function: Function, meant: Callable[[str], bool]) -> bool:
    if not may_change_locks(function):
        return False
    return any(map(meant, kinds_named(function))) or any(map(meant, _kinds_handed(function)))


@fact
def _kinds_handed(function: Function) -> frozenset[str]:
    """The kinds of locks that functions which its text names may come back with."""
    client = _Locks(function)
    return frozenset(kind for name in names_called(function) for kind in client.leaves_held(name))


@fact
def changes_locks(function: Function) -> bool:
    """Whether some call in it takes or drops a lock, as far as that is known: else there is no flow to follow."""
    if not may_change_locks(function):
        return False
    client = _Locks(function)
    calls = function.calls.items()
    return any(client.changes(name, [call for _, call in found]) for name, found in calls)


def _busy(function: Function) -> bool:
    """Whether its locks are being worked out already (recursion), or the calls are too deep."""
    if (function.path, function.name) not in _BUSY and len(_BUSY) <= _MAX_DEPTH:
        return False
    cut_short()
    return True


@fact
def lock_effects(function: Function) -> tuple[Effect, ...]:
    """The ways in which calling it changes the caller's locks; empty if it does not, or if that is not known."""
    key = (function.path, function.name)
    if not may_change_locks(function) or _busy(function):
        return ()
    _BUSY.add(key)
    try:
        if not changes_locks(function) or function.source.damaged:
            return ()
        facts = locks(function)
    finally:
        _BUSY.discard(key)
    if facts.flow.overflow or function.cfg.truncated:
        return ()
    return effects_of(function, facts.flow, uncertain=facts.uncertain)


@fact
def lock_ways(function: Function) -> tuple[Effect, ...]:
    """Where `lock_effects` cannot tell the ways by the result: the ways by parameter, if these decide; else nothing."""
    if not any(effect.uncertain for effect in lock_effects(function)):
        return ()
    facts = locks(function)
    return ways_of(function, facts.flow) if not facts.uncertain else ()
