"""Tests that are still made, but of fewer pages or for other states of an entry than before.

Two ways lead there. A new condition that is no state of the page goes around the test (`if (!(flags & FOLL_LONGTERM))
return false;` ahead of it, `level == PMD &&` beside it). Or one predicate takes the place of another that holds for
other states (`is_writable_migration_entry` for `!is_readable_migration_entry`): the tables say which states a predicate
holds for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from mmlint.changes.loss import Loss
from mmlint.changes.questions.needless import LARGE
from mmlint.changes.sides import Sides
from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr, operands
from mmlint.facts.reach import Reach
from mmlint.facts.states import let_through, one_subject
from mmlint.facts.steps import Act, bare, plain
from mmlint.kernel.entries import Step

_CLASSES = frozenset({"pinned", "exclusive", "unshare", "pte_same", "seq", "interval_retry", "longterm_pinnable"})
"""Tests that hold for every page or for none: no flag or level makes one needless."""
_PROTECTING = frozenset({("write", "clear"), ("exclusive", "clear"), ("uffd-wp", "set"), ("soft-dirty", "set")})
_RowOf = Callable[[Act], Step | None]


class Narrowed:
    """Judges the tests of one function that have a counterpart after the patch."""

    def __init__(self, sides: Sides, row_of: _RowOf, stays: Callable[[Node], bool]) -> None:
        self.sides = sides
        self.row_of = row_of
        self.stays = stays

    def losses(self) -> Iterator[Loss]:
        """The tests that are gone around, and those that another predicate stands for."""
        guards = self.sides.tables.guards
        for act in self.sides.compared.old:
            guard = guards.get(act.word)
            row = self.row_of(act) if guard is not None else None
            if guard is None or row is None:
                continue
            now = self.sides.compared.pairs.get(id(act))
            found: Loss | None = None
            if now is not None and guard.class_ in _CLASSES:
                found = self._beside(act, now, row) or self._around(act, now, row)
            if found is None and act.word in self.sides.tables.steps.states:
                found = self._other_states(act, row)
            if found is not None:
                yield found

    def _beside(self, act: Act, now: Act, row: Step) -> Loss | None:
        """A term that the patch adds to the conjunction which the test is a term of."""
        before, after = _terms(act.node.expr, act.expr), _terms(now.node.expr, now.expr)
        known = {term.key for term in before}
        added = [term for term in after if term.key not in known and self._no_state(term)]
        if not before or not added or act.node.kind == "branch":
            return None
        for sink in self.sides.compared.old:
            there = self.sides.compared.pairs.get(id(sink))
            if there is not None and act.guards(sink, self.sides.old):
                return Loss(row, act, there, "ignored", now)
        return None

    def _around(self, act: Act, now: Act, row: Step) -> Loss | None:
        """A branch that the patch adds, one side of which does without the test what the test decided about."""
        for branch in (*self._added, *self._come_first(act, now)):
            outcome = self.sides.new.chosen(branch, now.node)
            if outcome is None or not self._more_conditions(act, now):
                continue
            for sink in self.sides.compared.old:
                there = self.sides.compared.pairs.get(id(sink))
                if there is None or not act.guards(sink, self.sides.old) or not self._acts(sink):
                    continue
                if not self.sides.old.dominates(act.node, sink.node) and not self._same_chain(branch, act, now):
                    continue
                if self.sides.new.side(branch, not outcome) >> self.sides.new.rank[there.node.id] & 1:
                    return Loss(row, act, there, "ignored", now)
            answer = self._answered(branch, not outcome)
            if (
                answer is not None
                and act.use == "return"
                and self.sides.compared.before.name in self.sides.tables.guards
            ):
                return Loss(row, act, answer, "removed", now)
        return None

    def _acts(self, sink: Act) -> bool:
        """Whether a sink is a change of an entry, a mark, or the answer that a page was found."""
        tables = self.sides.tables
        pointer = "*" in self.sides.compared.before.source.returns
        found = pointer and sink.word == "return" and sink.expr.kind == "name" and sink.key != "NULL"
        return found or sink.word in tables.set_entries or sink.word in tables.wrprotects or sink.word in tables.marks

    @cached_property
    def _added(self) -> list[Node]:
        """The comparisons and flag tests that the patch adds, not in the place of others, and that ask for no state."""
        lines = self.sides.compared.lines
        asked = {plain(n) for n in self.sides.new.order if n.kind == "branch"}
        changed = [n for n in self.sides.old.order if n.kind == "branch" and n.line not in lines]
        taken = [n for n in changed if plain(n) not in asked]
        gone = frozenset[str]().union(*(node.expr.names() for node in taken if node.expr is not None))
        old = {plain(n) for n in changed}
        standing = frozenset(lines.values())
        return [
            node
            for node in self.sides.new.order
            if node.kind == "branch"
            and node.expr is not None
            and node.line not in standing
            and plain(node) not in old
            and gone.isdisjoint(node.expr.names())
            and self._no_state(node.expr)
        ]

    def _come_first(self, act: Act, now: Act) -> list[Node]:
        """The branches that came behind the test before, and lead to it now."""
        came = {plain(n) for n in self.sides.old.order if n.kind == "branch" and self.sides.old.before(act.node, n)}
        ahead = {plain(n) for n in self.sides.old.order if n.kind == "branch" and self.sides.old.before(n, act.node)}
        return [
            node
            for node in self.sides.new.order
            if node.kind == "branch"
            and node.expr is not None
            and plain(node) in came - ahead
            and self.sides.new.before(node, now.node)
            and self._no_state(node.expr)
        ]

    def _no_state(self, expr: Expr) -> bool:
        """Whether a condition says nothing that makes a test needless: a flag, a level, a size, that nobody writes."""
        expr = bare(expr)
        guard = self.sides.tables.guards.get(expr.value) if expr.kind == "call" else None
        if expr.kind == "call" and (LARGE.search(expr.value) or (guard is not None and guard.class_ == "writable")):
            return True
        asked = any(call.value in self.sides.tables.guards for call in expr.calls())
        return expr.kind == "binary" and not asked and not any(e.key == "NULL" for e in expr.walk())

    def _same_chain(self, branch: Node, act: Act, now: Act) -> bool:
        """Whether the added branch joins the conditions that led to the test before, which all still lead to it."""
        before = {
            plain(n)
            for n in self.sides.old.order
            if n.kind == "branch" and self.sides.old.chosen(n, act.node) is not None
        }
        after = {
            plain(n)
            for n in self.sides.new.order
            if n.kind == "branch" and self.sides.new.chosen(n, now.node) is not None
        }
        return before | {plain(branch)} == after

    def _more_conditions(self, act: Act, now: Act) -> bool:
        return _conditions(now.node, self.sides.new) > _conditions(act.node, self.sides.old)

    def _answered(self, branch: Node, outcome: bool) -> Act | None:
        """The constant that one side of an added branch answers."""
        for act in self.sides.compared.new:
            if act.word == "return" and self.sides.new.chosen(branch, act.node) is outcome:
                return act if act.key in ("true", "false", "0", "1") else None
        return None

    def _other_states(self, act: Act, row: Step) -> Loss | None:
        """The first sink that other states reach, now that another predicate of the same thing decides."""
        for test in act.tests:
            if self.stays(test):
                continue
            for other in self.sides.compared.new:
                alike = bool(other.tests) and one_subject(self.sides.tables, act, other)
                if alike and other.word != act.word and self._instead(other, act):
                    return self._reached(act, test, other, row)
        return None

    def _instead(self, other: Act, act: Act) -> bool:
        """Whether a predicate stands in the place of another one, and did not stand beside it before."""
        source = self.sides.compared.sources.get(id(other))
        beside = source is not None and source.word == other.word
        return not beside and self.sides.compared.hunks[id(other)] == self.sides.compared.hunks[id(act)]

    def _reached(self, act: Act, test: Node, other: Act, row: Step) -> Loss | None:
        """Fewer states for what protects; where nothing on the way does, more states for what changes an entry."""
        protected: set[bool] = set()
        for protects in (True, False):
            for sink in self.sides.compared.old:
                there = self.sides.compared.pairs.get(id(sink))
                before = self.sides.old.chosen(test, sink.node)
                after = self.sides.new.chosen(other.tests[0], there.node) if there is not None else None
                if there is None or before is None or after is None or sink is act:
                    continue
                tables = self.sides.tables
                was = let_through(tables, act, test.expr, before)
                is_ = let_through(tables, other, other.tests[0].expr, after)
                if protects and self._protects(sink):
                    protected.add(before)
                    if was - is_:
                        return Loss(row, act, there, "removed")
                elif not protects and before not in protected and is_ - was and self._weighs(sink):
                    return Loss(row, act, there, "removed")
        return None

    def _protects(self, sink: Act) -> bool:
        carry = self.sides.tables.carries.get(sink.word)
        return sink.word in self.sides.tables.wrprotects or (carry is not None and (carry.bit, carry.op) in _PROTECTING)

    def _weighs(self, sink: Act) -> bool:
        tables, steps = self.sides.tables, self.sides.tables.steps
        carry = tables.carries.get(sink.word)
        sets = carry is not None and carry.op != "test"
        if sink.word.removeprefix("ptl:") in tables.drops:
            return False  # an unlock belongs to its way
        return sets or sink.word in tables.set_entries or bool(steps.guarding(sink.word))


def _terms(whole: Expr | None, part: Expr) -> list[Expr]:
    """The terms of the conjunction that `part` is a term of; none if it is no conjunction."""
    expr = whole.args[1] if whole is not None and whole.kind == "assign" else whole
    terms = list(operands(expr, "&&")) if expr is not None and expr.kind == "binary" and expr.value == "&&" else []
    return terms if any(e is part for term in terms for e in term.walk()) else []


def _conditions(place: Node, order: Reach) -> int:
    return sum(node.kind == "branch" and order.chosen(node, place) is not None for node in order.order)
