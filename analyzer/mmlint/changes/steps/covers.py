"""Whether something as good stands where a step stood: added, still there, in a helper, or at every exit."""

from __future__ import annotations

from mmlint.changes.about import alike_about
from mmlint.changes.questions.askedabove import asked_above
from mmlint.changes.questions.askedby import (
    asked_by_kin,
    asked_by_variable,
    asked_of_implied,
    asked_where_it_was,
    left_to_beside,
)
from mmlint.changes.questions.onlyif import put_off_what_is_needed, sets_what_is_asked
from mmlint.changes.questions.spared import beside, forgets_the_compared, spares_work
from mmlint.changes.releases.everyway import released_on_every_way
from mmlint.changes.sides import Sides
from mmlint.facts.assignments import assigned_values
from mmlint.facts.holders import HEADS
from mmlint.facts.ir import asks_for_error
from mmlint.facts.states import asked_in_front, let_through, one_subject
from mmlint.facts.steps import NO_CALL, Act, bare, callee_here, performed
from mmlint.kernel.entries import Step

_KINDS = frozenset({"swap_kind", "present", "zone_device", "vma_kind", "mapping_kind", "page_kind", "revalidate"})
"""Classes of guards whose members ask for different kinds of one thing."""
_LOOSE = frozenset({"count", "mapcount", "contiguous"})
"""Classes that are seldom the right question."""


