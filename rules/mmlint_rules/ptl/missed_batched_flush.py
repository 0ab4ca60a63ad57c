"""PTL113 missed-batched-flush: a page-table lock is taken again without the batched TLB flush of the first time.

## What it does
In a function that calls `flush_tlb_batched_pending()`, reports an entry that is cleared under a page-table lock taken
without that call on the way.

## Why it matters
Reclaim clears entries and puts the flush off. A walker that frees what it finds must flush first, each time it takes
the lock: otherwise a stale translation still writes to the freed page.

## Bad
```c
pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
ptent = ptep_get_and_clear(mm, addr, pte);
```

## Good
```c
pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
flush_tlb_batched_pending(mm);
ptent = ptep_get_and_clear(mm, addr, pte);
```

## Limits
A function that never calls it is not asked to. Nothing is reported on mm/ of 6.12; the two
places reported in mm/madvise.c of 6.1 (the relocks after a split) are right, and were mended later.

## Sources
Review practice RR-12.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.entries import unflushed_relocks
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import BATCH1


def check(function: Function) -> Iterator[Hit]:
    """Report each place once for the call that takes the lock."""
    for found in unflushed_relocks(function):
        yield function.hit(
            found.use,
            f"`{found.use.value}` without `flush_tlb_batched_pending` since the lock (line {found.taken.line})",
            steps=(function.step(found.taken.line, "takes the page-table lock again"),),
            anchor=f"{found.use.key} after {found.taken.value}",
        )


RULE = Rule(
    code="PTL113",
    name="missed-batched-flush",
    summary="a page-table lock is taken again without the batched TLB flush of the first time",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unflushed_relocks,),
    tokens=("flush_tlb_batched_pending",),
    check=check,
    scenario=BATCH1,
)
