"""DEV104 leaf-without-devmap: a lockless walk takes a huge device entry for a page table.

## What it does
In a walker that reads entries without the page-table lock, fills an array of pages and goes to the next level, names a
test for a huge entry by `pmd_trans_huge` or `pmd_huge` (PUD likewise) where it asks neither for `pmd_devmap`
nor for `pmd_leaf`.

## Why it matters
A huge entry of device memory is neither a transparent huge page nor hugetlb. The walk goes down into it and reads the
content of the device as a page table.

## Bad
```c
if (pmd_trans_huge(pmd) || pmd_huge(pmd))
        return walk_huge(pmd, pages);
return walk_ptes(pmd, addr, end, pages);
```

## Good
```c
if (pmd_trans_huge(pmd) || pmd_huge(pmd) || pmd_devmap(pmd))
        return walk_huge(pmd, pages);
```

## Limits
Walkers under the lock, or that map the next level with a recheck (`pte_offset_map_lock`, `pmd_trans_unstable`), are
right without it and are not reported. Silent on 6.1 and 6.12; before 6.5 `pte_offset_map` itself looked at
nothing, and since then it refuses such an entry.

## Sources
mm/gup.c before 4.11; digest of the ZONE_DEVICE reference thread, rule R-FG1 and scenario FG1.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.leaves import missed_leaves
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FG1


def check(function: Function) -> Iterator[Hit]:
    """Report the first test of each level that lets device entries through."""
    for test, descent in missed_leaves(function):
        down = function.step(descent.line, f"`{descent.value}` reads the next level")
        level = test.value.partition("_")[0]
        message = f"`{test.value}` is false for a huge device entry; ask `{level}_devmap`, too"
        yield function.hit(test, message, steps=(down,))


RULE = Rule(
    code="DEV104",
    name="leaf-without-devmap",
    summary="a lockless walk takes a huge device entry for a page table",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(missed_leaves,),
    check=check,
    partial=True,
    tokens=("pmd_trans_huge", "pmd_huge", "pud_trans_huge", "pud_huge"),
    scenario=FG1,
)
