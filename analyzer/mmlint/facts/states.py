"""The states of a page-table entry, swap entry or page that a test lets through, by the tables' predicates."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.ir import Expr, operands
from mmlint.facts.steps import Act, negated
from mmlint.kernel.tables import Tables

_UNNAMED = "another"
"""The state for which no predicate of the tables holds, such as that of an ordinary swap entry."""


def let_through(tables: Tables, act: Act, test: Expr | None, outcome: bool) -> frozenset[str]:
    """The states on one outcome of a test that the predicate `act`, one of the tables', is asked in."""
    states = tables.steps.states
    row = states[act.word]
    holds = outcome is not negated(test)
    named = frozenset(s for each in states.values() if each.of == row.of for s in each.holds)
    return frozenset(row.holds) if holds else (named | {_UNNAMED}) - frozenset(row.holds)


def one_subject(tables: Tables, act: Act, other: Act) -> bool:
    """Whether two predicates ask for states of the same entry."""
    mine, kin = (tables.steps.states.get(each.word) for each in (act, other))
    if mine is None or kin is None or kin.of != mine.of or other.expr.kind != "call":
        return False
    return [a.key for a in other.expr.args] == [a.key for a in act.expr.args]


def asked_in_front(whole: Expr | None, part: Expr) -> Iterator[tuple[Expr, bool]]:
    """The operands of `&&` and `||` that are looked at before a part of an expression is, each with the value that it
    must have had.
    """
    for each in whole.walk() if whole is not None else ():
        if each.kind == "binary" and each.value in ("&&", "||") and any(e is part for e in each.args[1].walk()):
            for operand in operands(each.args[0], each.value):
                yield operand, each.value == "&&"
