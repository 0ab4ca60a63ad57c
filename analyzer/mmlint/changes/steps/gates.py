"""Gates that a patch opens: branches on the state of a page, entry, vma or mapping that led out and are gone.

A gate needs no sink of its own in the tables. Its row says which tests ask for the state; what it guarded is whatever
stood on the way that the state did not take: a change of an entry, a page or who owns it, or the answer itself where a
function only tests and answers. A call of a helper is a test too when the helper does nothing but ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from mmlint.changes.about import from_new_call, operands, settled_by, target
from mmlint.changes.gains import ACCESSORS
from mmlint.changes.loss import Loss
from mmlint.changes.questions.askedby import asked_under_lock
from mmlint.changes.releases.origin import abolished
from mmlint.changes.sides import Sides
from mmlint.changes.steps.asksless import FIRM, asks_less
from mmlint.changes.steps.covers import Covers
from mmlint.changes.steps.joint import jointly_decided
from mmlint.changes.steps.narrowed import Narrowed
from mmlint.facts.asking import asks
from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import family
from mmlint.facts.owners.aliases import results
from mmlint.facts.steps import Act, opposite, performed, plain
from mmlint.kernel.entries import Step

_ANSWERS = frozenset({"bool", "int"})


def _spared(sides: Sides, act: Act) -> bool:
    """Whether there is nothing to ask any more, or it is asked again where it counts."""
    return abolished(sides, act) or asked_under_lock(sides, act)


class Gates:
    """Judges the gates of one function."""

    def __init__(self, sides: Sides, covers: Covers, vocabulary: frozenset[str], changing: frozenset[str]) -> None:
        self.sides = sides
        self.covers = covers
        self.vocabulary = vocabulary
        self.changing = changing
        self.rows = [row for row in sides.tables.steps.by_name.values() if not row.sinks]

    def losses(self) -> Iterator[Loss]:
        """The gates that are gone while what they guarded stays, the nearest thing guarded first."""
        if self.sides.change.patch.partial:
            return
        for act in self.sides.compared.old:
            gone = [test for test in act.tests if not self._stays(test)]
            answered = act.use == "return" and id(act) not in self.sides.compared.pairs
            row, asked = self._row(act) if gone or answered else (None, frozenset[str]())
            deleted, firm = self.sides.change.converts(act.word), self._firm(act, asked)
            if row is None or (deleted and not firm) or self._arm_gone(act) or _spared(self.sides, act):
                continue
            if from_new_call(self.sides.compared, operands(act)):
                continue
            loss = self._opened(act, gone, row, asked) or self._answer(act, row)
            if loss is not None:
                yield replace(loss, firm=firm)
        yield from Narrowed(self.sides, self._own_row, self._stays).losses()
        guard = self.sides.tables.guards.get(self.sides.compared.before.name)
        less = asks_less(self.sides, self._row_of(guard.class_)) if guard is not None and guard.class_ in FIRM else None
        if less is not None:
            yield less

    def _firm(self, act: Act, asked: frozenset[str]) -> bool:
        """Whether a helper asked what many ask, in a patch that only deletes: nothing comes in its place."""
        guards = self.sides.tables.guards
        inside = {guards[name].class_ for name in asked - {act.word} if name in guards}
        return self.sides.change.patch.only_deletes and not inside.isdisjoint(FIRM)

    def _arm_gone(self, act: Act) -> bool:
        """Whether the test stood in an arm of which nothing is left, and its branch is gone with it.

        The term before it in one condition (`long_term && !pinnable`) is no such branch: both lead to the same place.
        """
        old = self.sides.old
        beside = {target.id for test in act.tests for target, _ in test.succ}
        return any(
            node.kind == "branch"
            and node not in act.tests
            and beside.isdisjoint(target.id for target, _ in node.succ)
            and (outcome := old.chosen(node, act.node)) is not None
            and old.dominates(node, act.node)
            and not self._stays(node)
            and not self._left(node, outcome, answers=True)
            for node in old.order
        )

    def has(self, act: Act) -> bool:
        """Whether a row of the tables makes a gate of the act's test."""
        return self._own_row(act) is not None

    def _own_row(self, act: Act) -> Step | None:
        if act.word.startswith("is:"):
            if act.word.removeprefix("is:") not in self.sides.compared.after.words:
                return None
            return self._row_of(act.word.removeprefix("is:"))
        words = {act.word, act.word.replace("flag:", "flag:!")}
        return next((row for row in self.rows if not words.isdisjoint(row.calls)), None)

    def _row_of(self, class_: str) -> Step | None:
        asked = self.sides.tables.with_class(class_)
        return next((row for row in self.rows if not asked.isdisjoint(row.calls)), None)

    def _row(self, act: Act) -> tuple[Step | None, frozenset[str]]:
        """The gate that an act is a test of (of several in a helper the first in the tables), with its tests."""
        if (own := self._own_row(act)) is not None:
            return own, frozenset({act.word})
        asked = self._asked_by(act)
        told = [row for row in self.rows if asked & frozenset(row.calls)]
        return (told[-1] if told else None), asked

    def _asked_by(self, act: Act) -> frozenset[str]:
        compared = self.sides.compared
        if act.expr.kind != "call" or not act.word or act.word in self.sides.tables.guards:
            return frozenset()
        callee = compared.before.program.resolve(act.word, compared.before.path)
        if callee is None or callee is compared.before or not self.changing.isdisjoint(performed(callee)):
            return frozenset()
        return asks(callee) if callee.source.returns in _ANSWERS else frozenset()

    def _stays(self, test: Node) -> bool:
        """Whether a branch is still there, on its line or on one that the patch adds, whichever way it is written."""
        lines = self._conditions.get(plain(test), [])
        here = self.sides.compared.lines.get(test.line)
        return here in lines if here is not None else any(line not in self._old_lines for line in lines)

    @cached_property
    def _conditions(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for node in self.sides.new.order:
            if node.kind == "branch":
                found.setdefault(plain(node), []).append(node.line)
        return found

    def _opened(self, act: Act, gone: list[Node], row: Step, asked: frozenset[str]) -> Loss | None:
        """The first thing guarded that stands without the gate now."""
        now = self.sides.compared.pairs.get(id(act))
        if self._told_on(now) if now is not None else self._kept_in_a_variable(act):
            return None
        kept = now is not None and now.tests and self.sides.compared.lines.get(act.line) == now.line
        for test in gone:
            if self.sides.old.ends(test, True) or self.sides.old.ends(test, False):
                continue
            if now is not None and any(node.line not in self._old_lines for node in now.tests):
                continue
            if act.word.startswith("flag:") and not self._protects(act.word, row, test):
                continue
            for sink in self._guarded(act, test):
                there = self.sides.compared.pairs.get(id(sink))
                if there is None or self._leads_out(test, sink):
                    break
                # A variable on another line of the condition may be a renamed one, but never with the other answer.
                if not self._turned(test, sink, now, there) if kept else self._asked_again(act, asked, there):
                    break
                if sink.word == "return" and self._replaced(test):
                    break
                if self.covers.covered(act, row, sink, there) or self.covers.stricter(act, sink, there):
                    break
                return Loss(row, act, there, "removed")
        return None

    def _protects(self, flag: str, row: Step, test: Node) -> bool:
        """Whether it is the row's side of a flag that leads out."""
        return (flag if self._out(test) else flag.replace("flag:", "flag:!")) in row.calls

    def _told_on(self, now: Act) -> bool:
        """Whether the answer goes elsewhere now: a line that the patch adds passes it on or reads what keeps it."""
        if now.line not in self._old_lines and not now.tests:
            return True
        keys = target(now)
        return bool(keys) and any(
            node.expr is not None and node.line not in self._old_lines and keys & node.expr.names()
            for node in self.sides.new.order
            if node is not now.node
        )

    def _kept_in_a_variable(self, act: Act) -> bool:
        """Whether what is tested without a call is a term of what a line that the patch adds keeps."""
        name = act.expr.key
        return act.word.startswith(("is:", "field:")) and any(
            op == "assign" and node.line not in self._old_lines and _term(name, expr.args[1])
            for node in self.sides.new.order
            for op, expr in node.events
        )

    def _replaced(self, test: Node) -> bool:
        """Whether a branch that the patch adds, with another question, leads out where the test did."""
        out = self._out(test)
        standing = self.sides.compared.lines
        gone = {plain(node) for node in self.sides.old.order if node.kind == "branch" and node.line not in standing}
        lines = {self.sides.compared.lines.get(node.line) for node, label in test.succ if label is out} - {None}
        return any(
            node.kind == "branch"
            and node.line not in self._old_lines
            and plain(node) not in gone
            and any(target.line in lines for target, _ in node.succ)
            for node in self.sides.new.order
        )

    def _leads_out(self, test: Node, sink: Act) -> bool:
        """Whether what a flag guarded is an early exit: more go out by it now."""
        if sink.expr.kind != "call" or not self._is_flag(test):
            return False
        old, outcome = self.sides.old, self.sides.old.chosen(test, sink.node)
        if outcome is not None and self._gone_side(test) is (not outcome):
            return False
        other = next((node for node, label in test.succ if label is (not outcome)), None)
        if other is None or outcome is None or old.before(sink.node, other):
            return False
        return old.after[old.rank[sink.node.id]].bit_count() < old.after[old.rank[other.id]].bit_count()

    def _is_flag(self, test: Node) -> bool:
        return any(a.word.startswith("flag:") and test in a.tests for a in self.sides.compared.old)

    @cached_property
    def _old_lines(self) -> frozenset[int]:
        return self.sides.compared.standing

    def _turned(self, test: Node, sink: Act, now: Act | None, there: Act) -> bool:
        """Whether what still decides about a sink, by the same answer, lets those through whom `test` did not."""
        was = self.sides.old.chosen(test, sink.node) is not opposite(test)
        tests = now.tests if now is not None else ()
        sides = {c is not opposite(t) for t in tests if (c := self.sides.new.chosen(t, there.node)) is not None}
        return sides == {not was}

    def _asked_again(self, act: Act, asked: frozenset[str], there: Act) -> bool:
        """Whether a test that decides about the sink after the patch asks the same of the same thing."""
        new = self.sides.new
        for other in self.sides.compared.new:
            if other.word not in asked or not other.names & act.names or not other.guards(there, new):
                continue
            if id(other) not in self.sides.compared.sources or new.dominates(other.node, there.node):
                return True
        return False

    def _guarded(self, act: Act, test: Node) -> Iterator[Act]:
        """What stands on the way that goes on, the nearest first; then what a variable decides that the gate sets."""
        old, out = self.sides.old, self._out(test)
        for sink in self.sides.compared.old:
            if sink is act or old.chosen(test, sink.node) is not (not out):
                continue
            if self._matters(sink, test, not out):
                yield sink
        for sink in jointly_decided(self.sides.compared, test):
            if sink is not act and self._does(sink):
                yield sink
        deciding = [node for node in _on(settled_by(act, old), old.order) if old.before(test, node)]
        for sink in self.sides.compared.old if deciding else ():
            if self._matters(sink, test, None) and any(
                old.before(node, sink.node) and not old.follows(node, sink.node) for node in deciding
            ):
                yield sink

    def _does(self, sink: Act) -> bool:
        """Whether a call changes something."""
        return sink.word != "return" and sink.expr.kind == "call" and self._matters(sink, sink.node, None)

    def _gone_side(self, test: Node) -> bool | None:
        """The outcome of which nothing is left, if it is one only."""
        sides = [(label, node) for node, label in test.succ if isinstance(label, bool)]
        gone = [label for label, node in sides if node.line not in self.sides.compared.lines]
        return gone[0] if len(gone) == 1 and not self._left(test, gone[0]) else None

    def _out(self, test: Node) -> bool:
        """The outcome that leads out: the one of which nothing is left, or else the one from which control does not get
        to the first step of the other, for what only adds something falls through; of two ways apart the one that only
        leads back, then the shorter one, then the earlier one.
        """
        gone = self._gone_side(test)
        if gone is not None:
            return gone
        old = self.sides.old
        first = {label: node for node, label in test.succ if isinstance(label, bool)}
        for label, node in first.items():
            if old.side(test, not label) >> old.rank[node.id] & 1:
                return label
        back = [label for label in first if self._goes_back(test, label)]
        if len(back) == 1:
            return back[0]
        jumps = [label for label, node in first.items() if node.kind == "nop" and node.name]
        if len(jumps) == 1:
            return jumps[0]
        shorter = min(first, key=lambda label: (old.side(test, label).bit_count(), first[label].line), default=True)
        return bool(shorter)

    def _left(self, test: Node, outcome: bool, *, answers: bool = False) -> bool:
        """Whether something that nothing but one outcome of a test leads to is still done, or answered."""
        return any(
            id(act) in self.sides.compared.pairs
            and self.sides.old.chosen(test, act.node) is outcome
            and self.sides.old.dominates(test, act.node)
            for act in self.sides.compared.old
            if answers or act.word != "return"
        )

    def _matters(self, sink: Act, test: Node, outcome: bool | None) -> bool:
        word = sink.word.removeprefix("ptl:")
        if word in self.sides.tables.drops and word not in self.sides.tables.sleeps:
            return not self._takes_too(word)
        if sink.word in self.vocabulary or sink.word.startswith("set:"):
            return True
        if sink.word == "return":
            return outcome is not None and self._differs(sink, test, outcome)
        if sink.expr.kind != "call" or sink.word in self.sides.tables.guards:
            return False
        status = sink.use == "value" and target(sink) & results(self.sides.compared.before)
        if (sink.use == "bare" or status) and not sink.word.startswith(ACCESSORS):
            return True
        before = self.sides.compared.before
        callee = before.program.resolve(sink.word, before.path) if sink.expr.value == sink.word else None
        return callee not in (None, before) and not self.vocabulary.isdisjoint(performed(callee))

    def _takes_too(self, word: str) -> bool:
        """Whether the function takes what the call releases: then the release belongs to the way, not to the test."""
        tables = self.sides.tables
        kinds = {family(row.kind) for row in tables.drops[word]}
        taken = tables.takes.keys() & self.sides.compared.before.calls.keys()
        return any(family(row.kind) in kinds for name in taken for row in tables.takes[name])

    def _differs(self, sink: Act, test: Node, outcome: bool) -> bool:
        """Whether the function answers something else on the way out."""
        old = self.sides.old
        out = [
            a.key for a in self.sides.compared.old if a.word == "return" and old.chosen(test, a.node) is (not outcome)
        ]
        way = old.side(test, not outcome)
        if not out and not way >> old.rank[sink.node.id] & 1:
            out = [a.key for a in self.sides.compared.old if a.word == "return" and way >> old.rank[a.node.id] & 1]
        if not out:
            return self._goes_back(test, not outcome)
        nothing = all(key == "NULL" or key.startswith("ERR_PTR") for key in out)
        returns = self.sides.compared.before.source.returns
        asked = (nothing and "*" in returns) or (returns == "bool" and {sink.key, *out} == {"true", "false"})
        return sink.key not in out and (asked or not self._acting)

    def _goes_back(self, test: Node, outcome: bool) -> bool:
        """Whether one way from a test only leads back to where things are looked at again."""
        old = self.sides.old
        return old.exit is not None and not old.side(test, outcome) >> old.exit & 1 and not old.ends(test, outcome)

    @cached_property
    def _acting(self) -> bool:
        return bool(self.changing & self.sides.compared.before.words)

    def _answer(self, act: Act, row: Step) -> Loss | None:
        """A test that was a term of the answer, which is now made of fewer terms."""
        if act.use != "return" or id(act) in self.sides.compared.pairs or act.word.startswith("flag:"):
            return None
        before = next((a for a in self.sides.compared.old if a.word == "return" and a.node is act.node), None)
        there = self.sides.compared.pairs.get(id(before)) if before is not None else None
        if before is None or there is None:
            return None
        terms = {e.key for e in before.expr.walk()}
        if any(
            e.kind in ("call", "name", "field") and e.key not in terms and not _constant(e) for e in there.expr.walk()
        ):
            return None
        return None if self.covers.covered(act, row, before, there) else Loss(row, act, there, "removed")


def _term(name: str, e: Expr) -> bool:
    """Whether a value is made of a variable, other than by a call that gets it."""
    return e.key == name or (e.kind != "call" and any(_term(name, arg) for arg in e.args))


def _constant(e: Expr) -> bool:
    return e.kind == "name" and (e.value in ("true", "false", "NULL") or e.value.isupper())


def _on(keys: frozenset[str], nodes: list[Node]) -> Iterator[Node]:
    """The branches on one of these variables."""
    for node in nodes if keys else ():
        if node.kind == "branch" and node.expr is not None and any(e.key in keys for e in node.expr.walk()):
            yield node