class Covers:
    """Answers for one function whether a step that is not where it was is made up for."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides

    def covered(self, act: Act, row: Step, sink: Act, there: Act) -> bool:
        """Whether the step `act` of `sink` (after the patch `there`) is made up for."""
        return (
            any(self.stands_in(other, act, row, there) for other in self.sides.compared.added)
            or self._another_question(act)
            or any(self._still_does(other, act, row, sink) for other in self.sides.compared.old)
            or self.sides.gains.elsewhere(act, row)
            or self._dispatched(there)
            or (row.role == "check" and self._asked_elsewhere(act, sink, there))
            or self._predicated(act, there)
            or self._asked_for_errors(act, there)
            or asked_where_it_was(self.sides, act, there)
            or asked_by_kin(self.sides, act, there)
            or asked_by_variable(self.sides, act, there)
            or asked_of_implied(self.sides, act, there)
            or left_to_beside(self.sides, act)
            or self._no_more_states(act, sink, there)
            or self._looked_with_the_lock(act, there)
            or self._is_the_answer(act, there)
            or self._frozen_later(act, there)
            or self._nothing_mapped(act)
            or any(put_off_what_is_needed(self.sides.compared, test) for test in act.tests)
            or any(forgets_the_compared(self.sides.compared, test) for test in act.tests)
            or self._protects_anyway(act, sink)
            or self._read_again(act, sink)
            or self._to_head(act)
            or self._on_either_arm(act, sink)
            or self._once_for_all(act, there)
            or sets_what_is_asked(self.sides.compared.before, act, sink)
            or (row.role == "release" and released_on_every_way(self.sides, act, sink, there))
        )

    def _predicated(self, act: Act, there: Act) -> bool:
        """Whether a call about the same thing asks in the place of a comparison (`if (!is_shared(page))`)."""
        return act.word.startswith(("compare:", "field:")) and any(
            other.expr.kind == "call"
            and other.tests
            and other.names & act.names
            and other.guards(there, self.sides.new)
            for other in self.sides.compared.added
        )

    def _asked_for_errors(self, act: Act, there: Act) -> bool:
        """Whether a test for an error pointer asks where one for NULL did: the look-up is another one now."""
        return act.word == "field:null" and any(
            asks_for_error(other.expr) and other.guards(there, self.sides.new) for other in self.sides.compared.added
        )

    def _no_more_states(self, act: Act, sink: Act, there: Act) -> bool:
        """Whether another predicate asks now, or asked behind this one, and lets no more states through to the sink."""
        tables = self.sides.tables
        for other in (each for each in self.sides.compared.new if each.tests and one_subject(tables, act, each)):
            source = self.sides.compared.sources.get(id(other))
            standing = other.line in self.sides.compared.standing
            if standing and not (source is not None and self.sides.old.before(act.node, source.node)):
                continue
            asked = other.tests[0]
            after = self.sides.new.chosen(asked, there.node)
            if after is None or not self.sides.new.dominates(asked, there.node):
                continue
            if self._no_more_than(act, sink, let_through(tables, other, asked.expr, after)):
                return True
        return any(
            self._no_more_than(act, sink, let_through(tables, other, operand, outcome))
            for operand, outcome in asked_in_front(there.node.expr, there.expr)
            for other in self.sides.compared.new
            if bare(operand) is other.expr and one_subject(tables, act, other)
        )

    def _no_more_than(self, act: Act, sink: Act, states: frozenset[str]) -> bool:
        """Whether a predicate let all these states through to the sink."""
        ways = [(test, way) for test in act.tests if (way := self.sides.old.chosen(test, sink.node)) is not None]
        return bool(ways) and all(states <= let_through(self.sides.tables, act, test.expr, way) for test, way in ways)

    def _looked_with_the_lock(self, act: Act, there: Act) -> bool:
        """Whether the patch takes a lock by a call that asks the same of the entry (`pmd_trans_huge_lock`) instead."""
        states, takes = self.sides.tables.steps.states, self.sides.tables.takes
        mine = states.get(act.word)
        values = assigned_values(self.sides.compared.before)
        names = act.names | {name for each in act.names for value in values.get(each, ()) for name in value.names()}
        return mine is not None and any(
            other.word in takes
            and (row := states.get(other.word)) is not None
            and row.of == mine.of
            and not names.isdisjoint(other.names)
            and self.sides.new.before(other.node, there.node)
            for other in self.sides.compared.added
        )

    def _is_the_answer(self, act: Act, there: Act) -> bool:
        """Whether a comparison guarded an answer that is a comparison now, of the same entry."""
        result = there.node.expr if there.word == "return" else None
        compares = result is not None and result.kind == "binary" and result.value in ("==", "!=")
        return (
            compares
            and act.word.startswith("compare:")
            and there.line not in self.sides.compared.standing
            and bool(there.names & act.names)
        )

    def _asked_elsewhere(self, act: Act, sink: Act, there: Act) -> bool:
        """Whether the sink itself asks, all callers do, or another call of before that has come to decide about it."""
        if self._asked_inside(act, there) or asked_above(self.sides.compared, act, sink):
            return True
        pairs = ((other, self.sides.compared.pairs.get(id(other))) for other in self.sides.compared.old)
        return any(
            other.key == act.key
            and now is not None
            and other is not act
            and not other.guards(sink, self.sides.old)
            and now.guards(there, self.sides.new)
            for other, now in pairs
        )

    def _asked_inside(self, act: Act, there: Act) -> bool:
        """Whether what the test guarded makes it itself, with the lock or the page in hand."""
        after = self.sides.compared.after
        callee = after.program.resolve(there.word, after.path) if there.expr.kind == "call" else None
        return callee is not None and act.expr.kind == "call" and act.word in callee.calls

    def _frozen_later(self, act: Act, there: Act) -> bool:
        """Whether a count is frozen behind what the look at it guarded: who looks first only saves work."""
        guard, after = self.sides.tables.guards.get(act.word), self.sides.compared.after
        freezes = self.sides.tables.with_class("freeze")
        if guard is None or guard.class_ != "count" or there.expr.kind != "call":
            return False
        for other in self.sides.compared.new:
            if not other.names & act.names or not self.sides.new.before(there.node, other.node):
                continue
            callee = callee_here(after, other)
            if other.word in freezes or (callee is not None and not freezes.isdisjoint(performed(callee))):
                return True
        return False

    def _read_again(self, act: Act, sink: Act) -> bool:
        """Whether what a comparison read of an entry anew decides by itself, in a test that stays."""
        entries = {e.key for e in act.expr.walk() if e.kind == "unary" and e.value == "*"}
        return act.word.startswith("compare:") and any(
            id(other) in self.sides.compared.pairs
            and other.tests
            and not entries.isdisjoint(e.key for e in other.expr.walk())
            and other.guards(sink, self.sides.old)
            for other in self.sides.compared.old
            if other is not act
        )

    def _to_head(self, act: Act) -> bool:
        """Whether the test was for going to the head page, and the patch takes that, or the folio, of every page."""
        heads = [a for a in self.sides.compared.removed if a.word in HEADS and act.guards(a, self.sides.old)]
        return bool(heads) and any(a.word in HEADS for a in self.sides.compared.added)

    def _on_either_arm(self, act: Act, sink: Act) -> bool:
        """Whether the test only told by which call something of one thing was taken: the other arm took it, too."""
        takes, old = self.sides.tables.takes_resource, self.sides.old
        taken = {row.resource for row in takes.get(sink.word, ())}
        sides = [(test, old.chosen(test, sink.node)) for test in act.tests]
        return bool(taken) and any(
            outcome is not None
            and old.chosen(test, other.node) is (not outcome)
            and not taken.isdisjoint(row.resource for row in takes.get(other.word, ()))
            and other.names & sink.names
            for test, outcome in sides
            for other in self.sides.compared.old
        )

    def _once_for_all(self, act: Act, there: Act) -> bool:
        """Whether the same was done on another way, too, and is done once now, ahead of where the ways part."""
        compared, old, new = self.sides.compared, self.sides.old, self.sides.new
        apart = (o for o in compared.old if o.key == act.key and o is not act and not old.together(o.node, act.node))
        return any(
            (now := compared.pairs.get(id(other))) is not None
            and id(other) not in compared.still
            and new.dominates(now.node, there.node)
            for other in apart
        )

    def _protects_anyway(self, act: Act, sink: Act) -> bool:
        """Whether the test only spared those entries the write-protecting that are not writable."""
        guard = self.sides.tables.guards.get(act.word)
        return guard is not None and guard.class_ == "writable" and sink.word in self.sides.tables.wrprotects

    def _nothing_mapped(self, act: Act) -> bool:
        """Whether a test for a mapped page sent back, before anything was done, whom there was nothing to do for."""
        guard = self.sides.tables.guards.get(act.word)
        return (
            guard is not None
            and guard.class_ == "mapcount"
            and any(spares_work(self.sides.compared, test) for test in act.tests)
        )

    def _dispatched(self, there: Act) -> bool:
        """Whether the sink's function has become one that calls a method: what it does depends on the object now."""
        compared = self.sides.compared
        old = compared.before.program.resolve(there.word, compared.before.path) if there.expr.kind == "call" else None
        new = compared.after.program.resolve(there.word, compared.after.path) if old is not None else None
        return old is not None and new is not None and old.text != new.text and "" in new.calls and "" not in old.calls

    def stricter(self, act: Act, sink: Act, there: Act) -> bool:
        """Whether the test only let more through (`if (!huge && !devmap) goto out;`): fewer reach the sink now."""
        bit = self.sides.new.rank.get(there.node.id)
        tests = [test for test in act.tests if self.sides.old.chosen(test, sink.node) is not None]
        ways = [
            (now, label)
            for test in tests
            for before in beside(test)
            for target, label in before.succ
            if target is test
            for now in self.sides.counterparts(before)
        ]
        if bit is None or not ways:
            return False
        return not any(isinstance(label, bool) and self.sides.new.side(now, label) >> bit & 1 for now, label in ways)

    def _another_question(self, act: Act) -> bool:
        """Whether a count, or how an entry lies in its table, is exchanged for another test in its place."""
        guard = self.sides.tables.guards.get(act.word)
        if guard is None or guard.class_ not in _LOOSE:
            return False
        hunks = self.sides.compared.hunks
        return any(hunks[id(o)] == hunks[id(act)] and o.use == "test" for o in self.sides.compared.added)

    def stands_in(self, other: Act, act: Act, row: Step, there: Act) -> bool:
        """An act that the patch adds on the sink's path and that is worth the step, or may be."""
        compatible = other is there or self.sides.new.together(other.node, there.node)
        if not compatible:
            return False
        if act.word == "field:null" and other.use == "test" and other.names & act.names:
            return True
        if self.sides.tables.steps.weakened(other.word, act.word) is not None and other.names & act.names:
            return True
        if self._worth(other.word, act.word, row):
            return row.role != "check" or other.use != "bare"
        return self.sides.gains.helper_does(other, act, row)

    def _worth(self, other: str, word: str, row: Step) -> bool:
        if other == word or other in self.sides.tables.steps.equals(word):
            return True
        guard = self.sides.tables.guards.get(word)
        if row.role == "carry" and word in self.sides.tables.carries:
            return other in self.sides.tables.carried_alike(word)
        if guard is not None:
            alike = self.sides.tables.guards.get(other)
            return alike is not None and alike.class_ == guard.class_
        if row.role == "release" and self._lets_go(other) and self._lets_go(word):
            return True
        if any(other in each.split("+") for each in self.sides.tables.steps.equals(word)):
            return True
        return other in row.calls and not word.startswith(NO_CALL)

    def _lets_go(self, word: str) -> bool:
        """Whether a call gives a page back by some door: whether it is the right one, other rules judge."""
        gives = self.sides.tables.gives_resource.get(word, ())
        return any(row.resource in ("folio reference", "GUP page reference", "page pin") for row in gives)

    def _still_does(self, other: Act, act: Act, row: Step, sink: Act) -> bool:
        """Another act of before, still there, that does the same for the same sink."""
        if row.role == "release" or other is act or id(other) not in self.sides.compared.pairs:
            return False
        if not self._worth(other.word, act.word, row) or self._flushes_less(other.word, act.word):
            return False
        if not self.sides.old.together(other.node, act.node):
            return False
        if row.role == "check":
            alike = bool(other.names & act.names) or not act.names
            if not self._same_question(other, act):
                return False
            later = self.sides.old.before(act.node, other.node)  # asked again where something may have changed
            if not alike or (not later and self._changed_between(other, act, row)):
                return False
            return other.guards(sink, self.sides.old) and self.sides.old.dominates(other.node, sink.node)
        if row.role in ("carry", "mark", "take"):
            if not act.expr.args and self._changed_between(other, act, row):
                return False  # a barrier orders what stands next to it
            return self.sides.same_thing(other, sink, row) and alike_about(other, act) and self._always(other, act)
        if not self._same_entry(other, act):
            return False
        if not self.sides.in_order(other, sink, row) or not self._always(other, act):
            return False
        return not self._changed_between(other, act, row)

    def _flushes_less(self, other: str, word: str) -> bool:
        """Whether one flush is for shared tables only, and the other is not."""
        flushes = self.sides.tables.flushes
        return other in flushes and word in flushes and "shared" in {flushes[other].scope} - {flushes[word].scope}

    def _same_question(self, other: Act, act: Act) -> bool:
        """Whether two tests of one class ask the same: those of a kind ask each for another."""
        guard = self.sides.tables.guards.get(act.word)
        if guard is None or guard.class_ not in _KINDS:
            return True
        return other.word == act.word or other.word in self.sides.tables.steps.equals(act.word)

    def _same_entry(self, other: Act, act: Act) -> bool:
        """Whether two changes of entries are of the same one: the parent's is not the child's."""
        places = [self._entry(each) for each in (other, act)]
        return None in places or places[0] == places[1]

    def _entry(self, act: Act) -> str | None:
        tables = self.sides.tables
        row = tables.set_entries.get(act.word) or tables.wrprotects.get(act.word)
        arg = row.arg if row is not None else None
        return act.expr.args[arg].key if arg is not None and arg < len(act.expr.args) else None

    def _always(self, other: Act, act: Act) -> bool:
        """Whether every path with `act` has `other` too."""
        return self.sides.old.dominates(other.node, act.node) or self.sides.old.follows(act.node, other.node)

    def _changed_between(self, a: Act, b: Act, row: Step) -> bool:
        """Whether an entry is written or a lock taken between two acts: then the second is not the first again."""
        first, second = (a, b) if self.sides.old.before(a.node, b.node) else (b, a)
        return any(
            (other.word in row.sinks or (row.role != "release" and self._writes(other, act=b)))
            and self.sides.old.before(first.node, other.node)
            and self.sides.old.before(other.node, second.node)
            for other in self.sides.compared.old
        )

    def _writes(self, other: Act, act: Act) -> bool:
        """Whether an act writes an entry or takes a lock; one that a flush is needed for may do so in its body."""
        if self.sides.changes(other.word):
            return True
        callee = callee_here(self.sides.compared.before, other) if act.word in self.sides.tables.flushes else None
        return callee is not None and not performed(callee).isdisjoint(self.sides.tables.set_entries)
