"""PTL105 unchecked-pte-map: the result of a page-table map or lock call is used where it may be NULL.

## What it does
Since 6.5 `pte_offset_map()`, `pte_offset_map_lock()` and their relatives return NULL when the page table went away
meanwhile; `pte_alloc_map_lock()`, `get_locked_pte()`, `pmd_trans_huge_lock()` and `folio_walk_start()` may always. The
rule reports the first use of such a result (read, write, unmap, unlock) on a way on which nothing has tested it.

## Why it matters
Khugepaged may replace a page table by a huge page under a walker that holds mmap_lock for reading. The walker then
dereferences NULL, or unlocks a lock that was never taken.

## Bad
```c
pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
entry = ptep_get(pte);
```

## Good
```c
pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
if (!pte)
        return -EAGAIN;
entry = ptep_get(pte);
```

## Limits
In trees before 6.5, where the calls never fail, the rule says nothing about them. A result that is handed to another
function without a test is not reported. A NULL that an assertion excludes (`VM_BUG_ON(!pte)`) counts as tested.

## Sources
Commits 0d940a9b270b and a5be621ee292 ("retry if either pte_offset_map_*lock() fails"); review practice RR-4, RF-9,
RF-11.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.mappings import null_uses
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import NUL1


def check(function: Function) -> Iterator[Hit]:
    """Report the first use of each result that may be NULL there."""
    for found in null_uses(function):
        yield function.hit(
            found.use,
            f"`{found.target}` may be NULL here: `{found.call.value}` (line {found.call.line}) may fail",
            steps=(function.step(found.call.line, f"`{found.call.value}` returns NULL if there is no page table"),),
            anchor=f"{found.call.key} unchecked",
        )


RULE = Rule(
    code="PTL105",
    name="unchecked-pte-map",
    summary="the result of a page-table map or lock call is used where it may be NULL",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(null_uses,),
    tables=("takes",),
    check=check,
    scenario=NUL1,
)
