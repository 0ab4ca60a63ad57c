"""What a patch takes away: steps that guarded a sink before and do not after, while the sink is still there.

A step is not lost when something as good is there: the same step elsewhere on the path, another call that the tables hold
for equal, a callee or caller that does it now. What is not known to be worse counts as good enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from mmlint.facts.change import FunctionChange
from mmlint.facts.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, acts, performed
from mmlint.facts.weaken import weakened
from mmlint.kernel.entries import Step
from mmlint.kernel.tables import Tables

STATE_TEST = Step(name="state-test", role="check", calls=(), sinks=(), rule="PAT106")
"""Stands in for a test of a page, folio or entry that no row of the step tables says more about."""
_STRONG = frozenset(
    {"pinned", "pte_same", "expected_count", "freeze", "seq", "interval_retry", "revalidate", "ksm", "exclusive"}
)
_UNDECIDED = frozenset({"err", "none", "count"})


@dataclass(frozen=True, slots=True)
class Loss:
    """A step that is gone, weaker or on the wrong side of its sink.

    `step` is the act before, `sink` the act after that stands without it, `how` is removed, ignored, order.
    """

    row: Step
    step: Act
    sink: Act
    how: str
    now: Act | None = None


def losses(change: FunctionChange) -> tuple[Loss, ...]:
    """The steps that a change takes away, in the order of the code before; computed once."""
    compared = comparison(change)
    if compared is None:
        return ()
    key = ("losses", id(compared.before))
    cache_ = compared.after.cache
    if key not in cache_:
        cache_[key] = tuple(_Judge(change, compared).losses())
    found: tuple[Loss, ...] = cache_[key]
    return found


class _Judge:
    def __init__(self, change: FunctionChange, compared: Comparison) -> None:
        self.change = change
        self.compared = compared
        self.tables = compared.before.tables
        self.old = reach(compared.before)
        self.new = reach(compared.after)
        self.vocabulary = _vocabulary(self.tables)
        self.gains = _Gains(change, compared)
        self.branches = {n.expr.key for n in self.new.order if n.kind == "branch" and n.expr is not None}

    def losses(self) -> Iterator[Loss]:
        seen: set[tuple[str, int]] = set()
        weaker = {id(found.step) for found in weakened(self.change)}
        for act in self.compared.old:
            if id(act) in weaker:
                continue
            now = self.compared.pairs.get(id(act))
            for loss in self._removed(act) if now is None else self._kept(act, now):
                mark = (loss.row.rule, id(loss.sink))
                if mark not in seen:
                    seen.add(mark)
                    yield loss
                    break

    # ------------------------------------------------------------ removed
    def _removed(self, act: Act) -> Iterator[Loss]:
        if act.node.id not in self.old.rank:
            return
        rows = [row for row in self._rows(act) if row.role != "order" and self._counts(act, row)]
        for find_sinks in (self._named_sinks, self._other_sinks):
            for row in rows:
                for sink in find_sinks(act, row):
                    there = self.compared.pairs.get(id(sink))
                    if there is None:
                        continue
                    if not self._covered(act, row, sink, there):
                        yield Loss(row, act, there, "removed")
                    break

    def _rows(self, act: Act) -> list[Step]:
        rows = list(_done_by(self.tables, act.word))
        guard = self.tables.guards.get(act.word)
        if guard is not None and guard.class_ not in _UNDECIDED:
            rows.append(STATE_TEST)
        return rows

    def _counts(self, act: Act, row: Step) -> bool:
        """Whether the act does the step: a test only where it decides something, a release only of what was taken."""
        if row.role == "check":
            return bool(act.tests) or act.use == "return"
        return row.role != "release" or not self._region_gone(act)

    def _region_gone(self, act: Act) -> bool:
        """Whether a branch that leads to the act is gone too: then so is the path that needed it."""
        return any(
            node.kind == "branch"
            and node.expr is not None
            and node.expr.key not in self.branches
            and self.old.chosen(node, act.node) is not None
            for node in self.old.order
        )

    def _named_sinks(self, act: Act, row: Step) -> Iterator[Act]:
        """The sinks of before that the row names and the act guards, the nearest first."""
        old = self.compared.old
        if row.role == "check" and row.side == "before":
            for sink in old:
                if act.word == "field:null":
                    if _mentions(sink, act) and act.guards(sink, self.old):
                        yield sink
                elif (sink.word in row.sinks or self._reaches(sink, row)) and act.guards(sink, self.old):
                    yield sink
            return
        for sink in old if row.side == "before" else reversed(old):
            if sink is act or sink.word not in row.sinks:
                continue
            first, second = (act, sink) if row.side == "before" else (sink, act)
            if self.old.before(first.node, second.node) and self._same_thing(act, sink, row):
                yield sink

    def _other_sinks(self, act: Act, row: Step) -> Iterator[Act]:
        """What else the test guards: changes of an entry, and for the tests that matter most any change at all."""
        if row.role == "check" and row.side == "before" and act.word != "field:null":
            if row is STATE_TEST or self._strong(act):
                yield from (
                    s for s in self.compared.old if s is not act and self._matters(s, act) and act.guards(s, self.old)
                )

    def _reaches(self, sink: Act, row: Step) -> bool:
        """Whether the sink is a call of this file's that does what the row names."""
        callee = self._local(sink)
        return callee is not None and not performed(callee).isdisjoint(row.sinks)

    def _local(self, act: Act) -> Function | None:
        if act.expr.kind != "call":
            return None
        before = self.compared.before
        return next((f for f in before.program.named(before.path, act.word) if f is not before), None)

    def _strong(self, act: Act) -> bool:
        guard = self.tables.guards.get(act.word)
        return guard is not None and guard.class_ in _STRONG

    def _matters(self, sink: Act, act: Act) -> bool:
        if sink.word in self.tables.set_entries or sink.word in self.tables.wrprotects:
            return True
        return self._strong(act) and (sink.word in self.vocabulary or self._does_something(sink))

    def _does_something(self, sink: Act) -> bool:
        callee = self._local(sink)
        return callee is not None and not self.vocabulary.isdisjoint(performed(callee))

    def _same_thing(self, act: Act, sink: Act, row: Step) -> bool:
        """Whether the step is about what the sink is about: what is released was taken, what is written was marked."""
        if row.role in ("release", "carry", "mark", "take"):
            mine = act.names | _target(act)
            return bool(mine & (sink.names | _target(sink))) or not mine
        return True

    # ------------------------------------------------------------ covered
    def _covered(self, act: Act, row: Step, sink: Act, there: Act) -> bool:
        return (
            any(self._stands_in(other, act, row, there) for other in self.compared.added)
            or any(self._still_does(other, act, row, sink) for other in self.compared.old)
            or self.gains.elsewhere(act, row)
        )

    def _stands_in(self, other: Act, act: Act, row: Step, there: Act) -> bool:
        """An act that the patch adds on the sink's path and that is worth the step, or may be."""
        compatible = other is there or self.new.together(other.node, there.node)
        if not compatible:
            return False
        if self._worth(other.word, act.word, row):
            return row.role != "check" or other.use != "bare"
        return self.gains.helper_does(other, act, row)

    def _worth(self, other: str, word: str, row: Step) -> bool:
        if other == word or other in self.tables.steps.equals(word):
            return True
        guard = self.tables.guards.get(word)
        if guard is not None:
            mine = self.tables.guards.get(other)
            return mine is not None and mine.class_ == guard.class_
        if any(other in each.split("+") for each in self.tables.steps.equals(word)):
            return True
        return other in row.calls and not word.startswith(("compare:", "field:"))

    def _still_does(self, other: Act, act: Act, row: Step, sink: Act) -> bool:
        """Another act of before, still there, that does the same for the same sink."""
        if other is act or id(other) not in self.compared.pairs or not self._worth(other.word, act.word, row):
            return False
        if not self.old.together(other.node, act.node):
            return False
        if row.role == "check":
            about_same = bool(other.names & act.names) or not act.names
            if not about_same or self._changed_between(other, act, row):
                return False
            return other.guards(sink, self.old) and self.old.dominates(other.node, sink.node)
        if row.role in ("release", "carry", "mark", "take"):
            return self._same_thing(other, sink, row) and other.names == act.names
        first, second = (other, sink) if row.side == "before" else (sink, other)
        return self.old.before(first.node, second.node) and not self._changed_between(other, act, row)

    def _changed_between(self, a: Act, b: Act, row: Step) -> bool:
        """Whether an entry is written or a lock taken between two acts: then the second is not the first again."""
        first, second = (a, b) if self.old.before(a.node, b.node) else (b, a)
        return any(
            (self._changes(other.word) or other.word in row.sinks)
            and self.old.before(first.node, other.node)
            and self.old.before(other.node, second.node)
            for other in self.compared.old
        )

    def _changes(self, word: str) -> bool:
        return word in self.tables.set_entries or word in self.tables.wrprotects or word in self.tables.takes

    # --------------------------------------------------------------- kept
    def _kept(self, act: Act, now: Act) -> Iterator[Loss]:
        for row in self._rows(act):
            if row is STATE_TEST:
                continue
            if row.role in ("order", "sync", "check", "mark") and row.rule:
                yield from self._reversed(act, now, row)
            if row.role == "check" and row.side == "before" and act.tests:
                yield from self._ignored(act, now, row)

    def _reversed(self, act: Act, now: Act, row: Step) -> Iterator[Loss]:
        for sink in self.compared.old:
            there = self.compared.pairs.get(id(sink))
            if there is None or sink is act or sink.word not in row.sinks or {id(act), id(sink)} <= self.compared.still:
                continue
            pair = (act, sink) if row.side == "before" else (sink, act)
            after = (now, there) if row.side == "before" else (there, now)
            if not self._ordered(*pair, self.old) or not self._ordered(after[1], after[0], self.new):
                continue
            if row.name.startswith("unlock-") and not act.names & sink.names:
                continue
            if not any(
                self._stands_in(other, act, row, there) and self.new.before(other.node, there.node)
                for other in self.compared.added
            ):
                yield Loss(row, act, there, "order", now)
                return

    def _ordered(self, a: Act, b: Act, order: Reach) -> bool:
        return order.before(a.node, b.node) and not order.before(b.node, a.node)

    def _ignored(self, act: Act, now: Act, row: Step) -> Iterator[Loss]:
        """The test is still made, but what it says no longer decides about the sink."""
        if (
            now.use == "return"
            or now.node.id not in self.new.rank
            or (now.use == "value" and not now.tests and act.use == "value")
        ):
            return
        for sink in self.compared.old:
            there = self.compared.pairs.get(id(sink))
            if there is None or sink.word not in row.sinks or not act.guards(sink, self.old):
                continue
            if now.guards(there, self.new) or not self.new.before(now.node, there.node):
                return
            if (now.use == "value" and (now.tests or not now.expr.value)) or self._decides_later(now):
                return
            if not self._covered(act, row, sink, there):
                yield Loss(row, act, there, "ignored", now)
            return

    def _decides_later(self, now: Act) -> bool:
        """Whether one side of the test sets a variable: the decision may be taken by it further on."""
        for test in now.tests:
            yes, no = self.new.side(test, True), self.new.side(test, False)
            for node in self.new.order:
                if (yes ^ no) >> self.new.rank[node.id] & 1 and node.expr is not None:
                    if any(e.kind == "assign" for e in node.expr.walk()):
                        return True
        return False


