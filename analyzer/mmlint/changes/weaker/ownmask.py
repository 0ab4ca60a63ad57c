"""Allocations that went by what the caller, or the state of the task, permits, and that a patch lets sleep always."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.locks.forbidden import forbidden_sleeps
from mmlint.changes.locks.sleepsnow import sleeps_now
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import calls_of
from mmlint.facts.locks.held import declared_types
from mmlint.facts.locks.locks import atomic, locks
from mmlint.facts.locks.sleep import sleeps_anyway
from mmlint.facts.steps import Act

_MASK = "gfp_t"
_OF_MASKS = re.compile(r"GFP|NOFS|NOIO|reclaim|memalloc", re.I)
_SCOPE = re.compile(r"^memalloc_|^PF_MEMALLOC")
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


def enters_now(change: FunctionChange) -> list[tuple[Act, Expr, Expr]]:
    """The same for calls that got a constant mask which does not sleep, in a function that is not known to run where
    others do, or whose reclaim stays out of filesystems or of I/O, and get one that does not: if the changelog has no
    word of masks, and nothing tells the task to stay out instead.
    """
    compared = comparison(change)
    patch = change.patch
    if compared is None or patch.mends or patch.large or _OF_MASKS.search(f"{patch.subject} {patch.body}"):
        return []
    sides = ((each.before, each.after) for each in patch.changes)
    words = ((new.words if new else frozenset()) - (old.words if old else frozenset()) for old, new in sides)
    if any(_SCOPE.search(word) for each in words for word in each):
        return []
    return [
        (now, was, new)
        for act, now, was, new in compared.reworded()
        if act.word == act.expr.value and _may_sleep(compared.after, new)
        if (stays_out(compared.before, was) and not stays_out(compared.after, new))
        or (_never_sleeps(compared.before, was) and not sleeps_anyway(compared.before) and not _told(change, now))
    ]


def _told(change: FunctionChange, now: Act) -> bool:
    """Whether it is known why the call must not sleep: by the function's own locks, its context, or its callers."""
    after = change.after
    if after is None or any(atomic(after, prop) for prop in locks(after).held(now.expr)):
        return True
    calls = [banned.call for banned in forbidden_sleeps(change)] + [woken.call for woken in sleeps_now(change)]
    return any(call is now.expr for call in calls)


def _never_sleeps(function: Function, mask: Expr) -> bool:
    """Whether a mask is made of constants, one of which forbids to wait for reclaim."""
    masks = [row for name in mask.names() if (row := function.tables.gfp.get(name)) is not None]
    known = bool(masks) and len(masks) == len(mask.names())
    return known and any(row.mask and row.reclaim is False for row in masks) and not any(row.reclaim for row in masks)


def stays_out(function: Function, mask: Expr) -> bool:
    """Whether reclaim by a mask, made of constants, stays out of filesystems or of I/O."""
    return any((row := function.tables.gfp.get(name)) is not None and not row.enters for name in mask.names())


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
