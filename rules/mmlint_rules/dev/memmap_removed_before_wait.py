"""DEV102 memmap-removed-before-wait: the struct pages of a device go away while references may still be held.

## What it does
Reports a removal of the memory map (`arch_remove_memory`, `__remove_pages`, or a helper of the file that does it) that
is reached after `percpu_ref_kill`, or after the driver's own references were put page by page, without a wait in
between.

## Why it matters
Killing the reference only refuses new users. Who still holds a page, a direct I/O for one, then works on a struct page
that is no more.

## Bad
```c
percpu_ref_kill(&pgmap->ref);
arch_remove_memory(start, size, altmap, pgmap);
```

## Good
```c
percpu_ref_kill(&pgmap->ref);
wait_for_completion(&pgmap->done);
arch_remove_memory(start, size, altmap, pgmap);
```

## Limits
Kill, wait and removal must be in one function, or in helpers of its file. Silent on mm/, drivers/dax,
drivers/nvdimm and drivers/pci of 6.1 and 6.12, where one function takes memory maps away, and waits.

## Sources
mm/memremap.c, memunmap_pages; digest of the ZONE_DEVICE reference thread, rules R-DV1 and R-DV2.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.teardown import unwaited
from mmlint.facts.function import Function
from mmlint.facts.views.looked import TEARDOWNS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD6


def check(function: Function) -> Iterator[Hit]:
    """Report each removal that no wait precedes."""
    for kill, removal in unwaited(function):
        step = function.step(kill.line, f"`{kill.value}` ends the driver's own use and waits for nobody")
        yield function.hit(removal, f"`{removal.value}` frees struct pages that may still be in use", steps=(step,))


RULE = Rule(
    code="DEV102",
    name="memmap-removed-before-wait",
    summary="the struct pages of a device are freed with no wait for their users",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unwaited,),
    check=check,
    partial=True,
    places=TEARDOWNS,
    scenario=ZD6,
)
