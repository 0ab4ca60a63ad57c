"""MIG101 flush-after-unlock: the TLB is flushed only after the lock under which the entry was cleared is gone.

## What it does
Reports a function that clears an entry under the page-table lock, drops the lock, and flushes the TLB afterwards, with
no flush in between.

## Why it matters
Between the unlock and the flush another CPU still writes through its stale translation, while a third one may already
have taken the lock, found the entry empty and freed or reused the page.

## Bad
```c
pte = ptep_get_and_clear(mm, addr, ptep);
pte_unmap_unlock(ptep, ptl);
flush_tlb_range(vma, addr, addr + PAGE_SIZE);
```

## Good
```c
pte = ptep_get_and_clear(mm, addr, ptep);
flush_tlb_range(vma, addr, addr + PAGE_SIZE);
pte_unmap_unlock(ptep, ptl);
```

## Limits
Clears recorded in an mmu_gather, batched flushes and calls that clear and flush in one step are right. Fork flushes the
whole parent once at the end, in another function. Clearing of a lower level is not told from that of an upper one.

## Sources
Commit eb66ae030829 (mremap); review practice RR-13, RF-1, RF-2; rule R-MG1.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.entries import late_flushes
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import BATCH1


def check(function: Function) -> Iterator[Hit]:
    """Report a flush that comes too late."""
    for found in late_flushes(function):
        yield function.hit(
            found.flush,
            f"`{found.flush.value}` is after the unlock (line {found.drop.line}); cleared in line {found.clear.line}",
            steps=(
                function.step(found.clear.line, f"`{found.clear.value}` clears the entry"),
                function.step(found.drop.line, f"`{found.drop.value}` drops the lock"),
            ),
            anchor=f"late {found.flush.key}",
        )


RULE = Rule(
    code="MIG101",
    name="flush-after-unlock",
    summary="the TLB is flushed only after the lock under which the entry was cleared is gone",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(late_flushes,),
    tables=("set_entries",),
    check=check,
    scenario=BATCH1,
)
