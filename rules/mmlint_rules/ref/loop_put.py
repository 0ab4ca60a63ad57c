"""REF107 loop-put: a reference taken before a loop is put in each pass of it.

## What it does
Reports a put inside a loop of a reference that was taken outside it and is not taken anew, nor the variable reset,
before the next pass.

## Why it matters
From the second pass on the put takes away somebody else's reference: the page is freed while mapped.

## Bad
```c
pgmap = get_dev_pagemap(pfn, NULL);
for (; addr < end; addr += PAGE_SIZE)
        put_dev_pagemap(pgmap);
```

## Good
```c
for (; addr < end; addr += PAGE_SIZE)
        touch(pgmap);
put_dev_pagemap(pgmap);
```

## Limits
Only references taken in the same function, by a look-up or an allocation.

## Sources
rule R-RC9 of the ZONE_DEVICE digest (the fast-GUP walker of 2015).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.loops import in_loop
from mmlint.facts.owners.leaks import After, afters
from mmlint.facts.views.looked import ALL_TAKEN
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PUT1


def check(function: Function) -> Iterator[Hit]:
    """Report each repeated put inside a loop."""
    for after in afters(function):
        if after.again and in_loop(function, after.node):
            taken = function.step(after.take.line, f"`{after.take.value}` takes it once")
            yield function.hit(after.at, _says(after), steps=(taken,))


def _says(after: After) -> str:
    return f"`{after.at.key}` is reached again in the loop with nothing left to give back"


RULE = Rule(
    code="REF107",
    name="loop-put",
    summary="a reference taken before a loop is put in each pass of it",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(afters,),
    check=check,
    partial=True,
    places=ALL_TAKEN,
    scenario=PUT1,
)
