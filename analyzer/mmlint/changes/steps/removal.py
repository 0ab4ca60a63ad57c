"""What a patch takes away: steps that guarded a sink before and do not after, while the sink is still there.

A step is not lost when something as good is there: the same step elsewhere on the path, another call that the tables
hold for equal, a callee or caller that does it now. What is not known to be worse counts as good enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, cached_property

from mmlint.changes.about import mentions, operands, settled_by, target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.edits.barriers import other_arm_always
from mmlint.changes.gains import ACCESSORS
from mmlint.changes.loss import Loss
from mmlint.changes.releases.origin import (
    failure_gone,
    looked_up,
    never_here,
    nothing_lost,
    of_failed_call,
    turned_away,
    under_other_name,
)
from mmlint.changes.sides import Sides
from mmlint.changes.steps.covers import Covers
from mmlint.changes.steps.gates import Gates
from mmlint.changes.steps.kept import Kept
from mmlint.changes.weaker.weaken import weakened
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.locks.held import local_names
from mmlint.facts.locks.locks import locks
from mmlint.facts.owners.giveback import given_by
from mmlint.facts.steps import Act, callee_here, performed, spelled
from mmlint.facts.things import given
from mmlint.kernel.entries import Step
from mmlint.kernel.tables import Tables

STATE_TEST = Step(name="state-test", role="check", calls=(), sinks=(), rule="PAT106")
"""Stands in for a test of a page, folio or entry that no row of the step tables says more about."""
GIVEN_BACK = Step(name="given-back", role="release", calls=(), sinks=("",), rule="PAT110", scenario="LEAK1")
"""Stands in for a release that only the name of the call tells of, or the body of a helper."""
_STRONG = frozenset(
    {"pinned", "pte_same", "expected_count", "freeze", "seq", "interval_retry", "revalidate", "ksm", "exclusive"}
)
_WORD = re.compile(r"\w+")
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
            for loss in self._removed(act) if now is None else self._kept(act, now):
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
            yield from self._alone(act, rows)

    def _set_otherwise(self, act: Act) -> bool:
        """Whether a member is still spoken of, or a flag that was set or cleared is handed to a call of the patch."""
        if act.word.startswith("set:") and spelled(act.word) in self._names_left:
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

    def _alone(self, act: Act, rows: list[Step]) -> Iterator[Loss]:
        """A mark or release of something that the function neither took nor maps: gone for whoever comes after."""
        for row in rows:
            if row.role not in ("mark", "release") and not self._flushes(act) and not self._waits(act, row):
                continue
            if row.role == "release" and any(
                s.word in row.sinks and self.sides.old.before(s.node, act.node) and self.sides.same_thing(act, s, row)
                for s in self.sides.compared.old
            ):
                continue
            beside = self._beside(act)
            if beside is None or self._region_gone(act) or self._was_taken(row):
                continue
            if row is GIVEN_BACK and (self._about_gone(act) or self.sides.change.converts(act.word)):
                continue
            if row.role == "release" and (not self._still_there(act) or never_here(self.sides, act)):
                continue
            if row.role == "mark" and (self._marked_anew(act) or other_arm_always(self.sides.compared, act)):
                continue
            there = self.sides.compared.pairs[id(beside)]
            if not self.covers.covered(act, row, beside, there) and not turned_away(self.sides, act, there):
                yield Loss(row, act, there, "gone")
            return

    def _marked_anew(self, act: Act) -> bool:
        """Whether the patch adds a mark of the same kind: it has moved, and stands by none of its old neighbours."""
        marks = self.sides.tables.marks
        kind = marks[act.word].what if act.word in marks else ""
        return any(
            kind and other.word in marks and marks[other.word].what == kind for other in self.sides.compared.added
        )

    def _flushes(self, act: Act) -> bool:
        callee = callee_here(self.sides.compared.before, act)
        known = (self.sides.tables.flushes.get(word) for word in (act.word, *(callee.calls if callee else ())))
        return any(flush is not None and flush.sync and not flush.clears for flush in known)

    def _waits(self, act: Act, row: Step) -> bool:
        """Whether a step is for those who come after the function, and the patch calls nothing in its place."""
        if row.only != "alone" or self.sides.change.converts(act.word):
            return False
        return not any(a.expr.kind == "call" for a in self.sides.compared.added)

    def _beside(self, act: Act) -> Act | None:
        """The nearest act on the same path that is still there."""
        place = self.sides.compared.old.index(act)
        near = (*self.sides.compared.old[place + 1 :], *reversed(self.sides.compared.old[:place]))
        there = [a for a in near if id(a) in self.sides.compared.pairs]
        kept = [a for a in there if self.sides.old.together(a.node, act.node)]
        if not kept and self._flushes(act):
            kept = there  # what flushes and does nothing else that has a name
        return min(kept, key=lambda a: a.word == "return", default=None)

    def _still_there(self, act: Act) -> bool:
        """Whether the function goes on speaking of what the act is about, or of the call that it came from."""
        before = self.sides.compared.before
        for root in {arg.root for arg in act.expr.args if arg.root} - self._names_left:
            if root not in local_names(before) and root not in before.params:
                continue  # the function for the last one to call, or what is there anyway
            values = {value.key for value in assigned_values(before).get(root, ())}
            returned = {a.expr.key for a in self.sides.compared.new if a.word == "return"}
            if not values & returned:
                return False
        return True

    @cached_property
    def _names_left(self) -> frozenset[str]:
        """The variables that the function still speaks of; what was held in another is no longer its business."""
        spoken = (n.expr.names() for n in self.sides.new.order if n.expr is not None)
        return frozenset(self.sides.compared.after.params).union(*spoken)

    def _was_taken(self, row: Step) -> bool:
        """Whether some function of the patch no longer takes what the release gives back."""
        return any(
            gone.word in row.sinks
            for other in self.sides.change.patch.changes
            if (compared := comparison(other)) is not None
            for gone in compared.removed
        )

    def _about_gone(self, act: Act) -> bool:
        """Whether the patch takes other calls about the same thing away, or adds one that gives it up."""
        compared, keys = self.sides.compared, operands(act)
        if compared.scoped:
            return True
        others = (a for a in compared.removed if a is not act and a.expr.kind == "call" and a.word != act.word)
        gone = (a for a in others if not given(compared.before, a.word, a.expr))
        added = [a for a in compared.added if a.expr.kind == "call"]
        return any(keys & (operands(a) | target(a)) for a in gone) or any(self._gives_up(a, keys) for a in added)

    def _gives_up(self, act: Act, keys: frozenset[str]) -> bool:
        """Whether an added call gives up one of the things or what only the patch speaks of, or is new and gets one."""
        known = self.sides.compared.before.words
        gives = given(self.sides.compared.after, act.word, act.expr)
        if any(_WORD.findall(thing.key)[-1] not in self.sides.spoken_before for thing in gives):
            return True
        inside = given_by(self.sides.compared.after, act.expr).always
        return bool(keys & operands(act)) and (bool(gives) or bool(inside) or act.word not in known)

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
        return row.role != "release" or not self._region_gone(act)

    def _region_gone(self, act: Act) -> bool:
        """Whether the early exit that the act stands on is gone too: then so is the path that needed it."""
        gone = (n for n in self.sides.old.order if n.kind == "branch" and n.expr is not None)
        return any(
            not self.sides.counterparts(node)
            and (self.sides.old.leaves(node, act.node) or failure_gone(self.sides, node, act))
            for node in gone
        )

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
