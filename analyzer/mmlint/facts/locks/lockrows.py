"""What a call does to the locks held, where the tables say it: takers, droppers and scope guards."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Outcome
from mmlint.facts.function import Function, call_targets
from mmlint.facts.ir import Expr
from mmlint.facts.locks import unseen
from mmlint.facts.locks.held import CONTEXTS, Held, Prop, classed, family, match, pointee, retake
from mmlint.facts.locks.lockwords import page_table_locks
from mmlint.facts.values import Facts, is_zero
from mmlint.kernel.rows import Drop, Take

_MAPPED = frozenset({"ptl", "pte_map", "rcu", "walk", "kmap", "kmap_atomic"})


class LockRows:
    """The rows of the tables applied to the calls of one function."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.tables = function.tables
        self.nothing = _nothing_here(function)

    def knows(self, name: str) -> bool:
        """Whether a row says what a call of this name does."""
        return name in self.tables.takes or unseen.drops(self.function, name) is not None

    def target(self, call: Expr) -> Expr | None:
        """The lvalue that takes the result of a call."""
        return call_targets(self.function).get(id(call))

    def call(self, call: Expr, prop: Prop, facts: Facts, node: Node) -> list[Outcome[Prop]]:
        """The ways in which a call that a row knows may end."""
        takes, drops = self.tables.takes.get(call.value), unseen.drops(self.function, call.value)
        outcomes = [Outcome(prop)]
        for drop in drops or ():
            if self._no_lock(drop, call, prop, facts):
                continue
            outcomes = [after for o in outcomes for after in self._drop(drop, call, o)]
        if takes:
            unused = node.kind == "expr" and node.expr is call
            outcomes = [after for o in outcomes for after in self._take(takes, call, o, unused=unused)]
        return outcomes

    def guard_take(self, name: str) -> Take | None:
        """The row of what a scope guard takes."""
        row = self.tables.scope_guards.get(name.removeprefix("guard:"))
        return self.tables.takes[row.take][0] if row is not None and row.take in self.tables.takes else None

    def enter(self, call: Expr, prop: Prop) -> list[Outcome[Prop]] | None:
        """The way on after a scope guard."""
        take = self.guard_take(call.value)
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
        target = self.target(call)
        key = ""
        if take.out is not None and take.out < len(call.args):
            key = pointee(call.args[take.out])
        elif take.arg is not None and take.arg < len(call.args):
            key = call.args[take.arg].key
        elif take.result:
            key = target.key if target is not None else ""
        mapped = target.key if target is not None and take.kind in _MAPPED else ""
        kind = "ptl" if take.kind == "spin" and key in page_table_locks(self.function) else take.kind
        if kind not in self.nothing:
            yield Held(*classed(kind, key), call.line, call.value, mapped)
        for kind in take.also:
            if kind in self.nothing:
                continue
            yield Held(kind, "" if kind in CONTEXTS else key, call.line, call.value, mapped)

    def _no_lock(self, drop: Drop, call: Expr, prop: Prop, facts: Facts) -> bool:
        """Whether the lock to release is NULL there (`unlock_cluster(NULL)`)."""
        if drop.arg is None or drop.arg >= len(call.args) or drop.map_arg is not None:
            return False
        key = call.args[drop.arg].key
        return facts.get(key) == "0" and match(prop, drop.kind, key, "") is None

    def _drop(self, drop: Drop, call: Expr, outcome: Outcome[Prop]) -> list[Outcome[Prop]]:
        arg = _named(call.args[drop.arg], outcome.prop) if drop.arg is not None and drop.arg < len(call.args) else ""
        mapped = call.args[drop.map_arg].key if drop.map_arg is not None and drop.map_arg < len(call.args) else ""
        kind, arg = classed(drop.kind, arg)
        if kind in self.nothing:
            return [outcome]
        dropped = release(outcome.prop, kind, arg, mapped, call)
        given = {h.kind for h in outcome.prop - dropped}
        for kind in drop.also:
            if kind not in given | self.nothing:
                dropped = release(dropped, kind, "", mapped, call)
        if call.value in self.tables.takes:
            dropped = frozenset(h for h in dropped if not h.gone or h in outcome.prop)
        if drop.when == "nonzero":
            return [Outcome(dropped, "!0"), Outcome(outcome.prop, "0")]
        if drop.when == "zero":
            return [Outcome(dropped, "0"), Outcome(outcome.prop, "!0")]
        if drop.when in ("retry", "maybe"):
            return [Outcome(dropped), Outcome(outcome.prop)]
        return [Outcome(dropped)]


def _nothing_here(function: Function) -> frozenset[str]:
    """The kinds that there is nothing to hold of on the architecture that the function is for."""
    folders = function.path.split("/")
    if folders[0] != "arch" or len(folders) < 3:
        return frozenset()
    kinds = function.tables.kinds.values()
    return frozenset(kind.name for kind in kinds if kind.arches and folders[1] not in kind.arches)


def _named(arg: Expr, prop: Prop) -> str:
    """The name under which a dropper's argument is held: its text, or what it points to."""
    inner = pointee(arg)
    return inner if any(h.key == inner and not h.gone for h in prop) else arg.key


def release(prop: Prop, kind: str, key: str, mapped: str, call: Expr) -> Prop:
    """The property after a lock was given up; one that is not held is then a lock of the caller that is gone."""
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