class _Gains:
    """What the rest of a patch does now that it did not do before."""

    def __init__(self, change: FunctionChange, compared: Comparison) -> None:
        self.change = change
        self.compared = compared
        self.program = compared.after.program
        self.tables = compared.after.tables

    def helper_does(self, call: Act, act: Act, row: Step) -> bool:
        """Whether a call does the step in its body; a callee that cannot be seen may, if it is about the same thing."""
        if call.expr.kind != "call" or self._known(call.word):
            return False
        callee = self.program.resolve(call.word, self.compared.after.path)
        if callee is None:
            return bool(call.names & act.names) and not call.word.startswith(_ACCESSORS)
        return self._does(performed(callee), act, row)

    def elsewhere(self, act: Act, row: Step) -> bool:
        """Whether a callee or caller that the patch changes, or adds, now does the step."""
        for other in self.change.patch.changes:
            if other is self.change or other.after is None:
                continue
            linked = other.after.name in _words(self.compared.after) or self.compared.after.name in _words(other.after)
            if linked and self._does(frozenset(self._fresh(other)), act, row):
                return True
        return False

    def _fresh(self, other: FunctionChange) -> Iterator[str]:
        compared = comparison(other)
        if other.after is None:
            return
        if compared is None:
            yield from performed(other.after)
            return
        yield from (a.word for a in compared.added)

    def _does(self, words: Iterable[str], act: Act, row: Step) -> bool:
        alike = self.tables.steps.equals(act.word) | {act.word}
        guard = self.tables.guards.get(act.word)
        if guard is not None:
            alike |= self.tables.with_class(guard.class_)
        if not act.word.startswith(("compare:", "field:")):
            alike |= set(row.calls)
        return any(word in alike for word in words)

    def _known(self, word: str) -> bool:
        t = self.tables
        return any(
            word in table
            for table in (t.guards, t.set_entries, t.wrprotects, t.flushes, t.marks, t.carries, t.takes, t.drops)
        )


