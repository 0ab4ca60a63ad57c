"""PAT113 order-swapped: two steps whose order matters are swapped.

## What it does
Compares each function before and after the patch. Two steps that the step tables put in an order (the flush before the
unlock, the contents before the entry, the check before the write-protect, the lock before the recheck, the unlock of a
folio before its put) are both still there, and the second now comes first on every path with both.

## Why it matters
Each of them is right and there, so nothing is missing to the eye. A flush after the unlock leaves a moment in which
another CPU uses the old translation of a page that is free; an entry that is set before its page is filled shows what
the page held before.

## Bad
```diff
-flush_tlb_range(vma, addr, end);
 pte_unmap_unlock(ptep, ptl);
+flush_tlb_range(vma, addr, end);
```

## Good
```diff
-add_mm_counter(mm, MM_ANONPAGES, -nr);
 flush_tlb_range(vma, addr, end);
+add_mm_counter(mm, MM_ANONPAGES, -nr);
 pte_unmap_unlock(ptep, ptl);
```

## Limits
Only orders that the step tables name are judged: all other reordering is silent. A step that is done a second time at
the old place keeps the order.

## Sources
Documentation/core-api/cachetlb.rst; eb66ae030829 (mremap); mm/memory.c pmd_install; digest-001-004 R-MG1.
"""

from __future__ import annotations

from mmlint.finding import Confidence, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM6

from mmlint_rules.pat.lost import reporter

RULE = Rule(
    code="PAT113",
    name="order-swapped",
    summary="two steps whose order matters are swapped",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=reporter("PAT113"),
    by_steps=True,
    scenario=HM6,
    partial=True,
)
