"""Steps that are still made after a patch, but on the wrong side of their sink or without deciding about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from mmlint.changes.about import settled_by, target
from mmlint.changes.loss import Loss
from mmlint.changes.sides import Sides
from mmlint.changes.steps.covers import Covers
from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach
from mmlint.facts.steps import Act, called, callee_here, performed
from mmlint.kernel.entries import Step

_GETS = re.compile(r"(^|_|mm)(get|tryget|grab|hold)(_|$)")
_CLEARED = Step(name="cleared-and-written", role="carry", calls=(), sinks=("",), rule="PAT111", scenario="DIRTY2")


class Kept:
    """Judges the steps of one function that have a counterpart after the patch."""

    def __init__(self, sides: Sides, covers: Covers) -> None:
        self.sides = sides
        self.covers = covers

    def losses(self, act: Act, now: Act, rows: list[Step]) -> Iterator[Loss]:
        """What the step `act`, now `now`, no longer does for its sinks."""
        yield from self._not_written(act, now)
        for row in (*rows, *self._done_inside(act)):
            if row.role in ("order", "sync", "check") and row.rule and row.side != "either":
                yield from self._reversed(act, now, row)
            if row.role == "check" and row.side == "before" and row.sinks and act.tests:
                yield from self._ignored(act, now, row)

    def _not_written(self, act: Act, now: Act) -> Iterator[Loss]:
        """What an entry held when it was cleared, and is no longer made into what is written there."""
        rows, mine = self.sides.tables.set_entries, target(act)
        row = rows.get(act.word)
        for sink in self.sides.compared.old if row is not None and row.op == "get-and-clear" and mine else ():
            there, written = self.sides.compared.pairs.get(id(sink)), rows.get(sink.word)
            if there is None or written is None or written.value is None or written.value >= len(sink.expr.args):
                continue
            old = _made_of(self.sides.compared.before, sink.expr.args[written.value])
            new = _made_of(self.sides.compared.after, there.expr.args[written.value])
            if mine & old and not target(now) & new and self.sides.new.before(now.node, there.node):
                yield Loss(_CLEARED, act, there, "ignored", now)
                return

    def _reversed(self, act: Act, now: Act, row: Step) -> Iterator[Loss]:
        if act.word not in row.calls and not _GETS.search(act.word) and all(_GETS.search(word) for word in row.calls):
            return  # a reference that a call takes among other things is not the one that the lock is held for
        moved = id(act) not in self.sides.compared.still
        for sink in self.sides.compared.old if moved else self._moved:
            there = self.sides.compared.pairs.get(id(sink))
            if there is None or sink is act or not self._is_sink(sink, row):
                continue
            if row.role == "check" and not self.sides.changes(sink.word):
                continue
            pair = (act, sink) if row.side == "before" else (sink, act)
            turned = self._turned(act, now, there, row) if _ordered(*pair, self.sides.old) else None
            if turned is None or (row.role == "check" and self._undone(now)):
                continue
            if row.only == "same" and not act.names & sink.names:
                continue
            if (row.only == "borrowed" and self._referenced(now)) or (row.only == "found" and not self._found(act)):
                continue
            if not any(
                self.covers.stands_in(other, act, row, there) and self.sides.new.before(other.node, there.node)
                for other in self.sides.compared.added
            ):
                yield Loss(row, act, turned[1], "order", turned[0])
                return

    def _turned(self, act: Act, now: Act, there: Act, row: Step) -> tuple[Act, Act] | None:
        """The step and its sink where they stand the wrong way round; a copy of one may be that the patch adds, for a
        way that does not come by both any more.
        """
        new, first = self.sides.new, row.side == "before"
        steps, sinks = [now], [there]
        if row.role == "order" and not new.together(now.node, there.node):
            steps += [other for other in self.sides.compared.added if other.key == act.key]
            sinks += [other for other in self.sides.compared.added if other.key == there.key]
        pairs = ((step, sink) for step in steps for sink in sinks if now is step or there is sink)
        return next((p for p in pairs if _ordered(*(p[::-1] if first else p), new)), None)

    def _referenced(self, now: Act) -> bool:
        """Whether the function holds a reference of its own: then the page outlives the lock."""
        takes, new = self.sides.tables.takes_resource, self.sides.new
        return any(
            a.word in takes and a.names & now.names and new.dominates(a.node, now.node) and a.node is not now.node
            for a in self.sides.compared.new
            if a.expr.kind == "call" and any(r.resource == "folio reference" for r in takes.get(a.word, ()))
        )

    def _found(self, act: Act) -> bool:
        """Whether what a call is about was set behind the taking of some lock."""
        takes, old = self.sides.tables.takes, self.sides.old
        locks = [a.node for a in self.sides.compared.old if a.word in takes]
        sets = [n for n in old.order if any(n.sets(name) for name in act.names) and old.before(n, act.node)]
        return any(old.before(lock, node) for lock in locks for node in sets)

    @cached_property
    def _moved(self) -> list[Act]:
        """The acts that are still made, but not on a line that the patch leaves alone; or there, and elsewhere too."""
        compared, more = self.sides.compared, {act.key for act in self.sides.compared.added}
        there = [a for a in compared.old if id(a) in compared.pairs]
        return [a for a in there if id(a) not in compared.still or a.key in more]

    def _done_inside(self, act: Act) -> list[Step]:
        """The rows of order whose first step a call does in its body, and not their second."""
        if not self._moved or not self._inside(act):
            return []
        inside = self._inside(act)
        return [
            row
            for row in self.sides.tables.steps.by_name.values()
            if row.role == "order" and self._any(row.calls, inside) and not self._any(row.sinks, inside)
        ]

    def _is_sink(self, sink: Act, row: Step) -> bool:
        if sink.word in row.sinks or row.role != "order":
            return sink.word in row.sinks
        inside = self._inside(sink)
        if not self._any(row.sinks, inside):
            return False
        return not self._any(row.calls, inside) or not self._any(row.calls, self._called(sink))

    def _any(self, words: tuple[str, ...], inside: frozenset[str]) -> bool:
        """Whether a body does one of these; a lock that it takes and drops is its own affair."""
        tables = self.sides.tables
        return any(w in inside and w not in tables.takes and w not in tables.drops for w in words)

    def _inside(self, act: Act) -> frozenset[str]:
        """What a call of a function of this file may do there; nothing for other calls."""
        callee = callee_here(self.sides.compared.before, act)
        return performed(callee) if callee is not None else frozenset()

    def _called(self, act: Act) -> frozenset[str]:
        """What a call of a function of this file calls there, where to be named there is not enough."""
        callee = callee_here(self.sides.compared.before, act)
        return called(callee) if callee is not None else frozenset()

    def _undone(self, now: Act) -> bool:
        """Whether the patch adds that an entry changed too early is put back on the outcome that forbids the change."""
        return any(
            (row := self.sides.tables.set_entries.get(other.word)) is not None
            and row.op == "set"
            and now.guards(other, self.sides.new)
            for other in self.sides.compared.added
        )

    def _ignored(self, act: Act, now: Act, row: Step) -> Iterator[Loss]:
        """The test is still made, but what it says no longer decides about the sink."""
        if now.use == "return" or (now.use == "value" and (now.tests or act.use == "value")):
            return
        for sink in self.sides.compared.old:
            there = self.sides.compared.pairs.get(id(sink))
            if there is None or sink.word not in row.sinks or not act.guards(sink, self.sides.old):
                continue
            decided = now.guards(there, self.sides.new) or self._term_decides(now, there) or self._settles(now, there)
            if (
                not decided
                and self.sides.new.before(now.node, there.node)
                and not self.covers.covered(act, row, sink, there)
            ):
                yield Loss(row, act, there, "ignored", now)
            return

    def _settles(self, now: Act, there: Act) -> bool:
        """Whether a variable that one side of the test sets decides about the sink further on."""
        keys, new = settled_by(now, self.sides.new), self.sides.new
        return any(
            node.kind == "branch"
            and node.expr is not None
            and any(e.key in keys for e in node.expr.walk())
            and new.before(now.node, node)
            and new.before(node, there.node)
            and not new.follows(node, there.node)
            for node in (new.order if keys else ())
        )

    def _term_decides(self, now: Act, there: Act) -> bool:
        """Whether another term of the same condition decides about the sink: the terms may have changed places."""
        return any(
            node.kind == "branch" and node.line in _near(now) and self.sides.new.chosen(node, there.node) is not None
            for node in self.sides.new.order
        )


def _made_of(function: Function, value: Expr) -> frozenset[str]:
    """The variables that a value may be made of, by all assignments."""
    found, work = set(value.names()), list(value.names())
    while work:
        for each in assigned_values(function).get(work.pop(), ()):
            work += each.names() - found
            found |= each.names()
    return frozenset(found)


def _near(act: Act) -> range:
    """The lines of a condition that the act may be a term of."""
    return range(act.line - 3, act.line + 4)


def _ordered(a: Act, b: Act, order: Reach) -> bool:
    return order.before(a.node, b.node) and not order.before(b.node, a.node)
