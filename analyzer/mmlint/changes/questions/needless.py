"""Tests that tell nothing new: a call before them has answered, all callers know, or what they guard tells as much."""

from __future__ import annotations

import re

from mmlint.changes.compare import Comparison
from mmlint.changes.questions.askedabove import told_above
from mmlint.changes.questions.spared import beside
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, bare, plain, plain_null

LARGE = re.compile(r"(folio_test|Page)_?(large|[Cc]ompound|[Hh]ead)$")
_SIZE = re.compile(r"folio_(nr_pages|order|size)$|compound_(nr|order)$|thp_nr_pages$")
"""Accessors that tell of a small page what every small page has."""


def needless(compared: Comparison, term: str) -> bool:
    """Whether a term, by its text, that a patch drops told nothing new."""
    asked = [n for n in reach(compared.before).order if n.kind == "branch" and plain(n) == term]
    by_itself = len(asked) == 1 and any(says(compared, asked[0]) for says in (_validated, _only_size, told_beside))
    return by_itself or told_above(compared, term.lstrip("!"))


def told_beside(compared: Comparison, test: Node) -> bool:
    """Whether another term, which stays, tells as much as one that compares a member with a constant: the pointer that
    it asks for is set only where the member gets that value.
    """
    expr = bare(test.expr) if test.expr is not None else None
    if expr is None or expr.value != "==" or expr.args[0].kind != "field":
        return False
    order, left = reach(compared.before), {plain(n) for n in reach(compared.after).order}
    member, value = expr.args
    given = _assigned(order, member.key)
    for term in beside(test):
        asked = plain_null(term.expr) if term.expr is not None and plain(term) in left else None
        made = [n for n, what in _assigned(order, asked.key) if what != "NULL"] if asked is not None else []
        if made and all(
            all(what == value.key for n, what in given if order.before(start, n))
            and not order.escapes(start, test, [n for n, _ in given])
            for start in made
        ):
            return True
    return False


def _assigned(order: Reach, key: str) -> list[tuple[Node, str]]:
    """Where a variable or member is set, and to what."""
    return [
        (node, expr.args[1].key if len(expr.args) > 1 and expr.value == "=" else "")
        for node in order.order
        for op, expr in node.events
        if op != "call" and expr.args[0].key == key
    ]


def _validated(compared: Comparison, test: Node) -> bool:
    """Whether a call that leads out where it refuses was handed all that a comparison compares, and compares it."""
    expr = bare(test.expr) if test.expr is not None else None
    if expr is None or expr.kind != "binary" or expr.value not in ("<", ">", "<=", ">="):
        return False
    keys, order = set(_operands(expr)), reach(compared.before)
    for act in compared.old if len(keys) > 1 else ():
        places = {i for i, arg in enumerate(act.expr.args) if arg.key in keys} if act.expr.kind == "call" else set()
        handed = {act.expr.args[i].key for i in places}
        if handed != keys or not order.before(act.node, test) or not _sends_back(compared, act, test):
            continue
        callee = compared.before.program.resolve(act.word, compared.before.path)
        if callee is not None and _compares(callee, places):
            return True
    return False


def _operands(expr: Expr) -> list[str]:
    """The variables and members that an expression is made of."""
    if expr.kind in ("name", "field"):
        return [expr.key]
    return [key for arg in expr.args for key in _operands(arg)] if expr.kind in ("binary", "unary") else []


def _sends_back(compared: Comparison, act: Act, test: Node) -> bool:
    """Whether control comes to a test on one outcome of the call alone."""
    order = reach(compared.before)
    return any(order.chosen(asked, test) is not None for asked in act.tests)


def _compares(function: Function, places: set[int]) -> bool:
    """Whether a function that refuses compares some of these parameters with each other."""
    names = {function.params[i] for i in places if i < len(function.params)}
    tests = (n.expr.names() for n in function.cfg.order if n.kind == "branch" and n.expr is not None)
    return any(len(names & asked) > 1 for asked in tests)


def _only_size(compared: Comparison, test: Node) -> bool:
    """Whether a test for a large page only guards the question how large it is."""
    expr, order = bare(test.expr) if test.expr is not None else None, reach(compared.before)
    if expr is None or expr.kind != "call" or LARGE.match(expr.value) is None:
        return False
    guarded = [a for a in compared.old if a.expr.kind == "call" and a.node is not test]
    guarded = [a for a in guarded if order.chosen(test, a.node) is not None and not a.tests]
    return bool(guarded) and all(_SIZE.match(a.word) and a.names & expr.names() for a in guarded if a.use != "test")
