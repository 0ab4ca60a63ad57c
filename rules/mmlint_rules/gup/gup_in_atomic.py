"""GUP105 gup-in-atomic: user pages are faulted in where nothing may sleep.

## What it does
Reports a GUP call that may take mmap_lock and fault pages in, under a spinlock, a page-table lock, in an RCU read
section or with interrupts or preemption off.

## Why it matters
The fast path only walks; where it finds no page it falls back to a fault that sleeps and reads from disk.

## Bad
```c
spin_lock(&queue->lock);
get_user_pages_fast(addr, 1, FOLL_WRITE, &page);
```

## Good
```c
spin_lock(&queue->lock);
get_user_pages_fast_only(addr, 1, FOLL_WRITE, &page);
```

## Limits
The `_fast_only` entry points are known not to sleep.

## Sources
rule R-FG4 of the fast-GUP digest; mm/gup.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.locks import atomic, locks
from mmlint.facts.owners.gup import gup_calls
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import GUPLOCK1


def check(function: Function) -> Iterator[Hit]:
    """Report each call that may sleep in an atomic context of this function."""
    for site in gup_calls(function):
        if site.entry.mmap_lock == "none":
            continue
        for prop in locks(function).held(site.call):
            held = atomic(function, prop)
            if held:
                step = function.step(held[-1].line, f"`{held[-1].name}` enters the section")
                message = f"`{site.call.value}` may fault and sleep inside the section of `{held[-1].name}`"
                cause = f"{function.name}: section of line {held[-1].line}"
                yield function.hit(site.call, message, steps=(step,), cause=cause)
                break


RULE = Rule(
    code="GUP105",
    name="gup-in-atomic",
    summary="user pages are faulted in where nothing may sleep",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(
        gup_calls,
        locks,
    ),
    tables=("gup",),
    check=check,
    partial=True,
    places=GUP_CALLS,
    scenario=GUPLOCK1,
)
