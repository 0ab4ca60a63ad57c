"""MIG102 dirty-bit-dropped: an entry is cleared and replaced by a swap or migration entry, its dirty bit is lost.

## What it does
Reports a function that clears a present entry (`ptep_get_and_clear()`, `ptep_clear_flush()`, `pmdp_invalidate()` and
their kin) and writes a swap, migration or device-exclusive entry in its place, on a way on which nothing asks whether
the folio has to be marked dirty.

## Why it matters
The hardware sets the dirty bit in the entry alone. When the entry is gone and the folio still counts as clean, reclaim
drops it without writing: the last stores of the process are lost.

## Bad
```c
pteval = ptep_clear_flush(vma, address, pte);
swp_pte = swp_entry_to_pte(make_readable_migration_entry(page_to_pfn(page)));
set_pte_at(mm, address, pte, swp_pte);
```

## Good
```c
pteval = ptep_clear_flush(vma, address, pte);
if (pte_dirty(pteval))
        folio_mark_dirty(folio);
swp_pte = swp_entry_to_pte(make_readable_migration_entry(page_to_pfn(page)));
set_pte_at(mm, address, pte, swp_pte);
```

## Limits
A dirty migration entry (`make_migration_entry_dirty()`) is not enough: architectures may not keep it. Marking in a
called function is not seen. Entries that only go away (zapping) are not looked at.

## Sources
Seed thread on HMM migration (digest 001-004, R-MG2, J42, HM9); review practice RR-78; mm/rmap.c try_to_migrate_one.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.carried import dirty_dropped
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM9


def check(function: Function) -> Iterator[Hit]:
    """Report each replaced entry whose dirty bit nobody looked at."""
    for found in dirty_dropped(function):
        yield function.hit(
            found.write,
            f"`{found.write.value}` replaces an entry whose dirty bit went nowhere (cleared in line {found.made.line})",
            steps=(function.step(found.made.line, f"`{found.made.value}` takes the entry away, with its dirty bit"),),
        )


RULE = Rule(
    code="MIG102",
    name="dirty-bit-dropped",
    summary="a cleared entry is replaced by a swap or migration entry and its dirty bit is lost",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(dirty_dropped,),
    tokens=("swp_entry_to_pte", "swp_entry_to_pmd", "__swp_entry_to_pte", "__swp_entry_to_pmd"),
    check=check,
    instead_of=("PAT112",),
    scenario=HM9,
)
