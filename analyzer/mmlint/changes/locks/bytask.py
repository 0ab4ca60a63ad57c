"""Calls that may sleep, which a parameter kept from those callers who must not, and which a patch makes where the task
seems to permit it: `in_task()` and its kin do not know of spinlocks (PTL118).
"""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.locks.sleepsnow import sleeps_somehow
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, bare
from mmlint.frozen import dataclass

_OF_TASK = frozenset({"in_task", "in_interrupt", "in_hardirq", "in_irq", "in_softirq", "in_nmi", "in_atomic"})
"""include/linux/preempt.h: they tell of interrupts, and `in_atomic()` of spinlocks only with CONFIG_PREEMPT_COUNT."""
_ASKS = re.compile(r"(^|_)(atomic|sleep|wait|block|nowait|gfp)")


@dataclass(frozen=True, slots=True)
class ByTask:
    """`act` (of after) may sleep, and is made where `test` says so, too; `param` alone decided before."""

    act: Act
    test: Node
    param: str


def by_task(change: FunctionChange) -> ByTask | None:
    """The first such call."""
    compared = comparison(change)
    if compared is None or change.patch.partial or _OF_TASK.isdisjoint(compared.after.words - compared.before.words):
        return None
    fresh = [n for n in compared.fresh if n.kind == "branch" and n.expr is not None and bare(n.expr).value in _OF_TASK]
    for act in compared.old if fresh else ():
        now = compared.pairs.get(id(act))
        param = _param(compared, act) if now is not None and act.expr.kind == "call" else ""
        if now is None or not param or not sleeps_somehow(compared.after, now):
            continue
        order = reach(compared.after)
        test = next((n for n in fresh if order.chosen(n, now.node) is not None), None)
        if test is not None:
            return ByTask(now, test, param)
    return None


def _param(compared: Comparison, act: Act) -> str:
    """The parameter that by its name says whether to sleep, and that decides about a call before the patch."""
    before, order = compared.before, reach(compared.before)
    asked = {n: bare(n.expr).key for n in order.order if n.kind == "branch" and n.expr is not None}
    told = (key for n, key in asked.items() if key in before.params and order.chosen(n, act.node) is not None)
    return next((key for key in told if _ASKS.search(key)), "")
