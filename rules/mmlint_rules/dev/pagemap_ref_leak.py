"""DEV105 pagemap-ref-leak: an exit keeps the dev_pagemap reference that its siblings give back.

## What it does
Follows `get_dev_pagemap` and reports an exit on which its result is still held where other exits call
`put_dev_pagemap` (or hand it to the next `get_dev_pagemap`, which gives the old one back).

## Why it matters
`devm_memunmap_pages` waits for the last reference: the driver can never be unbound.

## Bad
```c
pgmap = get_dev_pagemap(pfn, NULL);
if (!page)
        return -EFAULT;
put_dev_pagemap(pgmap);
```

## Good
```c
if (!page) {
        put_dev_pagemap(pgmap);
        return -EFAULT;
}
```

## Limits
A pgmap that is stored, returned or handed to a function that may keep it is not judged.

## Sources
digest of the ZONE_DEVICE reference thread, rules R-RC9 and R-RC10; mm/memremap.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.leaks import Leak, leaks
from mmlint.facts.views.looked import taken
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LEAK1


def check(function: Function) -> Iterator[Hit]:
    """Report each exit that keeps the reference."""
    for leak in leaks(function):
        if leak.resource == "pagemap reference" and leak.given:
            taken = function.step(leak.take.line, "`get_dev_pagemap` takes it")
            yield function.hit(leak.exit, _says(leak), steps=(taken,), anchor=f"{leak.take.key} kept")


def _says(leak: Leak) -> str:
    return f"this exit keeps the pagemap reference of `{leak.take.value}` (line {leak.take.line})"


RULE = Rule(
    code="DEV105",
    name="pagemap-ref-leak",
    summary="an exit keeps the dev_pagemap reference that its siblings give back",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(leaks,),
    check=check,
    places=taken("pagemap references taken", "pagemap reference"),
    scenario=LEAK1,
)
