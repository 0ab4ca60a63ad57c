"""DEV103 check-instead-of-wait: users of device pages are complained about, and the pages are freed all the same.

## What it does
Reports a question about users (`page_count`, `percpu_ref_is_zero`) that goes into a warning and is followed by the
removal of the memory map with no wait in between.

## Why it matters
A warning does not stop the user that it found. The references that it sees are those the removal has to wait for.

## Bad
```c
WARN_ON(page_count(page) > 1);
arch_remove_memory(start, size, altmap, pgmap);
```

## Good
```c
wait_for_completion(&pgmap->done);
arch_remove_memory(start, size, altmap, pgmap);
```

## Limits
As for DEV102, all of it must be in one function or in helpers of its file. Silent on the same folders.

## Sources
digest of the ZONE_DEVICE reference thread, rule R-DV3 (the version of the patch that was turned down for it).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.teardown import only_asked
from mmlint.facts.function import Function
from mmlint.facts.views.looked import TEARDOWNS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD4


def check(function: Function) -> Iterator[Hit]:
    """Report each question that stands where a wait is due."""
    for asked, removal in only_asked(function):
        step = function.step(removal.line, f"`{removal.value}` frees the struct pages")
        yield function.hit(asked, f"`{asked.value}` sees users of the pages, and nothing waits", steps=(step,))


RULE = Rule(
    code="DEV103",
    name="check-instead-of-wait",
    summary="users of device pages are complained about and not waited for",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(only_asked,),
    check=check,
    partial=True,
    places=TEARDOWNS,
    scenario=ZD4,
)
