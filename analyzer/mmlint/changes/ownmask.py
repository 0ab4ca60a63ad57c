"""Allocations that went by what the caller, or the state of the task, permits, and that a patch lets sleep always."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.above import calls_of
from mmlint.facts.function import Function
from mmlint.facts.held import declared_types
from mmlint.facts.ir import Expr
from mmlint.facts.steps import Act

_MASK = "gfp_t"
_ASKS = re.compile(r"(^|_)gfp(_|$)")


def own_mask(change: FunctionChange) -> list[tuple[Act, Expr, Expr]]:
    """The calls that get a constant that may sleep in the place of the caller's mask, or of one that a helper gives:
    the call after the patch, the mask before and after.
    """
    compared = comparison(change)
    if compared is None or change.patch.mends or change.named_elsewhere or change.patch.large:
        return []
    found = []
    for act, now, was, new in compared.reworded():
        if act.word != act.expr.value or not _may_sleep(compared.after, new):
            continue
        if _from_caller(change, compared.before, was) or _by_helper(change, compared.before, was):
            found.append((now, was, new))
    return found


def _may_sleep(function: Function, mask: Expr) -> bool:
    """Whether a mask is made of constants, one of which permits reclaim."""
    masks = [row for name in mask.names() if (row := function.tables.gfp.get(name)) is not None]
    return len(masks) == len(mask.names()) and any(row.mask and row.reclaim for row in masks) and not [*mask.calls()]


def _from_caller(change: FunctionChange, before: Function, mask: Expr) -> bool:
    """Whether a mask is a parameter, which the function still has, and which not all callers hand a constant that may
    sleep.
    """
    after = change.after
    if after is None or mask.kind != "name" or declared_types(before).get(mask.key) != _MASK:
        return False
    if mask.key not in before.params or after.params != before.params:
        return False
    at = before.params.index(mask.key)
    given = [call.args[at] for _, _, call in calls_of(after) if at < len(call.args)]
    return not given or not all(_may_sleep(after, arg) for arg in given)


def _by_helper(change: FunctionChange, before: Function, mask: Expr) -> bool:
    """Whether a mask is what a helper gives that looks at something first."""
    if mask.kind != "call" or not _ASKS.search(mask.value) or mask.value in change.patch.abolished:
        return False
    callee = before.program.resolve(mask.value, before.path)
    returned = [n.expr for n in callee.cfg.order if n.kind == "return" and n.expr is not None] if callee else []
    return not returned or not all(_may_sleep(before, value) for value in returned)
