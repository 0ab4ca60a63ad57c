"""DEV101 lru-op-on-device-page: a page that may be device memory is put on, or taken off, an LRU list.

## What it does
Follows pages and folios from an entry or a pfn (`pte_page`, `vm_normal_page`, `pfn_to_page`, `migrate_pfn_to_page`,
`pfn_swap_entry_to_page`) to an LRU operation, and reports a way on which nobody asks whether it is device memory, or
whether it is on the LRU.

## Why it matters
The list head of a ZONE_DEVICE page holds its pagemap. An LRU operation overwrites it, and the next look at the pagemap
goes through a list pointer.

## Bad
```c
page = vm_normal_page(vma, addr, pte);
if (!page)
        continue;
folio_isolate_lru(page_folio(page));
```

## Good
```c
if (!page || is_zone_device_page(page))
        continue;
```

## Limits
Only pages that the function itself gets are followed; parameters are taken to be known to the caller.
Silent on mm/ of 6.1 and 6.12, where all of them ask.

## Sources
include/linux/mm_types.h (struct page of ZONE_DEVICE); digest of the ZONE_DEVICE reference thread, rule R-DV6.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.devpage import lru_of_device
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD13


def check(function: Function) -> Iterator[Hit]:
    """Report each LRU operation on a page whose kind nobody asked for."""
    for call, source in lru_of_device(function):
        came = function.step(source.line, f"the page comes from `{source.value}`")
        yield function.hit(call, f"`{call.value}` on a page that may be device memory, and nobody asks", steps=(came,))


RULE = Rule(
    code="DEV101",
    name="lru-op-on-device-page",
    summary="a page that may be device memory is put on or taken off an LRU list",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(lru_of_device,),
    tables=("device_pages",),
    check=check,
    scenario=ZD13,
)
