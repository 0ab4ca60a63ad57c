"""REF105 use-after-put: a page is used, or put again, after its only reference was given back.

## What it does
Where a function took the reference itself, by a look-up or an allocation, and gave it back, reports a member access, a
flag test or a second put on the same path. Helpers of a page and perhaps a number that lower its count and then ask
whether it is device memory are reported, too: they have nothing but what they gave up.
A page table has one owner: freeing one after a call that may have deposited it, and tells nothing, is a second release.

## Why it matters
The put may have been the last one: the page is freed, and may already be somebody else's.

## Bad
```c
folio_put(folio);
nr += folio_nr_pages(folio);
```

## Good
```c
nr += folio_nr_pages(folio);
folio_put(folio);
```

## Limits
References that were not taken in the function, or by `folio_get` on a page that somebody else holds, are not judged.
Comparing the pointer or reading its PFN is no use.

## Sources
rules R-RC6 and ZD18 of the ZONE_DEVICE digest; digest-review-rules RR-36, RR-37, RF-19.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.loops import in_loop
from mmlint.facts.owners.dropped import read_after_drop
from mmlint.facts.owners.leaks import After, afters
from mmlint.facts.views.looked import ALL_TAKEN
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import UAF1


def check(function: Function) -> Iterator[Hit]:
    """Report each use and each second put outside loops (those are REF107)."""
    for after in afters(function):
        if after.again and in_loop(function, after.node):
            continue
        taken = function.step(after.take.line, f"`{after.take.value}` takes the reference")
        yield function.hit(after.at, _says(after), steps=(taken,))
    for use, drop in read_after_drop(function):
        dropped = function.step(drop.line, f"`{drop.value}` lowers the count")
        message = f"`{use.key}` asks about a page after its reference was given back"
        yield function.hit(use, message, severity=Severity.WARNING, steps=(dropped,))


def _says(after: After) -> str:
    if after.again:
        return f"`{after.at.key}` gives back again what was already given back"
    return f"`{after.at.key}` uses a page after its reference was given back"


RULE = Rule(
    code="REF105",
    name="use-after-put",
    summary="a page is used or put again after its only reference was given back",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(afters, read_after_drop),
    check=check,
    partial=True,
    places=ALL_TAKEN,
    scenario=UAF1,
)
