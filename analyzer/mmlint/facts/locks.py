"""Locks and atomic contexts held at each point of a function, page-table locks apart from other spinlocks.

Conditional takers (`pte_offset_map_lock` may return NULL, trylocks, `page_vma_mapped_walk`) split the state by result.
What a callee takes or releases comes from its own analysis, translated to the caller's arguments. A release of a lock
that this function did not take is recorded as such: the caller's lock is gone from there on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field

from mmlint.facts import unseen
from mmlint.facts.cfg import Node
from mmlint.facts.flow import Flow, Outcome, solve
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.held import (
    CONTEXTS,
    INNER,
    NOTHING,
    RESULT,
    Effect,
    Held,
    Prop,
    family,
    handed_out,
    local_names,
    match,
    pointee,
    result_class,
    retake,
    root_of,
    translate,
)
from mmlint.facts.ir import Expr
from mmlint.facts.values import Facts, is_zero
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Drop, Take
from mmlint.kernel.tables import Tables

_MAPPED = frozenset({"ptl", "pte_map", "rcu", "walk", "kmap", "kmap_atomic"})
_NO_RETURN = re.compile(rb"\b__noreturn\b")
_BY_POINTER = frozenset({"spin", "raw_spin", "rwlock", "mutex", "rwsem"})
"""Locks that are given by address: who has taken one has tested that it is there."""
_MAX_EFFECTS = 8
_MAX_DEPTH = 25


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
    flow = solve(function.cfg, client)
    return LockFacts(flow, client.at_call, client.uncertain)


class _Locks:
    initial: Prop = NOTHING

    def __init__(self, function: Function) -> None:
        self.function = function
        self.tables = function.tables
        self.targets = call_targets(function)
        self.at_call: dict[int, dict[Prop, Facts]] = {}
        self.uncertain = False

    def call(self, call: Expr, prop: Prop, facts: Facts, node: Node) -> Iterable[Outcome[Prop]] | None:
        self.at_call.setdefault(id(call), {})[prop] = facts
        name = call.value
        if name.startswith("guard:"):
            return self._guard(call, prop)
        row = self.tables.sleeps.get(name)
        if row is not None and row.when.startswith("calls:"):
            return self._released_by(call, int(row.when[6:]), prop)
        takes, drops = self.tables.takes.get(name), unseen.drops(self.function, name)
        if takes is None and drops is None:
            return self._callee(call, prop)
        outcomes = [Outcome(prop)]
        for drop in drops or ():
            if self._no_lock(drop, call, prop, facts):
                continue
            outcomes = [after for o in outcomes for after in self._drop(drop, call, o)]
        if takes:
            outcomes = [
                after
                for o in outcomes
                for after in self._take(takes, call, o, unused=node.kind == "expr" and node.expr is call)
            ]
        return outcomes

    def assigned(self, target: Expr, value: Expr | None, prop: Prop, facts: Facts, node: Node) -> Prop:
        if value is not None and value.key in ("NULL", "0") and any(h.map == target.key for h in prop):
            return frozenset(h._replace(map="") if h.map == target.key else h for h in prop)
        return prop

    def branched(self, node: Node, outcome: bool, prop: Prop, facts: Facts) -> Prop | None:
        """No way on where a lock that is held is NULL, or an entry whose page table is mapped: takers that fail leave
        nothing held.
        """
        for held in prop:
            if held.gone or (held.key not in facts and held.map not in facts):
                continue
            if held.kind in _BY_POINTER and facts.get(held.key) == "0":
                return None
            if held.map and facts.get(held.map) == "0" and self._gives_entry(held):
                return None
        return prop

    def _gives_entry(self, held: Held) -> bool:
        """Whether what the taker returned is the entry (or the lock), not a status that is 0 when it went well."""
        return any(take.when in ("always", "nonzero") for take in self.tables.takes.get(held.name, ()))

    def cleanup(self, node: Node, prop: Prop, facts: Facts) -> Prop:
        if not node.name.startswith("guard:") or node.expr is None:
            return prop
        take = self._guard_take(node.name)
        if take is None:
            return prop
        mine = [h for h in prop if not h.gone and h.line == node.expr.line and h.kind == take.kind]
        return prop - {mine[0]} if mine else prop

    # ------------------------------------------------------------- tables
    def _guard_take(self, name: str) -> Take | None:
        row = self.tables.scope_guards.get(name.removeprefix("guard:"))
        return self.tables.takes[row.take][0] if row is not None and row.take in self.tables.takes else None

    def _guard(self, call: Expr, prop: Prop) -> list[Outcome[Prop]] | None:
        take = self._guard_take(call.value)
        if take is None:
            return None
        key = call.args[0].key if call.args else ""
        return [Outcome(prop | {Held(take.kind, key, call.line, call.value)})]

    def _take(
        self, takes: tuple[Take, ...], call: Expr, outcome: Outcome[Prop], *, unused: bool
    ) -> list[Outcome[Prop]]:
        """The ways in which a taker may end; one whose status is `unused` was called so that it cannot fail."""
        locked = outcome.prop
        for held in (h for take in takes for h in self._taken(take, call)):
            locked = retake(locked, held)
        when = takes[0].when
        if outcome.value is not None and when in ("nonzero", "zero"):
            # A drop of the same call (`page_vma_mapped_walk`) has told the results apart already.
            taken = (outcome.value == "0") == (when == "zero")
            return [Outcome(locked if taken else outcome.prop, outcome.value)]
        pointer = any(take.result or take.out is not None for take in takes)
        if unused and when == "zero" and takes[0].mode != "try":
            return [Outcome(locked)]
        if when == "nonzero":
            ways = [Outcome(locked, "ok" if pointer else "!0"), Outcome(outcome.prop, "0")]
        elif when == "zero":
            failed = "!0" if takes[0].mode == "try" else "<0"
            ways = [Outcome(locked, "0"), Outcome(outcome.prop, failed)]
        elif when == "notneg":
            ways = [Outcome(locked, ">=0"), Outcome(outcome.prop, "<0")]
        elif when == "noterr":
            ways = [Outcome(locked, "ok"), Outcome(outcome.prop, "bad")]
        else:
            return [Outcome(locked, "ok" if pointer else outcome.value)]
        zero = is_zero(outcome.value)
        return [way for way in ways if zero is None or is_zero(way.value) is zero]

    def _taken(self, take: Take, call: Expr) -> Iterator[Held]:
        target = self.targets.get(id(call))
        key = ""
        if take.out is not None and take.out < len(call.args):
            key = pointee(call.args[take.out])
        elif take.arg is not None and take.arg < len(call.args):
            key = call.args[take.arg].key
        elif take.result:
            key = target.key if target is not None else ""
        mapped = target.key if target is not None and take.kind in _MAPPED else ""
        kind = "ptl" if take.kind == "spin" and key in page_table_locks(self.function) else take.kind
        yield Held(kind, key, call.line, call.value, mapped)
        for kind in take.also:
            yield Held(kind, "" if kind in CONTEXTS else key, call.line, call.value, mapped)

    def _no_lock(self, drop: Drop, call: Expr, prop: Prop, facts: Facts) -> bool:
        """Whether the lock to release is NULL there (`unlock_cluster(NULL)`)."""
        if drop.arg is None or drop.arg >= len(call.args) or drop.map_arg is not None:
            return False
        key = call.args[drop.arg].key
        return facts.get(key) == "0" and match(prop, drop.kind, key, "") is None

    def _drop(self, drop: Drop, call: Expr, outcome: Outcome[Prop]) -> list[Outcome[Prop]]:
        arg = call.args[drop.arg].key if drop.arg is not None and drop.arg < len(call.args) else ""
        mapped = call.args[drop.map_arg].key if drop.map_arg is not None and drop.map_arg < len(call.args) else ""
        dropped = self._release(outcome.prop, drop.kind, arg, mapped, call)
        given = {h.kind for h in outcome.prop - dropped}
        for kind in drop.also:
            if kind not in given:
                dropped = self._release(dropped, kind, "", mapped, call)
        if call.value in self.tables.takes:
            dropped = frozenset(h for h in dropped if not h.gone or h in outcome.prop)
        if drop.when == "nonzero":
            return [Outcome(dropped, "!0"), Outcome(outcome.prop, "0")]
        if drop.when == "zero":
            return [Outcome(dropped, "0"), Outcome(outcome.prop, "!0")]
        if drop.when in ("retry", "maybe"):
            return [Outcome(dropped), Outcome(outcome.prop)]
        return [Outcome(dropped)]

    def _release(self, prop: Prop, kind: str, key: str, mapped: str, call: Expr) -> Prop:
        found = match(prop, kind, key, mapped)
        if found is not None:
            also = {
                h
                for h in prop
                if h.line == found.line and h.name == found.name and h.kind != found.kind and kind in ("ptl", "walk")
            }
            return prop - {found} - also
        if any(h.gone and family(h.kind) == family(kind) and h.key == key for h in prop):
            return prop
        if kind in CONTEXTS:
            return prop | {Held(kind, "", 0, "", "", True)}
        return prop | {Held(kind, key, call.line, call.value, "", True)}

    # ------------------------------------------------------------ callees
    def _released_by(self, call: Expr, index: int, prop: Prop) -> list[Outcome[Prop]] | None:
        """The ways of a call that may run a callback which gives up a lock (`kref_put(&x->ref, release_locked)`)."""
        given = call.args[index] if index < len(call.args) else None
        target = self.function.program.resolve(given.value, self.function.path) if given is not None else None
        if target is None or _busy(target) or not may_change_locks(target):
            return None
        lock_effects(target)
        released = {(h.kind, h.key) for _, p, _, _ in locks(target).flow.returns for h in p if h.gone and h.key}
        if not released:
            return None
        after = prop
        for kind, key in sorted(released):
            after = self._release(after, kind, INNER + key.removeprefix(INNER), "", call)
        return [Outcome(after, "!0"), Outcome(prop, "0")]

    def _callee(self, call: Expr, prop: Prop) -> list[Outcome[Prop]] | None:
        if not call.value:
            return self._unseen(call, call.callee.value, prop) if call.callee is not None else None
        if is_api(self.tables, call.value):
            return None
        program, path = self.function.program, self.function.path
        away = program.elsewhere(call.value, path)
        if away is not None and not (away.locks or unseen.says_release(call.value) or unseen.is_given(call, prop)):
            return None
        callee = program.resolve(call.value, path)
        if callee is None:
            return self._unseen(call, call.value, prop)
        if callee is self.function:
            return None
        if _NO_RETURN.search(callee.text.split(b"{", 1)[0]):
            return []
        effects = lock_effects(callee)
        if not effects:
            return self._unseen(call, call.value, prop)
        self.uncertain |= any(e.uncertain for e in effects)
        outcomes = {self._apply(effect, callee, call, prop) for effect in effects}
        return sorted(outcomes, key=lambda o: (sorted(o.prop), o.value or "")) or None

    def _unseen(self, call: Expr, name: str, prop: Prop) -> list[Outcome[Prop]] | None:
        """What a macro or method does whose definition is not seen and whose name says that it releases something."""
        if not unseen.says_release(name):
            return None
        gone = unseen.released(call, name, prop, self.tables.kinds)
        self.uncertain |= not gone
        if gone or not call.args or not unseen.says_unlock(name):
            return [Outcome(prop - gone)]
        return [Outcome(self._release(prop, "spin", call.args[0].key, "", call))]

    def _apply(self, effect: Effect, callee: Function, call: Expr, prop: Prop) -> Outcome[Prop]:
        for held in sorted(effect.released):
            prop = self._release(prop, held.kind, translate(held.key, callee, call), "", call)
        target = self.targets.get(id(call))
        for held in sorted(effect.taken):
            if RESULT in held.key and target is None:
                continue
            key = translate(held.key, callee, call).replace(RESULT, target.key if target is not None else "")
            mapped = target.key if target is not None and held.map else ""
            prop = retake(prop, Held(held.kind, key, call.line, call.value, mapped))
        return Outcome(prop, effect.value)


@fact
def page_table_locks(function: Function) -> frozenset[str]:
    """The lvalues that are given the address of a page-table lock (`ptl = pmd_lock(mm, pmd)`, or of `pmd_lockptr`)."""
    found: set[str] = set()
    tables = function.tables
    for name, calls in function.calls.items():
        pointer = tables.lock_pointers.get(name)
        for row in (*tables.takes.get(name, ()), *((pointer,) if pointer is not None else ())):
            for _, call in calls if row.kind == "ptl" else ():
                target = call_targets(function).get(id(call))
                if row.out is not None and row.out < len(call.args):
                    found.add(pointee(call.args[row.out]))
                elif target is not None and getattr(row, "result", True):
                    found.add(target.key)
    return frozenset(found)


@fact
def lock_tokens(function: Function) -> bool:
    """Whether the function's text names a call that takes or drops anything."""
    words = function.words
    tables = function.tables
    return not words.isdisjoint(tables.takes) or not words.isdisjoint(tables.drops)


