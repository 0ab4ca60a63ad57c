"""Counts of pages that a patch exchanges: the number asked for where the number taken was meant, or another number.

A call that takes pages may come back with fewer than it was asked for; what is given back, and what is written down as
taken, is counted by what it told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.goals import to_the_goal
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.owners.aliases import handed_out
from mmlint.facts.owners.giveback import RESOURCES, given_by
from mmlint.facts.steps import Act
from mmlint.facts.things import argument, given
from mmlint.frozen import dataclass

_NAME = re.compile(r"[A-Za-z_][\w.>-]*$")
_MOST = 4


@dataclass(frozen=True, slots=True)
class Exchanged:
    """`expr` counted by `was` and counts by `now`. `taking` told the former and was asked for the latter, if that is
    what they are; it is `expr` itself if that takes pages.
    """

    expr: Expr
    was: str
    now: str
    taking: Expr | None


def exchanged(change: FunctionChange) -> list[Exchanged]:
    """The counts that a patch exchanges for others, with no other change to the expression."""
    compared = comparison(change)
    if compared is None:
        return []
    pairs = list(told_and_asked(compared.after))
    found = [*_asked_for(compared, pairs), *_other_count(compared, pairs), *_not_set(compared), *_fixed(compared)]
    found += [Exchanged(call, was.key, now.key, None) for call, was, now in to_the_goal(compared)]
    return found[:_MOST]


def _fixed(compared: Comparison) -> Iterator[Exchanged]:
    """References taken by a number that is fixed now, and was worked out before."""
    takes = compared.before.tables.takes_resource
    for act in compared.old:
        now = compared.pairs.get(id(act))
        row = next((row for row in takes.get(act.word, ()) if row.nr), None)
        if row is None or now is None or now.word != act.word or act.expr.kind != "call":
            continue
        was, new = (argument(call, row.nr) for call in (act.expr, now.expr))
        if was is not None and new is not None and was.kind != "num" and new.kind == "num":
            yield Exchanged(now.expr, was.key, new.key, now.expr)


def _not_set(compared: Comparison) -> Iterator[Exchanged]:
    """The first release whose count is not set any more on the way to it: it is what it was before."""
    gone, fresh = compared.gone, compared.fresh
    for node in gone:
        for store in (e for op, e in node.events if op in ("assign", "update") and _counts_by(e)):
            count = store.args[0].key
            if "*" in declared_types(compared.before).get(count, ""):
                continue
            if len(node.succ) == 1 and not (_told_elsewhere(compared, store) or any(_may_set(n, count) for n in fresh)):
                releases = _counted_by(compared, count, node)
                reached = _behind(compared, node)
                still = (now for now in releases if now.node.id in reached)
                yield from (
                    Exchanged(now.expr, store.args[-1].key if store.kind == "assign" else store.key, count, None)
                    for now in islice(still, 1)
                )


def _told_elsewhere(compared: Comparison, store: Expr) -> bool:
    """Whether what is stored is what a taking call told, and the function leaves that call to a helper now, which gives
    back what came of half of it.
    """
    value, after = store.args[-1].key if store.kind == "assign" else "", compared.after
    taking = {call.value for told, _, call in told_and_asked(compared.before) if told == value} - after.calls.keys()
    fresh = (after.program.resolve(name, after.path) for name in after.calls.keys() - compared.before.calls.keys())
    return any(
        not taking.isdisjoint(helper.calls)
        and any(_gives_pages(helper, call) for calls in helper.calls.values() for _, call in calls)
        for helper in fresh
        if helper is not None
    )


def _may_set(node: Node, count: str) -> bool:
    """Whether a statement sets a count, or hands its address to a call."""
    calls = (expr for op, expr in node.events if op == "call")
    return node.sets(count) or any(handed_out(call, count) for call in calls)


def _counts_by(store: Expr) -> bool:
    """Whether a store may be one of a count: no flag is set."""
    return _NAME.match(store.args[0].key) is not None and not (store.kind == "assign" and store.value in ("|=", "&="))


def _behind(compared: Comparison, node: Node) -> set[int]:
    """What control comes to, after the patch, from the next line behind a statement that still stands."""
    while len(node.succ) == 1 and (node.line not in compared.lines or node.kind == "nop"):
        node = node.succ[0][0]
    line = compared.lines.get(node.line)
    return graph.after(n for n in compared.after.cfg.order if n.line == line)


def _counted_by(compared: Comparison, count: str, start: Node) -> list[Act]:
    """The releases, unchanged by the patch, that give back so many pages as the count holds behind `start`."""
    reached = graph.after([t for t, _ in start.succ], lambda node: node.sets(count))
    return [
        now
        for act in compared.old
        if act.expr.kind == "call"
        and act.node.id in reached
        and count in {e.key for arg in act.expr.args[1:] for e in arg.walk()}
        if (now := compared.pairs.get(id(act))) is not None and now.key == act.key
        if _gives_pages(compared.before, act.expr) or given(compared.before, act.word, act.expr)
    ]


def told_and_asked(function: Function) -> Iterator[tuple[str, str, Expr]]:
    """What a call of GUP, or one that gets an array and the address of a count, told and was asked for."""
    targets = call_targets(function)
    for name, calls in function.calls.items():
        entry = function.tables.gup.get(name)
        for _, call in calls:
            target = targets.get(id(call))
            if entry is not None and entry.nr is not None and entry.nr < len(call.args) and target is not None:
                yield target.key, call.args[entry.nr].key, call
            filled = [arg.args[0].key for arg in call.args if arg.kind == "unary" and arg.value == "&"]
            for told in filled if entry is None else ():
                yield from ((told, arg.key, call) for arg in call.args if _NAME.match(arg.key))


def _asked_for(compared: Comparison, pairs: list[tuple[str, str, Expr]]) -> Iterator[Exchanged]:
    """A statement in which what was told has become what was asked for."""
    gone, fresh = compared.gone, compared.fresh
    there: dict[str, list[Expr]] = {}
    for expr in (node.expr for node in fresh if node.expr is not None):
        there.setdefault(expr.key, []).append(expr)
    for told, asked, taking in pairs:
        if told == asked:
            continue
        name = re.compile(rf"(?<![\w>.]){re.escape(told)}\b")
        for node in gone:
            assert node.expr is not None
            if not name.search(node.expr.key):
                continue
            for expr in there.get(name.sub(asked, node.expr.key), ()):
                if _counts(compared, expr, taking):
                    yield Exchanged(expr, told, asked, taking)


def _counts(compared: Comparison, expr: Expr, taking: Expr) -> bool:
    """A release of the array, or an assignment to a member: what is written down for later."""
    if expr.kind == "assign":
        return expr.args[0].kind == "field"
    keys = {arg.key for arg in taking.args}
    return any(_gives_pages(compared.after, call) and keys & {arg.key for arg in call.args} for call in expr.calls())


def _gives_pages(function: Function, call: Expr) -> bool:
    return not given_by(function, call).always.isdisjoint(RESOURCES.values())


def _other_count(compared: Comparison, pairs: list[tuple[str, str, Expr]]) -> Iterator[Exchanged]:
    """A release whose count lost a term, became one, is no sum of what was taken, or is not the one that the call
    beside it goes on counting by.
    """
    sums = _sums(compared.before, {told for told, _, _ in pairs})
    for act, now, was, new in compared.reworded():
        if was is act.expr.args[0] or not _gives_pages(compared.before, act.expr):
            continue
        if any(told == new.key and asked == was.key for told, asked, _ in pairs):
            continue
        if any(told == was.key and asked == new.key for told, asked, _ in pairs):
            continue
        lost = was.kind == "binary" and was.value == "-" and new.key == was.args[0].key
        lost = lost or (was.key in sums and new.key not in sums)
        if lost or (new.key == "1" and was.kind != "num") or _counted_beside(compared, act, was.key):
            yield Exchanged(now.expr, was.key, new.key, None)


def _sums(function: Function, told: set[str]) -> set[str]:
    """The variables to which the results of taking calls are added."""
    events = (event for node in function.cfg.order for event in node.events)
    return {e.args[0].key for op, e in events if op == "assign" and e.value == "+=" and e.args[1].key in told}


def _counted_beside(compared: Comparison, act: Act, count: str) -> bool:
    """Whether a call of the same block is handed the count, before and after the patch."""
    return any(
        other.expr.kind == "call"
        and other.use == "bare"
        and other is not act
        and count in {arg.key for arg in other.expr.args}
        and id(other) in compared.still
        and other.node.id in {t.id for t, _ in act.node.succ} | {p.id for p in act.node.pred}
        for other in compared.old
    )
