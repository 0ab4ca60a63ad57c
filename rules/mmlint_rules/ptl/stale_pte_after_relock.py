"""PTL103 stale-pte-after-relock: an entry is replaced under a lock just taken without a look at what it holds now.

## What it does
After a call that maps and locks a page table, reports a write to the entry (set, clear, exchange) on a way on which
nothing has read the entry since: no `pte_same()`, no `vmf_pte_changed()`, no `ptep_get()`, no test for none.

## Why it matters
What was read before the lock was taken, or while it was dropped, may be gone: another thread may have faulted the page
in, zapped it, or moved it. Installing over it leaks a page, or maps a freed one.

## Bad
```c
vmf->pte = pte_offset_map_lock(mm, vmf->pmd, vmf->address, &vmf->ptl);
if (vmf->pte)
        set_pte_at(mm, vmf->address, vmf->pte, entry);
```

## Good
```c
if (vmf->pte && pte_same(ptep_get(vmf->pte), vmf->orig_pte))
        set_pte_at(mm, vmf->address, vmf->pte, entry);
```

## Limits
A write inside a called function is not seen, and handing the entry to a function counts as a look. Only one look is
asked for, not that it is the right one. Files that know no VMA are left alone: no fault fills their entries. Nothing is
reported on mm/, fs/, kernel/ and arch/x86 of 6.12 and 6.1.

## Sources
Rules D7, R-PI1 and RR-11 of the review digests; commit be068f29034f.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.entries import blind_writes
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S14


def check(function: Function) -> Iterator[Hit]:
    """Report the first blind write behind each taking of a page-table lock."""
    for found in blind_writes(function):
        yield function.hit(
            found.write,
            f"`{found.write.value}` changes `{found.entry}`, not read since it was locked (line {found.taken.line})",
            steps=(function.step(found.taken.line, f"`{found.taken.value}` takes the lock"),),
            anchor=f"blind {found.write.key}",
        )


RULE = Rule(
    code="PTL103",
    name="stale-pte-after-relock",
    summary="an entry is replaced under a lock just taken without a look at what it holds now",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(blind_writes,),
    tables=("set_entries",),
    check=check,
    scenario=S14,
)
