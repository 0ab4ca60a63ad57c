"""Steps that were made always, and that a patch makes only where a new test says so that tells of something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, negated, performed, plain, plain_null
from mmlint.frozen import dataclass
from mmlint.kernel.steps import Steps

_FAILED = re.compile(r"IS_ERR|\bNULL\b|[<>]=? 0$|\b(nr|num|count|len)\w*$")
_UNMAPS = re.compile(r"try_to_(migrate|unmap)(_one)?$")
_PENDING = "tlb_pending"
"""Tests for flushes that other CPUs owe: they say nothing of what this function has changed."""
OF_OTHERS = frozenset({_PENDING, "seq", "interval_retry"})
"""Tests for what others have done meanwhile: nothing that this function knows makes one needless."""


@dataclass(frozen=True, slots=True)
class OnlyIf:
    """`act` (of after) is made on one outcome of `test` only; `lost` is the bit that its getter does not tell of."""

    act: Act
    test: Node
    lost: str = ""


def flushes_only_if(change: FunctionChange) -> OnlyIf | None:
    """A flush after a change of entries that is made only where others owe one, or a test for that which a new
    condition goes around.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or not (_flushes(compared.after) or _asks_at_all(compared.after)):
        return None
    guards = compared.before.tables.guards
    for act, now in _pairs(compared):
        if act.word in _flushes(compared.before) and _changes_before(compared.before, act):
            tests = [t for t in fresh_around(compared, now) if _asks_pending(compared.after, t)]
            if tests and not _gathers(compared.after) and not _done_twice(compared, now):
                return OnlyIf(now, tests[0])
            arm = _one_arm(compared, act, now) if _depth(compared.before, act) < _depth(compared.after, now) else None
            if arm is not None and not _done_twice(compared, now):
                return OnlyIf(now, arm)
        if act.word in guards and guards[act.word].class_ == _PENDING and act.tests and now.tests:
            tests = [t for t in fresh_around(compared, now) if _of_its_own(compared, now, t)]
            if tests:
                return OnlyIf(now, tests[0])
    return None


def set_only_if(change: FunctionChange) -> OnlyIf | None:
    """A bit that is set only where it is not set yet, by a call that sets another one as well."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    carries, order = compared.after.tables.carries, reach(compared.after)
    for act, now in _pairs(compared):
        row = carries.get(act.word)
        if row is None or row.op != "set" or not row.also:
            continue
        for test in fresh_around(compared, now):
            asked = carries.get(_call(test))
            alike = asked is not None and (asked.op, asked.bit, asked.form) == ("test", row.bit, row.form)
            unset = order.chosen(test, now.node) is negated(test.expr)
            others = (carries.get(a.word) for a in compared.new if a is not now)
            made_up = any(o is not None and o.op == "set" and row.also in (o.bit, o.also) for o in others)
            if alike and unset and not made_up:
                return OnlyIf(now, test, row.also)
    return None


def gone_around(change: FunctionChange) -> OnlyIf | None:
    """A call of those that no condition makes needless, with a new test that decides whether it is made: none that an
    error or nothing at all was come by.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    steps = compared.before.tables.steps
    for act, now in _pairs(compared):
        if _always(steps, act):
            tests = [test for test in fresh_around(compared, now) if not _FAILED.search(plain(test))]
            if tests:
                return OnlyIf(now, tests[0])
    return None


def put_off_what_is_needed(compared: Comparison, test: Node) -> bool:
    """Whether a test decided about such a call, which is still made: it is right that the test is gone."""
    order, steps = reach(compared.before), compared.before.tables.steps
    return any(
        id(act) in compared.pairs and order.chosen(test, act.node) is not None
        for act in compared.old
        if _always(steps, act)
    )


def _always(steps: Steps, act: Act) -> bool:
    return any(row.only == "always" for row in steps.done_by(act.word))


def sets_what_is_asked(function: Function, test: Act, sink: Act) -> bool:
    """Whether a call sets the very bit that the test says is not set: where it is, that changes nothing."""
    asked, done = (function.tables.carries.get(each.word) for each in (test, sink))
    if asked is None or done is None or (asked.op, done.op, asked.bit) != ("test", "set", done.bit):
        return False
    return any(reach(function).chosen(t, sink.node) is negated(t.expr) for t in test.tests)


