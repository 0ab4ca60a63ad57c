"""The states of a page-table entry, swap entry or page that a test lets through, by the tables' predicates."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.steps import Act, negated
from mmlint.kernel.tables import Tables

_UNNAMED = "another"
"""The state for which no predicate of the tables holds, such as that of an ordinary swap entry."""


def let_through(tables: Tables, act: Act, test: Node, outcome: bool) -> frozenset[str]:
    """The states on one outcome of a test that the predicate `act`, one of the tables', is asked in."""
    states = tables.steps.states
    row = states[act.word]
    holds = outcome is not negated(test.expr)
    named = frozenset(s for each in states.values() if each.of == row.of for s in each.holds)
    return frozenset(row.holds) if holds else (named | {_UNNAMED}) - frozenset(row.holds)


def one_subject(tables: Tables, act: Act, other: Act) -> bool:
    """Whether two predicates ask for states of the same entry."""
    mine, kin = (tables.steps.states.get(each.word) for each in (act, other))
    if mine is None or kin is None or kin.of != mine.of or other.expr.kind != "call" or not other.tests:
        return False
    return [a.key for a in other.expr.args] == [a.key for a in act.expr.args]