_ACCESSORS = (
    "page_",
    "pte_",
    "pmd_",
    "pud_",
    "ptep_get",
    "pmdp_get",
    "vma_",
    "folio_nr",
    "folio_page",
    "READ_ONCE",
    "WRITE_ONCE",
)


def _words(function: Function) -> frozenset[str]:
    return frozenset(act.word for act in acts(function))


def _target(act: Act) -> frozenset[str]:
    """The variable that takes the act's result."""
    expr = act.node.expr
    if expr is not None and expr.kind == "assign" and expr is not act.expr:
        return expr.args[0].names()
    return frozenset()


def _mentions(sink: Act, test: Act) -> bool:
    """Whether the sink uses the lvalue that was tested for NULL."""
    expr = test.expr
    keys = {e.key for e in expr.walk()} - {"NULL"}
    return sink.expr.kind == "call" and any(
        arg.key in keys or (arg.kind == "unary" and arg.args[0].key in keys) for arg in sink.expr.args
    )


@cache
def _done_by(tables: Tables, word: str) -> tuple[Step, ...]:
    return tables.steps.done_by(word)


@cache
def _vocabulary(tables: Tables) -> frozenset[str]:
    """Every call that changes an entry, a page or who owns it: what a test may guard."""
    named = {word for row in tables.steps.by_name.values() for word in row.sinks if ":" not in word}
    changing = {*tables.set_entries, *tables.wrprotects, *tables.marks, *tables.takes_resource, *tables.gives_resource}
    return frozenset((named | changing) - set(tables.guards))
