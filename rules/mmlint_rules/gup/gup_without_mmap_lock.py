"""GUP112 gup-without-mmap-lock: a GUP call that needs mmap_lock is made after dropping it.

## What it does
Reports `get_user_pages`, `pin_user_pages` and their `_remote` forms, which need mmap_lock held, in a function that
takes the lock elsewhere but does not hold it at the call.

## Why it matters
The VMA tree changes under the walk: a freed VMA is used.

## Bad
```c
mmap_read_unlock(mm);
ret = pin_user_pages(addr, nr, flags, pages);
```

## Good
```c
ret = pin_user_pages(addr, nr, flags, pages);
mmap_read_unlock(mm);
```

## Limits
A function that never touches the lock is taken to be called with it.

## Sources
mm/gup.c; digest-review-rules RR-68, RR-69.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.held import Prop
from mmlint.facts.locks.locks import locks
from mmlint.facts.owners.gup import gup_calls
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import GUPLOCK1


def check(function: Function) -> Iterator[Hit]:
    """Report each call made without a lock that the function itself takes elsewhere."""
    for site in gup_calls(function):
        if site.entry.mmap_lock != "held" or not function.has(
            "mmap_read_lock", "mmap_read_lock_killable", "mmap_write_lock"
        ):
            continue
        states = locks(function).held(site.call)
        if states and not locks(function).uncertain and all(_unlocked(prop) for prop in states):
            yield function.hit(site.call, f"`{site.call.value}` needs `mmap_lock`, which is not held here")


def _unlocked(prop: Prop) -> bool:
    return not any(held.kind == "mmap_lock" and not held.gone for held in prop)


RULE = Rule(
    code="GUP112",
    name="gup-without-mmap-lock",
    summary="a GUP call that needs mmap_lock is made without it",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(
        gup_calls,
        locks,
    ),
    tables=("gup",),
    check=check,
    places=GUP_CALLS,
    scenario=GUPLOCK1,
)
