"""PTL109 walk-left-locked: a page-table walk is left early without the call that releases its lock.

## What it does
Reports a way out of a function from inside a page-table walk that holds the page-table lock: a `break`, `return` or
`goto` out of a `page_vma_mapped_walk()` loop without `page_vma_mapped_walk_done()`, a `folio_walk_start()` that found
something without `folio_walk_end()`, a successful `follow_pfnmap_start()` without `follow_pfnmap_end()`.

## Why it matters
The walk hands the lock to its caller. Running the loop to its end releases it, leaving it early does not: the next
fault in the range spins for ever.

## Bad
```c
while (page_vma_mapped_walk(&pvmw)) {
        if (folio_test_mlocked(folio))
                return false;
}
```

## Good
```c
        if (folio_test_mlocked(folio)) {
                page_vma_mapped_walk_done(&pvmw);
                return false;
        }
```

## Limits
A walk whose state is a parameter may be ended by the caller; it is reported only where the function ends it on another
way out. Nothing is reported on mm/ of 6.12 and 6.1.

## Sources
Review practice RR-6, RR-7; include/linux/rmap.h, include/linux/pagewalk.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.balance import left_held
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import WALK1

from mmlint_rules.ptl.imbalance import report


def check(function: Function) -> Iterator[Hit]:
    """Report walks that are left with the lock."""
    for left in left_held(function):
        if left.lock.kind == "walk":
            yield report(function, left)


RULE = Rule(
    code="PTL109",
    name="walk-left-locked",
    summary="a page-table walk is left early without the call that releases its lock",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(left_held,),
    tokens=("page_vma_mapped_walk", "folio_walk_start", "follow_pfnmap_start"),
    check=check,
    scenario=WALK1,
)