_BUSY: set[tuple[str, str]] = set()


@fact
def may_change_locks(function: Function) -> bool:
    """Whether it, or a function of its file that it calls, takes or drops a lock."""
    key = (function.path, function.name)
    if lock_tokens(function) or unseen.calls_unlock(function.text):
        return True
    if key in _BUSY or len(_BUSY) > _MAX_DEPTH:
        return False
    _BUSY.add(key)
    try:
        names = function.words
        here = function.program
        for name in names:
            for other in here.named(function.path, name):
                if other is not function and may_change_locks(other):
                    return True
        return False
    finally:
        _BUSY.discard(key)


def _busy(function: Function) -> bool:
    """Whether its locks are being worked out already (recursion), or the calls are too deep."""
    return (function.path, function.name) in _BUSY or len(_BUSY) > _MAX_DEPTH


@fact
def lock_effects(function: Function) -> tuple[Effect, ...]:
    """The ways in which calling it changes the caller's locks; empty if it does not, or if that is not known."""
    key = (function.path, function.name)
    if not may_change_locks(function) or _busy(function) or function.source.damaged:
        return ()
    _BUSY.add(key)
    try:
        facts = locks(function)
    finally:
        _BUSY.discard(key)
    if facts.flow.overflow or function.cfg.truncated:
        return ()
    by_value: dict[str | None, set[tuple[frozenset[Held], frozenset[Held]]]] = {}
    returns = facts.flow.returns
    for node, prop, _, value in returns:
        named = (handed_out(node, h) for h in prop if not h.gone)
        taken = frozenset(h for h in named if _visible(function, h))
        handed = any(RESULT in h.key for h in taken)
        result = result_class(value)
        gone = _given_up(function, prop, result)
        by_value.setdefault(result or ("ok" if handed else None), set()).add((taken, gone))
    if all(not taken and not released for ways in by_value.values() for taken, released in ways):
        return ()
    effects = [_one_effect(value, ways) for value, ways in by_value.items()]
    if facts.uncertain or len(effects) > _MAX_EFFECTS:
        effects = [e._replace(taken=NOTHING, uncertain=True) for e in effects]
    effects = _apart(effects)
    return tuple(sorted(set(effects), key=lambda e: (sorted(e.taken), sorted(e.released), e.value or "")))[
        :_MAX_EFFECTS
    ]


