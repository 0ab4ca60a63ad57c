"""What a patch takes away: steps that guarded a sink before and do not after, while the sink is still there.

A step is not lost when something as good is there: the same step elsewhere on the path, another call that the tables
hold for equal, a callee or caller that does it now. What is not known to be worse counts as good enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from mmlint.facts.cfg import Node
from mmlint.facts.change import FunctionChange
from mmlint.facts.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.gains import ACCESSORS, Gains
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, performed, spelled
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
        self.gains = Gains(change, compared)
        self.branches: dict[str, list[Node]] = {}
        for node in self.new.order:
            if node.kind == "branch" and node.expr is not None:
                self.branches.setdefault(node.expr.key, []).append(node)

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
        judged = False
        finders = (self._named_sinks,) if self.change.patch.partial else (self._named_sinks, self._other_sinks)
        for find_sinks in finders:
            for row in rows:
                for sink in find_sinks(act, row):
                    there = self.compared.pairs.get(id(sink))
                    if there is None:
                        continue
                    judged = True
                    if not self._covered(act, row, sink, there) and not self._stricter(act, sink, there):
                        yield Loss(row, act, there, "removed")
                    break
        if not judged and not self.change.patch.partial:
            yield from self._alone(act, rows)

    def _alone(self, act: Act, rows: list[Step]) -> Iterator[Loss]:
        """A mark or release of something that the function neither took nor maps: gone for whoever comes after."""
        for row in rows:
            if row.role not in ("mark", "release") and not self._flushes(act):
                continue
            if row.role == "release" and any(
                s.word in row.sinks and self._same_thing(act, s, row) for s in self.compared.old
            ):
                continue
            beside = self._beside(act)
            if beside is None or self._region_gone(act) or self._was_taken(row):
                continue
            if row.role == "release" and not {n for n in act.names if not n.isupper()} <= self._names_left:
                continue
            there = self.compared.pairs[id(beside)]
            if not self._covered(act, row, beside, there):
                yield Loss(row, act, there, "gone")
            return

    def _flushes(self, act: Act) -> bool:
        flush = self.tables.flushes.get(act.word)
        return flush is not None and flush.sync and not flush.clears

    def _beside(self, act: Act) -> Act | None:
        """The nearest act on the same path that is still there."""
        place = self.compared.old.index(act)
        near = (*self.compared.old[place + 1 :], *reversed(self.compared.old[:place]))
        kept = (a for a in near if id(a) in self.compared.pairs and self.old.together(a.node, act.node))
        return min(kept, key=lambda a: a.word == "return", default=None)

    @cached_property
    def _names_left(self) -> frozenset[str]:
        """The variables that the function still speaks of; what was held in another is no longer its business."""
        spoken = (n.expr.names() for n in self.new.order if n.expr is not None)
        return frozenset(self.compared.after.params).union(*spoken)

    def _was_taken(self, row: Step) -> bool:
        """Whether some function of the patch no longer takes what the release gives back."""
        return any(
            gone.word in row.sinks
            for other in self.change.patch.changes
            if (compared := comparison(other)) is not None
            for gone in compared.removed
        )

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
        """Whether the early exit that the act stands on is gone too: then so is the path that needed it."""
        return any(
            node.kind == "branch"
            and node.expr is not None
            and node.expr.key not in self.branches
            and self.old.leaves(node, act.node)
            for node in self.old.order
        )

    def _named_sinks(self, act: Act, row: Step) -> Iterator[Act]:
        """The sinks of before that the row names and the act guards, the nearest first."""
        old = self.compared.old
        if row.role == "check" and row.side == "before":
            if act.word == "field:null":
                yield from (s for s in old if _mentions(s, act) and act.guards(s, self.old))
                return
            wanted = [s for s in old if s.word in row.sinks or self._reaches(s, row)]
            yield from (s for s in wanted if act.guards(s, self.old, main=True))
            yield from (s for s in wanted if act.guards(s, self.old))
            later = self._later(act) if wanted and self._strong(act) else ()
            yield from (s for s in wanted if any(self.old.chosen(test, s.node) is not None for test in later))
            return
        for sink in old if row.side == "before" else reversed(old):
            if sink is act or not self._is_sink(sink, row):
                continue
            first, second = (act, sink) if row.side == "before" else (sink, act)
            if self.old.before(first.node, second.node) and self._same_thing(act, sink, row):
                yield sink

    def _later(self, act: Act) -> list[Node]:
        """Branches on a variable that only one outcome of the test sets."""
        keys = _sets(act, self.old)
        return [
            node
            for node in self.old.order
            if node.kind == "branch"
            and node.expr is not None
            and any(e.key in keys for e in node.expr.walk())
            and any(self.old.before(test, node) for test in act.tests)
        ]

    def _is_sink(self, sink: Act, row: Step) -> bool:
        if sink.word in row.sinks:
            return True
        if sink.word == "return":
            return row.role == "carry" and sink.node.expr is not None
        return row.role == "sync" and self._reaches(sink, row)

    def _other_sinks(self, act: Act, row: Step) -> Iterator[Act]:
        """What else the test guards: changes of an entry, and for the tests that matter most any change at all."""
        judged = row.role == "check" and row.side == "before" and act.word != "field:null"
        if judged and (row is STATE_TEST or self._strong(act)):
            others = (s for s in self.compared.old if s is not act and self._matters(s, act))
            yield from (s for s in others if act.guards(s, self.old, main=True))

    def _reaches(self, sink: Act, row: Step) -> bool:
        """Whether the sink is a call of this file's that does what the row names."""
        callee = self._local(sink)
        return callee is not None and not performed(callee).isdisjoint(map(spelled, row.sinks))

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
        if not self._strong(act):
            return False
        if sink.word in self.vocabulary or sink.word == "return" or self._does_something(sink):
            return True
        return sink.use == "bare" and sink.expr.kind == "call" and not sink.word.startswith(ACCESSORS)

    def _does_something(self, sink: Act) -> bool:
        callee = self._local(sink)
        return callee is not None and not self.vocabulary.isdisjoint(performed(callee))

    def _same_thing(self, act: Act, sink: Act, row: Step) -> bool:
        """Whether the step is about what the sink is about: what is released was taken, what is written was marked."""
        if row.role not in ("release", "carry", "mark", "take"):
            return True
        if row.role == "carry":
            mine = self._flow(_target(act) or act.names)
            return bool(mine & (sink.names | _target(sink))) or not mine
        return alike_about(act, sink)

    def _flow(self, names: frozenset[str]) -> frozenset[str]:
        """The variables that a value may get into by plain assignments."""
        found = set(names)
        for node in self.old.order:
            expr = node.expr
            if expr is not None and expr.kind == "assign" and expr.args[1].names() & found:
                found.add(expr.args[0].root)
        return frozenset(found)

    def _stricter(self, act: Act, sink: Act, there: Act) -> bool:
        """Whether the test only let more through (`if (!huge && !devmap) goto out;`): fewer reach the sink now."""
        bit = self.new.rank.get(there.node.id)
        tests = [test for test in act.tests if self.old.chosen(test, sink.node) is not None]
        ways = [
            (now, label)
            for test in tests
            for before in self.old.order
            if before.kind == "branch" and before.expr is not None
            for target, label in before.succ
            if target is test
            for now in self.new.order
            if now.kind == "branch" and now.expr is not None and now.expr.key == before.expr.key
        ]
        if bit is None or not ways:
            return False
        return not any(isinstance(label, bool) and self.new.side(now, label) >> bit & 1 for now, label in ways)

    # ------------------------------------------------------------ covered
    def _covered(self, act: Act, row: Step, sink: Act, there: Act) -> bool:
        return (
            any(self._stands_in(other, act, row, there) for other in self.compared.added)
            or any(self._still_does(other, act, row, sink) for other in self.compared.old)
            or self.gains.elsewhere(act, row)
            or (row.role == "release" and self._always_released(act, sink, there))
        )

    def _always_released(self, act: Act, sink: Act, there: Act) -> bool:
        """Whether every way to the exit that met a release of this thing before does so after: which of several equal
        lines is the removed one is a matter of how the texts are laid side by side.
        """
        alike = self.tables.steps.equals(act.word) | {act.word}
        before = [a.node for a in self.compared.old if a.word in alike and alike_about(a, act)]
        after = [a.node for a in self.compared.new if a.word in alike and alike_about(a, act)]
        judged, others = False, [node for node in before if node is not act.node]
        if not after:
            return False
        needed = self.old.meets(sink.node, before) and not self.old.meets(sink.node, others)
        if sink.word in _takes(self.tables) and needed:
            judged = True
            if not self.new.meets(there.node, after):
                return False
        for branch in self.old.order:
            if branch.kind != "branch" or branch.expr is None or not self.old.before(branch, act.node):
                continue
            now = self.branches.get(branch.expr.key, ())
            for outcome in (True, False):
                needed = self.old.always_meets(branch, outcome, before)
                if now and needed and not self.old.always_meets(branch, outcome, others):
                    judged = True
                    if not any(self.new.always_meets(n, outcome, after) for n in now):
                        return False
        return judged

    def _stands_in(self, other: Act, act: Act, row: Step, there: Act) -> bool:
        """An act that the patch adds on the sink's path and that is worth the step, or may be."""
        compatible = other is there or self.new.together(other.node, there.node)
        if not compatible:
            return False
        if act.word == "field:null" and other.use == "test" and other.names & act.names:
            return True
        if self._worth(other.word, act.word, row):
            return row.role != "check" or other.use != "bare"
        return self.gains.helper_does(other, act, row)

    def _worth(self, other: str, word: str, row: Step) -> bool:
        if other == word or other in self.tables.steps.equals(word):
            return True
        guard, carry = self.tables.guards.get(word), self.tables.carries.get(word)
        if row.role == "carry" and carry is not None:
            mine = self.tables.carries.get(other)
            return mine is not None and (mine.bit, mine.op, mine.form) == (carry.bit, carry.op, carry.form)
        if guard is not None:
            alike = self.tables.guards.get(other)
            return alike is not None and alike.class_ == guard.class_
        if any(other in each.split("+") for each in self.tables.steps.equals(word)):
            return True
        return other in row.calls and not word.startswith(("compare:", "field:"))

    def _still_does(self, other: Act, act: Act, row: Step, sink: Act) -> bool:
        """Another act of before, still there, that does the same for the same sink."""
        if row.role == "release" or other is act or id(other) not in self.compared.pairs:
            return False
        if not self._worth(other.word, act.word, row):
            return False
        if not self.old.together(other.node, act.node):
            return False
        if row.role == "check":
            alike = bool(other.names & act.names) or not act.names
            if not alike or self._changed_between(other, act, row):
                return False
            return other.guards(sink, self.old) and self.old.dominates(other.node, sink.node)
        if row.role in ("carry", "mark", "take"):
            return self._same_thing(other, sink, row) and alike_about(other, act) and self._always(other, act)
        first, second = (other, sink) if row.side == "before" else (sink, other)
        if not self.old.before(first.node, second.node) or not self._always(other, act):
            return False
        return not self._changed_between(other, act, row)

    def _always(self, other: Act, act: Act) -> bool:
        """Whether every path with `act` has `other` too."""
        return self.old.dominates(other.node, act.node) or self.old.follows(act.node, other.node)

    def _changed_between(self, a: Act, b: Act, row: Step) -> bool:
        """Whether an entry is written or a lock taken between two acts: then the second is not the first again."""
        first, second = (a, b) if self.old.before(a.node, b.node) else (b, a)
        return any(
            (other.word in row.sinks or (row.role != "release" and self._changes(other.word)))
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
            if row.role in ("order", "sync", "check") and row.rule:
                yield from self._reversed(act, now, row)
            if row.role == "check" and row.side == "before" and act.tests:
                yield from self._ignored(act, now, row)

    def _reversed(self, act: Act, now: Act, row: Step) -> Iterator[Loss]:
        for sink in self.compared.old:
            there = self.compared.pairs.get(id(sink))
            if there is None or sink is act or sink.word not in row.sinks or {id(act), id(sink)} <= self.compared.still:
                continue
            if row.role == "check" and not self._changes(sink.word):
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
        if now.use == "return" or (now.use == "value" and (now.tests or act.use == "value")):
            return
        for sink in self.compared.old:
            there = self.compared.pairs.get(id(sink))
            if there is None or sink.word not in row.sinks or not act.guards(sink, self.old):
                continue
            decided = now.guards(there, self.new) or self._term_decides(now, there) or _sets(now, self.new)
            if not decided and self.new.before(now.node, there.node) and not self._covered(act, row, sink, there):
                yield Loss(row, act, there, "ignored", now)
            return

    def _term_decides(self, now: Act, there: Act) -> bool:
        """Whether another term of the same condition decides about the sink: the terms may have changed places."""
        return any(
            node.kind == "branch" and node.line in _near(now) and self.new.chosen(node, there.node) is not None
            for node in self.new.order
        )


def _sets(act: Act, order: Reach) -> frozenset[str]:
    """The variables that are set on one side of a test: the decision may be taken by them further on."""
    found: set[str] = set()
    for test in act.tests:
        only = order.side(test, True) ^ order.side(test, False)
        for node in order.order:
            if only >> order.rank[node.id] & 1 and node.expr is not None:
                found.update(e.args[0].key for e in node.expr.walk() if e.kind == "assign")
    return frozenset(found)


def _near(act: Act) -> range:
    """The lines of a condition that the act may be a term of."""
    return range(act.line - 3, act.line + 4)


def _target(act: Act) -> frozenset[str]:
    """The variable that takes the act's result."""
    expr = act.node.expr
    if expr is not None and expr.kind == "assign" and expr is not act.expr:
        return expr.args[0].names()
    return frozenset()


def alike_about(a: Act, b: Act) -> bool:
    """Whether two acts are about the same thing: an operand or result of the same text, or one a part of the other."""
    mine, other = _operands(a), _operands(b)
    if not mine or not other or mine & other:
        return True
    return any(key.isidentifier() and key in b.names | _target(b) for key in mine) or any(
        key.isidentifier() and key in a.names | _target(a) for key in other
    )


def _operands(act: Act) -> frozenset[str]:
    expr = act.node.expr
    found = {arg.args[0].key if arg.kind == "unary" and arg.value == "&" else arg.key for arg in act.expr.args}
    if expr is not None and expr.kind == "assign" and expr is not act.expr:
        found.add(expr.args[0].key)
    return frozenset(key for key in found if not key[:1].isdigit() and key not in ("NULL", "true", "false"))


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
def _takes(tables: Tables) -> frozenset[str]:
    return frozenset((*tables.takes, *tables.takes_resource, "ptl:spin_lock", "ptl:spin_lock_nested"))


@cache
def _vocabulary(tables: Tables) -> frozenset[str]:
    """Every call that changes an entry, a page or who owns it: what a test may guard."""
    named = {word for row in tables.steps.by_name.values() for word in row.sinks if ":" not in word}
    changing = {*tables.set_entries, *tables.wrprotects, *tables.marks, *tables.takes_resource, *tables.gives_resource}
    return frozenset((named | changing) - set(tables.guards))
