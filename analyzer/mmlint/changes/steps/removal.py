"""What a patch takes away: steps that guarded a sink before and do not after, while the sink is still there.

A step is not lost when something as good is there: the same step elsewhere on the path, another call that the tables
hold for equal, a callee or caller that does it now. What is not known to be worse counts as good enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from mmlint.changes.about import mentions, operands, settled_by
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison, named
from mmlint.changes.gains import ACCESSORS
from mmlint.changes.loss import Loss
from mmlint.changes.releases.origin import (
    looked_up,
    nothing_lost,
    of_failed_call,
    under_other_name,
)
from mmlint.changes.sides import Sides
from mmlint.changes.steps.alone import GIVEN_BACK, Alone, region_gone
from mmlint.changes.steps.covers import Covers
from mmlint.changes.steps.gates import Gates
from mmlint.changes.steps.kept import Kept
from mmlint.changes.weaker.weaken import weakened
from mmlint.facts.cfg import Node
from mmlint.facts.locks.locks import locks
from mmlint.facts.owners.giveback import given_by
from mmlint.facts.steps import Act, callee_here, performed, spelled
from mmlint.facts.things import given
from mmlint.kernel.entries import Step
from mmlint.kernel.tables import Tables

STATE_TEST = Step(name="state-test", role="check", calls=(), sinks=(), rule="PAT106")
"""Stands in for a test of a page, folio or entry that no row of the step tables says more about."""
_STRONG = frozenset(
    {"pinned", "pte_same", "expected_count", "freeze", "seq", "interval_retry", "revalidate", "ksm", "exclusive"}
)
_SHORT = 80
"""Nodes of a helper that is called for the sake of a step."""
_UNDECIDED = frozenset({"err", "none", "count"})


def losses(change: FunctionChange) -> tuple[Loss, ...]:
    """The steps that a change takes away, in the order of the code before; computed once."""
    compared = comparison(change)
    if compared is None:
        return ()
    key = ("losses", id(compared.before))
    cache_ = compared.after.cache
    if key not in cache_:
        cache_[key] = tuple(_Judge(Sides(change, compared)).losses())
    found: tuple[Loss, ...] = cache_[key]
    return found


class _Judge:
    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.covers = Covers(sides)
        self.kept = Kept(sides, self.covers)
        self.alone = Alone(sides, self.covers)
        self.vocabulary = _vocabulary(sides.tables)
        self.gates = Gates(sides, self.covers, self.vocabulary, _changing(sides.tables))

    def losses(self) -> Iterator[Loss]:
        seen: set[tuple[str, int]] = set()
        lines: set[int] = set()
        weaker = {id(found.step) for found in weakened(self.sides.change)}
        for act in self.sides.compared.old:
            if id(act) in weaker:
                continue
            now = self.sides.compared.pairs.get(id(act))
            for loss in self._gone(act) if now is None else self._kept(act, now):
                mark = (loss.row.rule, id(loss.sink))
                if mark not in seen:
                    seen.add(mark)
                    lines.add(act.line)
                    yield loss
                    break
        for loss in self.gates.losses():
            mark = (loss.row.rule, id(loss.sink))
            if loss.step.line not in lines and mark not in seen:
                seen.add(mark)
                lines.add(loss.step.line)
                yield loss

    def _gone(self, act: Act) -> Iterator[Loss]:
        """What is lost with an act, or by where the only call of the same function stands that the patch makes anew."""
        yield from self._removed(act)
        rows = [row for row in _done_by(self.sides.tables, act.word) if row.role == "order"]
        if not rows or act.expr.kind != "call":
            return
        compared = self.sides.compared
        anew = [a for a in compared.added if a.word == act.word and len(a.expr.args) == len(act.expr.args)]
        if len(anew) == 1 and len(named(compared.removed, act.word)) == 1:
            yield from self.kept.losses(act, anew[0], rows)

    def _kept(self, act: Act, now: Act) -> Iterator[Loss]:
        return self.kept.losses(act, now, [row for row in self._rows(act) if row is not STATE_TEST])

    def _removed(self, act: Act) -> Iterator[Loss]:
        if act.node.id not in self.sides.old.rank or nothing_lost(self.sides, act):
            return
        if act.word.startswith(("set:", "clear:")) and self._set_otherwise(act):
            return
        rows = [row for row in self._rows(act) if row.role != "order" and self._counts(act, row)]
        if self._renamed(act):
            return
        if self._left_to_other(act) or of_failed_call(self.sides, act) or under_other_name(self.sides, act):
            rows = [row for row in rows if row.role != "release"]
        if looked_up(self.sides, act):
            rows = [row for row in rows if row.role != "take"]
        judged = gone = False
        for find_sinks in (self._named_sinks, self._other_sinks):
            if gone or (find_sinks == self._other_sinks and self.sides.change.patch.partial):
                break
            for row in rows:
                for sink in find_sinks(act, row):
                    there = self.sides.compared.pairs.get(id(sink))
                    gone = gone or there is None
                    if there is None:
                        continue
                    judged, gone = True, False
                    if row.role == "release" and (self._unlocked_anyway(there) or self._taken_later(act, there)):
                        break
                    if not self.covers.covered(act, row, sink, there) and not self.covers.stricter(act, sink, there):
                        yield Loss(row, act, there, "removed")
                    break
        if not judged and not gone and not self.sides.change.patch.partial:
            yield from self.alone.losses(act, rows)

    def _set_otherwise(self, act: Act) -> bool:
        """Whether a member is still spoken of, or a flag that was set or cleared is handed to a call of the patch."""
        if act.word.startswith("set:") and spelled(act.word) in self.alone.names_left:
            return True
        calls = (other for other in self.sides.compared.added if other.expr.kind == "call")
        return any(spelled(act.word) in arg.names() for call in calls for arg in call.expr.args)

    def _renamed(self, act: Act) -> bool:
        """Whether a call of the same name and more, of which no table says otherwise, is made of the same thing now."""
        rows, about = _done_by(self.sides.tables, act.word), operands(act)
        longer = (a for a in self.sides.compared.added if a.word.startswith(f"{act.word}_") and about & operands(a))
        return act.expr.kind == "call" and any(
            not (known := _done_by(self.sides.tables, a.word)) or any(row in known for row in rows) for a in longer
        )

    def _left_to_other(self, act: Act) -> bool:
        """Whether a release that could refuse stood before another one, for that case, which now does it alone."""
        gives = self.sides.tables.gives_resource
        mine = {row.resource for row in gives.get(act.word, ()) if row.when != "always"}
        return bool(mine) and any(
            id(other) in self.sides.compared.pairs
            and not mine.isdisjoint(row.resource for row in gives.get(other.word, ()))
            and any(self.sides.old.chosen(test, other.node) is not None for test in act.tests)
            for other in self.sides.compared.old
            if other is not act
        )

    def _unlocked_anyway(self, there: Act) -> bool:
        """Whether a lock that `there` takes is given up on all ways out after the patch, as when it is taken later."""
        after = self.sides.compared.after
        if there.word not in self.sides.tables.takes or locks(after).flow.overflow:
            return False
        site = (there.line, there.word)
        return not any((h.line, h.name) == site and not h.gone for _, p, _, _ in locks(after).flow.returns for h in p)

    def _taken_later(self, act: Act, there: Act) -> bool:
        """Whether what led to the release is decided before the thing is taken at all now."""
        test, outcome = self.sides.old.innermost(act.node)
        if test is None or outcome is None or id(there) in self.sides.compared.still:
            return False
        now, new = self.sides.counterparts(test), self.sides.new
        return bool(now) and all(new.chosen(n, there.node) is (not outcome) for n in now)

    def _rows(self, act: Act) -> list[Step]:
        rows = [row for row in _done_by(self.sides.tables, act.word) if row.sinks]
        if not rows and act.expr.kind == "call" and self._gives(act):
            rows = [GIVEN_BACK]
        if not rows and act.expr.kind == "call":
            rows = self._inside(act)
        guard = self.sides.tables.guards.get(act.word)
        gate = not self.sides.change.patch.partial and self.gates.has(act)
        if guard is not None and guard.class_ not in _UNDECIDED and not gate:
            rows.append(STATE_TEST)
        return rows

    def _inside(self, act: Act) -> list[Step]:
        """The steps that a short helper of the same file does for its caller."""
        callee = callee_here(self.sides.compared.before, act) if act.use == "bare" else None
        if callee is None or len(callee.cfg.order) > _SHORT:
            return []
        rows = (row for name in callee.calls for row in _done_by(self.sides.tables, name))
        return [row for row in dict.fromkeys(rows) if row.sinks and row.role in ("sync", "carry", "mark")]

    def _gives(self, act: Act) -> bool:
        before = self.sides.compared.before
        if act.word != act.expr.value:
            return False
        return bool(given(before, act.word, act.expr)) or bool(given_by(before, act.expr).always)

    def _counts(self, act: Act, row: Step) -> bool:
        """Whether the act does the step: a test only where it decides something, a release only of what was taken."""
        if row.role == "check":
            return bool(act.tests) or act.use == "return"
        return row.role != "release" or not region_gone(self.sides, act)

    def _named_sinks(self, act: Act, row: Step) -> Iterator[Act]:
        """The sinks of before that the row names and the act guards, the nearest first."""
        old = self.sides.compared.old
        if row.role == "check" and row.side == "before":
            if act.word == "field:null":
                yield from (s for s in old if mentions(s, act) and act.guards(s, self.sides.old))
                return
            wanted = [s for s in old if s.word in row.sinks or self._reaches(s, row)]
            yield from (s for s in wanted if act.guards(s, self.sides.old, main=True))
            yield from (s for s in wanted if act.guards(s, self.sides.old))
            later = self._later(act) if wanted and self._strong(act) else ()
            yield from (s for s in wanted if any(self.sides.old.chosen(test, s.node) is not None for test in later))
            return
        sinks = [s for s in (reversed(old) if row.side == "after" else old) if s is not act and self._is_sink(s, row)]
        if row.side == "either":
            sinks.sort(key=lambda sink: not self.sides.old.before(act.node, sink.node))
        for sink in sinks:
            if self.sides.in_order(act, sink, row) and self.sides.same_thing(act, sink, row):
                yield sink

    def _later(self, act: Act) -> list[Node]:
        """Branches on a variable that only one outcome of the test sets."""
        keys = settled_by(act, self.sides.old)
        return [
            node
            for node in self.sides.old.order
            if node.kind == "branch"
            and node.expr is not None
            and any(e.key in keys for e in node.expr.walk())
            and any(self.sides.old.before(test, node) for test in act.tests)
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
            others = (s for s in self.sides.compared.old if s is not act and self._matters(s, act))
            yield from (s for s in others if act.guards(s, self.sides.old, main=True))

    def _reaches(self, sink: Act, row: Step) -> bool:
        """Whether the sink is a call of this file's that does what the row names."""
        callee = callee_here(self.sides.compared.before, sink)
        return callee is not None and not performed(callee).isdisjoint(map(spelled, row.sinks))

    def _strong(self, act: Act) -> bool:
        guard = self.sides.tables.guards.get(act.word)
        return guard is not None and guard.class_ in _STRONG

    def _matters(self, sink: Act, act: Act) -> bool:
        if sink.word in self.sides.tables.set_entries or sink.word in self.sides.tables.wrprotects:
            return True
        if not self._strong(act):
            return False
        if sink.word in self.vocabulary or sink.word == "return" or self._does_something(sink):
            return True
        return sink.use == "bare" and sink.expr.kind == "call" and not sink.word.startswith(ACCESSORS)

    def _does_something(self, sink: Act) -> bool:
        callee = callee_here(self.sides.compared.before, sink)
        return callee is not None and not self.vocabulary.isdisjoint(performed(callee))


@cache
def _done_by(tables: Tables, word: str) -> tuple[Step, ...]:
    return tables.steps.done_by(word)


@cache
def _vocabulary(tables: Tables) -> frozenset[str]:
    """Every call that changes an entry, a page or who owns it: what a test may guard."""
    named = {word for row in tables.steps.by_name.values() for word in row.sinks if ":" not in word}
    return frozenset((named | _changing(tables)) - tables.guards.keys())


@cache
def _changing(tables: Tables) -> frozenset[str]:
    changing = {*tables.set_entries, *tables.wrprotects, *tables.marks, *tables.takes_resource, *tables.gives_resource}
    return frozenset(changing - tables.guards.keys())
