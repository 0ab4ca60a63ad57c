"""Tests of the tables that are made of fewer tests than before: whoever asks them is told something else."""

from __future__ import annotations

from mmlint.changes.loss import Loss
from mmlint.changes.sides import Sides
from mmlint.facts.steps import Act
from mmlint.kernel.entries import Step

FIRM = frozenset({"pinned", "exclusive", "unshare", "longterm_pinnable", "pte_same", "writable", "revalidate"})
"""Classes of tests each of which is asked by many."""
_NO_STATE = frozenset({"devmap"})
"""Bits that go away with the last users of them."""


def asks_less(sides: Sides, row: Step | None) -> Loss | None:
    """The first test that a function of the tables does not make any more, with what it answers."""
    compared = sides.compared
    answer = next((act for act in compared.new if act.word == "return"), None)
    fresh = any(act.expr.kind == "call" and act.word not in compared.before.words for act in compared.added)
    if row is None or answer is None or fresh:
        return None
    for act in compared.removed:
        known = sides.tables.guards.get(act.word)
        if sides.change.converts(act.word) or (known is not None and known.class_ in _NO_STATE):
            continue
        asked = act.expr.kind == "call" and (act.tests or act.use == "return")
        if asked and act.word not in compared.after.words and not _counts_more(sides, act):
            return Loss(row, act, answer, "removed")
    return None


def _counts_more(sides: Sides, act: Act) -> bool:
    """Whether the references are counted now where the mappings were, each of which has one."""
    guards = sides.tables.guards
    classes = {guards[other.word].class_ for other in sides.compared.added if other.word in guards}
    return act.word in guards and guards[act.word].class_ == "mapcount" and "count" in classes