def asks_more_of_others(function: Function, term: Node, other: Node) -> bool:
    """Whether a term only decided whether the question of what others have done was put at all."""
    guard = function.tables.guards.get(_call(other))
    return guard is not None and guard.class_ in OF_OTHERS and reach(function).chosen(term, other) is not None


def _pairs(compared: Comparison) -> Iterator[tuple[Act, Act]]:
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is not None and now.word == act.word and act.expr.kind == now.expr.kind == "call":
            yield act, now


def fresh_around(compared: Comparison, now: Act) -> list[Node]:
    """The tests that decide about a step after the patch, and that the function did not make before."""
    old, new = reach(compared.before), reach(compared.after)
    known = {plain(n) for n in old.order if n.kind == "branch"}
    asked = [n for n in new.order if n.kind == "branch" and n.line not in compared.standing and n not in now.tests]
    return [n for n in asked if plain(n) not in known and new.chosen(n, now.node) is not None]


def _depth(function: Function, act: Act) -> int:
    """How far the line of an act is indented."""
    line = function.line_of(act.node)
    return len(line) - len(line.lstrip())


def _one_arm(compared: Comparison, act: Act, now: Act) -> Node | None:
    """A test of before and after that the flush did not hang on and does now, with a change of entries on its other
    side.
    """
    old, new = reach(compared.before), reach(compared.after)
    free = {plain(n) for n in old.order if n.kind == "branch" and old.chosen(n, act.node) is None}
    for test in new.order:
        side = new.chosen(test, now.node) if test.kind == "branch" and plain(test) in free else None
        others = (a for a in compared.new if side is not None and new.chosen(test, a.node) is (not side))
        if any(a.expr.kind == "call" and _changes(compared.after, a.word) for a in others):
            return test
    return None


def _call(test: Node) -> str:
    """The name of the call that a test, negated or not, consists of."""
    expr = test.expr
    while expr is not None and expr.kind == "unary" and expr.value == "!":
        expr = expr.args[0]
    return expr.value if expr is not None and expr.kind == "call" else ""


def _flushes(function: Function) -> frozenset[str]:
    """The calls of a function that flush, and are done with it when they return."""
    rows = function.tables.flushes
    return frozenset(w for w in function.calls if w in rows and rows[w].sync and not rows[w].clears)


def _asks_at_all(function: Function) -> bool:
    return not function.tables.with_class(_PENDING).isdisjoint(function.calls)


def _asks_pending(function: Function, test: Node) -> bool:
    guard = function.tables.guards.get(_call(test))
    return guard is not None and guard.class_ == _PENDING


def _changes_before(function: Function, flush: Act) -> bool:
    """Whether entries may be changed, here or in what is called, on a way to the flush."""
    order = reach(function)
    return any(
        _changes(function, word)
        for word, calls in function.calls.items()
        if any(order.before(node, flush.node) for node, _ in calls)
    )


def _changes(function: Function, word: str) -> bool:
    """Whether a call may change entries itself, or by the walk that it starts."""
    tables = function.tables
    changing = tables.set_entries.keys() | tables.wrprotects.keys()
    callee = function.program.resolve(word, function.path) if word else None
    return (
        word in changing
        or _UNMAPS.match(word) is not None
        or (callee is not None and not performed(callee).isdisjoint(changing))
    )


def _gathers(function: Function) -> bool:
    """Whether the function tells others itself that it owes a flush."""
    rows = function.tables.flushes
    return any(word in rows and rows[word].scope == "gather" for word in function.calls)


def _done_twice(compared: Comparison, now: Act) -> bool:
    """Whether something else flushes on the way past it."""
    flushes = compared.after.tables.flushes
    return any(a.word in flushes and a is not now for a in compared.added)


def _of_its_own(compared: Comparison, guard: Act, test: Node) -> bool:
    """Whether a condition around a test for what others owe is about a state that the test's own arm does not set."""
    order, expr = reach(compared.after), test.expr
    if expr is None or any(True for _ in expr.calls()) or not any(e.kind == "field" for e in expr.walk()):
        return False
    asked = plain_null(expr)
    if asked is not None and any(asked.key == arg.key for arg in guard.expr.args):
        return False
    arm = [n for t in guard.tests for n in order.order if order.chosen(t, n) is not None]
    return not any(op == "assign" and _named(e.args[0], expr) for n in arm for op, e in n.events)


def _named(target: Expr, expr: Expr) -> bool:
    return any(e.key == target.key for e in expr.walk())
