"""Marks and releases of what a function neither takes nor maps: once they are gone, who comes after misses them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from mmlint.changes.about import operands, target
from mmlint.changes.compare import comparison
from mmlint.changes.edits.barriers import other_arm_always
from mmlint.changes.loss import Loss
from mmlint.changes.releases.origin import failure_gone, kept_by_others, never_here, turned_away
from mmlint.changes.sides import Sides
from mmlint.changes.steps.covers import Covers
from mmlint.facts.assignments import assigned_values
from mmlint.facts.locks.held import local_names
from mmlint.facts.owners.giveback import given_by
from mmlint.facts.steps import Act, callee_here
from mmlint.facts.things import given
from mmlint.kernel.entries import Step

GIVEN_BACK = Step(name="given-back", role="release", calls=(), sinks=("",), rule="PAT110", scenario="LEAK1")
"""Stands in for a release that only the name of the call tells of, or the body of a helper."""
_WORD = re.compile(r"\w+")


class Alone:
    """Judges such steps of one function."""

    def __init__(self, sides: Sides, covers: Covers) -> None:
        self.sides = sides
        self.covers = covers

    def losses(self, act: Act, rows: list[Step]) -> Iterator[Loss]:
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
            if beside is None or region_gone(self.sides, act) or self._was_taken(row):
                continue
            if row is GIVEN_BACK and (self._about_gone(act) or self.sides.change.converts(act.word)):
                continue
            stays = self._still_there(act) or kept_by_others(self.sides, act)
            if row.role == "release" and (not stays or never_here(self.sides, act)):
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
        for root in {arg.root for arg in act.expr.args if arg.root} - self.names_left:
            if root not in local_names(before) and root not in before.params:
                continue  # the function for the last one to call, or what is there anyway
            values = {value.key for value in assigned_values(before).get(root, ())}
            returned = {a.expr.key for a in self.sides.compared.new if a.word == "return"}
            if not values & returned:
                return False
        return True

    @cached_property
    def names_left(self) -> frozenset[str]:
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


def region_gone(sides: Sides, act: Act) -> bool:
    """Whether the early exit that the act stands on is gone too: then so is the path that needed it."""
    gone = (n for n in sides.old.order if n.kind == "branch" and n.expr is not None)
    return any(
        not sides.counterparts(node) and (sides.old.leaves(node, act.node) or failure_gone(sides, node, act))
        for node in gone
    )
