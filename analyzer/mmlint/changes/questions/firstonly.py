"""Tests that were made of each page or entry of a range, in a loop that one of them ends, and now of the first only."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.loops import in_loop, loop_body
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_OF_EACH = frozenset({"exclusive", "unshare", "hwpoison", "none", "pte_same", "swap_kind", "err"})
"""Classes of guards that may hold for one page or entry and not for the next; most others are about a whole folio."""


@dataclass(frozen=True, slots=True)
class FirstOnly:
    """`now` (after the patch) asks once what `test` (before it) asked of each of `count`."""

    test: Act
    now: Act
    count: str


def of_first_only(change: FunctionChange) -> FirstOnly | None:
    """The first such test, where the function goes on speaking of how many there are."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    guards = compared.before.tables.guards
    for act in compared.old:
        guard = guards.get(act.word)
        if guard is None or guard.class_ not in _OF_EACH or not act.tests:
            continue
        for base, body in _each(compared.before, act):
            now = _asked_once(compared, act, base)
            count = next(iter(sorted(_counts(compared.before, body) & _spoken(compared.after))), "")
            if now is not None and count and not any(count in a.expr.names() for a in compared.added):
                return FirstOnly(act, now, count)
    return None


def _each(function: Function, act: Act) -> Iterator[tuple[str, frozenset[int]]]:
    """What a test walks along by the counter of its loop (`page` in `page + i`), where an answer leaves the loop."""
    loop = loop_body(function, act.node)
    if not any(t.id not in loop for test in act.tests for t, _ in test.succ):
        return
    counters = {e.args[0].key for n in function.cfg.order if n.id in loop for op, e in n.events if op == "update"}
    for arg in act.expr.args:
        base = _walked(arg, counters)
        if base is not None:
            yield base.key, loop


def _walked(arg: Expr, counters: set[str]) -> Expr | None:
    """What lies at the start of `base + i`, `base[i]` or `*(base + i)`."""
    if arg.kind == "unary" and arg.value in ("*", "&"):
        return _walked(arg.args[0], counters)
    if arg.kind == "call" and len(arg.args) == 1:
        return _walked(arg.args[0], counters)
    if len(arg.args) == 2 and (arg.kind == "index" or (arg.kind == "binary" and arg.value == "+")):
        return arg.args[0] if arg.args[1].key in counters else None
    return None


def _asked_once(compared: Comparison, act: Act, base: str) -> Act | None:
    """The test of the same word that the patch makes of the first one, in no loop; None if one of each is left."""
    alike = [a for a in compared.new if a.word == act.word and a.tests and a.line not in compared.standing]
    if any(in_loop(compared.after, a.node) for a in alike):
        return None
    first = {base, f"*{base}", f"{base}[0]"}
    return next((a for a in alike if any(e.key in first for arg in a.expr.args for e in arg.walk())), None)


def _counts(function: Function, loop: frozenset[int]) -> frozenset[str]:
    """The variables by which the conditions of a loop end it."""
    nodes: list[Node] = [n for n in function.cfg.order if n.id in loop and n.kind == "branch" and n.expr is not None]
    leaving = (n.expr for n in nodes if any(t.id not in loop for t, _ in n.succ))
    bounds = (e for e in leaving if e is not None and e.kind == "binary" and e.value in ("<", "<=", "!="))
    return frozenset(name for e in bounds for name in e.args[1].names())


def _spoken(function: Function) -> frozenset[str]:
    return frozenset[str]().union(*(n.expr.names() for n in function.cfg.order if n.expr is not None))