def _one_effect(value: str | None, ways: set[tuple[frozenset[Held], frozenset[Held]]]) -> Effect:
    """The effect behind one result: where it differs by path, what may be released counts as released, and what is
    taken on every path as taken (`double_lock`, which takes a second lock if it is another one).
    """
    released = frozenset[Held]().union(*(r for _, r in ways))
    same = len({(frozenset(h._replace(line=0) for h in t), r) for t, r in ways}) == 1
    first = next(iter(ways))[0]
    shared = frozenset.intersection(*(frozenset(h._replace(line=0) for h in taken) for taken, _ in ways))
    always = {h for h in first if h._replace(line=0) in shared}
    return Effect(first if same else NOTHING if released else frozenset(always), released, value, not same)


def _apart(effects: list[Effect]) -> list[Effect]:
    """Effects that a caller cannot tell apart by the result are uncertain, and take nothing."""
    blind = [e for e in effects if e.value in (None, "!err")]
    ways = {(frozenset(h._replace(line=0) for h in e.taken), e.released) for e in effects}
    if blind and len(ways) > 1:
        released = frozenset[Held]().union(*(e.released for e in effects))
        return [Effect(NOTHING, released, None, True)]
    return effects


def _visible(function: Function, held: Held) -> bool:
    """Whether a lock that is still held at the end has a name that callers share: a parameter's or a global's."""
    kinds = function.tables.kinds
    if not held.key or held.kind in CONTEXTS or not (held.kind in kinds and kinds[held.kind].atomic):
        return True
    if RESULT in held.key:
        return True
    root = root_of(held.key)
    return bool(root and (root in function.params or root not in local_names(function))) or bool(held.map)


def _given_up(function: Function, prop: Prop, result: str | None) -> frozenset[Held]:
    """The caller's locks that are released in a state in which the function returns `result`.

    A spinlock by the name of a local counts only if every way out with that result releases it (an alias of the
    caller's lock): on some ways only, it is one that the function takes itself where this analysis does not see it.
    """
    ways = [p for _, p, _, value in locks(function).flow.returns if result_class(value) == result]
    kinds = function.tables.kinds
    found = set()
    for held in prop:
        if not held.gone:
            continue
        inner = held.key.startswith(INNER) or root_of(held.key) in local_names(function)
        if inner and held.kind in kinds and kinds[held.kind].atomic:
            if not all(any(_alike(held, other) for other in way) for way in ways):
                continue
            held = held._replace(key=INNER + held.key.removeprefix(INNER))
        found.add(held._replace(line=0, name=""))
    return frozenset(found)


def _alike(held: Held, other: Held) -> bool:
    return other.gone and family(other.kind) == family(held.kind)


def is_api(table: Tables, name: str) -> bool:
    """Whether the tables say what a call means, so that its body need not be looked at."""
    return name in table.nosleep or name in table.sleeps or name in table.gup or name in table.noreturn
