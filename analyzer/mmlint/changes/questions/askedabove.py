"""Whether all callers of a function have put the question of a test that it does not make any more."""

from __future__ import annotations

import re

from mmlint.changes.compare import Comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import calls_of
from mmlint.facts.locks.held import local_names, translate
from mmlint.facts.reach import reach
from mmlint.facts.states import let_through
from mmlint.facts.steps import Act, acts, negated, plain

_MOST = 8
"""A function of more callers than this has none of them in mind."""
_WORD = re.compile(r"[A-Za-z_]\w*")
_Call = tuple[Function, Node, Expr]
_Way = tuple[Node, bool]
"""A test and an outcome of it."""


def asked_above(compared: Comparison, act: Act, sink: Act) -> bool:
    """Whether on every way to the function a test has let no more through than `act` let through to `sink`."""
    order = reach(compared.before)
    ways = [(test, side) for test in act.tests if (side := order.chosen(test, sink.node)) is not None]
    above = callers_known(compared.after)
    if len(ways) != 1 or not above or not _subject(act) or act.expr.args[0].root not in compared.before.params:
        return False
    return all(_asked(compared.before, act, ways[0], call) for call in above)


def told_above(compared: Comparison, question: str) -> bool:
    """Whether all callers have put a question, by its text, and have an answer to it where they call."""
    words, above = set(_WORD.findall(question)), callers_known(compared.after)
    if not above or words & local_names(compared.before) or words.isdisjoint(compared.before.params):
        return False
    return all(_answered(compared.before, question, call) for call in above)


def _answered(callee: Function, question: str, call: _Call) -> bool:
    caller, node, expr = call
    order, wanted = reach(caller), _sides(translate(question, callee, expr))
    return any(
        branch.kind == "branch"
        and _sides(plain(branch)) == wanted
        and order.chosen(branch, node) is not None
        and not _relocked(caller, branch, node)
        for branch in order.order
    )


def _sides(text: str) -> list[str]:
    """A question as text, the two sides of a comparison in a fixed order."""
    return sorted(text.split(" == "))


@fact
def callers_known(function: Function) -> tuple[_Call, ...]:
    """Every call of a function of one file that nobody calls by pointer; empty where there may be others."""
    if not function.source.static or not function.path.endswith(".c"):
        return ()
    file = function.program.file(function.path)
    pointed = re.compile(rb"[=,(&:?]\s*" + function.name.encode() + rb"\s*[,;)}]")
    if file is None or pointed.search(file.text):
        return ()
    found = tuple(calls_of(function))
    return found if len(found) <= _MOST else ()


def _asked(callee: Function, act: Act, way: _Way, call: _Call) -> bool:
    """Whether a caller's test has put the question of `act` about the same thing before the call."""
    caller, node, expr = call
    order, thing = reach(caller), _bare(translate(_subject(act), callee, expr))
    for other in acts(caller):
        if _bare(_subject(other)) != thing or not _alike(callee, act, other):
            continue
        for asked in other.tests:
            outcome = order.chosen(asked, node)
            if outcome is None or not order.dominates(asked, node) or _relocked(caller, asked, node):
                continue
            if _enough(callee, act, way, other, (asked, outcome)):
                return True
    return False


def _alike(function: Function, act: Act, other: Act) -> bool:
    """Whether two tests put one question: in the same words, or for states of the same kind of thing."""
    states, steps = function.tables.steps.states, function.tables.steps
    if act.word in states and other.word in states:
        return states[act.word].of == states[other.word].of
    return other.word == act.word or other.word in steps.equals(act.word)


def _enough(callee: Function, act: Act, way: _Way, other: Act, theirs: _Way) -> bool:
    """Whether what goes on from the caller's test is no more than what went on from the one that is gone."""
    tables = callee.tables
    if act.word in tables.steps.states and other.word in tables.steps.states:
        now, was = ((test.expr, outcome) for test, outcome in (theirs, way))
        return let_through(tables, other, *now) <= let_through(tables, act, *was)
    said, says = ((outcome is not negated(test.expr)) for test, outcome in (way, theirs))
    return said is says


def _relocked(caller: Function, asked: Node, node: Node) -> bool:
    """Whether the caller takes a lock between the test and the call: the answer may be another one by then."""
    order, takes = reach(caller), caller.tables.takes
    return any(
        order.before(asked, act.node) and order.before(act.node, node) for act in acts(caller) if act.word in takes
    )


def _subject(act: Act) -> str:
    """What a test is about: its first argument."""
    return act.expr.args[0].key if act.expr.kind == "call" and act.expr.args else ""


def _bare(key: str) -> str:
    """A thing, its address or what it points to: one name for all."""
    return key.lstrip("*&(").rstrip(")") if key.count("(") == key.count(")") else key
