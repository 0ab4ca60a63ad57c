"""GUP116 mmap-lock-lost: a GUP call was made with mmap_lock held, and is not any more.

## What it does
Compares a function before and after the patch. On every way to `get_user_pages`, `pin_user_pages` or their `_remote`
forms it held mmap_lock; now there is a way on which neither it nor one of its callers does.

## Why it matters
The VMA tree changes under the walk: a freed VMA is used. Where the function does not touch the lock at all, GUP112 has
to take it to be called with it; the patch shows that it was not.

## Bad
```diff
-	mmap_read_lock(mm);
        ret = pin_user_pages(addr, nr, flags, pages);
-	mmap_read_unlock(mm);
```

## Good
```diff
-	mmap_read_lock(mm);
-	ret = pin_user_pages(addr, nr, flags, pages);
-	mmap_read_unlock(mm);
+	ret = pin_user_pages_unlocked(addr, nr, pages, flags);
```

## Limits
Callers are looked for in the file, its folder and mm/. One that holds the lock is enough for silence.

## Sources
mm/gup.c (mmap_assert_locked in the slow path); digest-review-rules RR-68, RR-69.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts.function import Function
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.held import Prop
from mmlint.facts.locks.locks import locks
from mmlint.facts.owners.gup import GupSite, gup_calls
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import GUPLOCK1

_LEVELS = 2


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each call that lost the lock, unless a caller has it."""
    before, after = change.before, change.after
    if before is None or after is None:
        return
    had = {site.call.value for site in _needing(before) if all(_holds(prop) for prop in locks(before).held(site.call))}
    clear = locks(before).uncertain or not locks(after).uncertain
    for site in _needing(after) if had and clear else ():
        unlocked = any(not _holds(prop) for prop in locks(after).held(site.call))
        if site.call.value in had and unlocked and not _held_by_callers(after, _LEVELS):
            message = f"`{site.call.value}` was called with `mmap_lock` held and is not now"
            yield after.hit(site.call, message, anchor=f"unlocked {site.call.value}")


def _needing(function: Function) -> list[GupSite]:
    return [site for site in gup_calls(function) if site.entry.mmap_lock == "held" and locks(function).held(site.call)]


def _holds(prop: Prop) -> bool:
    return any(held.kind == "mmap_lock" and not held.gone for held in prop)


def _held_by_callers(function: Function, levels: int) -> bool:
    """Whether a caller in reach holds the lock where it calls."""
    for caller in callers(function):
        states = [prop for _, call in caller.calls.get(function.name, ()) for prop in locks(caller).held(call)]
        if any(_holds(prop) for prop in states) or (levels and _held_by_callers(caller, levels - 1)):
            return True
    return False


RULE = Rule(
    code="GUP116",
    name="mmap-lock-lost",
    summary="a GUP call that was made with mmap_lock held is made without it",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(gup_calls, locks),
    compare=compare,
    scenario=GUPLOCK1,
)
