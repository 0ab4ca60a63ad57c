"""Releases of what a call hands out through a pointer, which hung on its answer and hang on the pointer now.

Where such a call fails, what it has written there is not the caller's, and need not be NULL.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.about import operands
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.releases.otherways import OtherWays
from mmlint.facts.function import Function
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, acts
from mmlint.facts.things import given
from mmlint.kernel.tables import PINNED

_THROUGH = "*arg:"


def not_by_answer(change: FunctionChange) -> OtherWays | None:
    """The first such release, with the test of the answer that it hung on."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if act.expr.kind != "call" or not given(compared.before, act.word, act.expr):
            continue
        now = now or next((a for a in compared.added if a.word == act.word and operands(a) == operands(act)), None)
        taking = _decides(compared.before, act) if now is not None else None
        if now is None or taking is None:
            continue
        again = next((a for a in compared.new if a.word == taking.word and a.key == taking.key and a.tests), None)
        if again is not None and not _settled(compared, again, now):
            return OtherWays(now, taking.tests[0], more=True)
    return None


def _decides(function: Function, release: Act) -> Act | None:
    """The call through whose argument the thing came, if its answer decides whether control comes to the release."""
    order = reach(function)
    for act in _handing_out(function, release):
        if any(order.chosen(test, release.node) is not None for test in act.tests):
            return act
    return None


def _handing_out(function: Function, release: Act) -> Iterator[Act]:
    """The calls that may have put what is released where an argument of theirs points to."""
    things = operands(release)
    for act in acts(function):
        args = act.expr.args if act.expr.kind == "call" else ()
        for row in function.tables.takes_resource.get(act.word, ()) if args else ():
            if row.resource not in PINNED or row.when == "always" or not row.holder.startswith(_THROUGH):
                continue
            place = int(row.holder.removeprefix(_THROUGH))
            if place < len(args) and args[place].root in things:
                yield act


def _settled(compared: Comparison, taking: Act, release: Act) -> bool:
    """Whether the answer decides about the release all the same, or the pointer is set anew where the call failed."""
    order = reach(compared.after)
    if not any(order.before(test, release.node) for test in taking.tests):
        return True
    if any(order.chosen(test, release.node) is not None for test in taking.tests):
        return True
    things = operands(release)
    behind = [n for n in order.order if n.sets(*things) and order.before(taking.node, n)]
    return any(order.before(n, release.node) for n in behind)
