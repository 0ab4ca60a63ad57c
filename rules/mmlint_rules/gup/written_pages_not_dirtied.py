"""GUP108 written-pages-not-dirtied: pages pinned for writing are released without being marked dirty.

## What it does
Where a function pins pages with FOLL_WRITE and itself releases them on a successful way, reports a release by
`unpin_user_page(s)`, or by `unpin_user_pages_dirty_lock(.., false)`, if nothing on that way marks the pages dirty.

## Why it matters
The page-table entry may have been cleaned by writeback or reclaim since the pin was taken. What the kernel or a device
wrote is then thrown away with the clean page.

## Bad
```c
pin_user_pages_fast(addr, nr, FOLL_WRITE, pages);
fill(pages);
unpin_user_pages(pages, nr);
```

## Good
```c
unpin_user_pages_dirty_lock(pages, nr, true);
```

## Limits
Exits that report an error are not judged: nothing was written, or nobody reads it. Only releases in the pinning
function.

## Sources
Documentation/core-api/pin_user_pages.rst; commit 512db8267b73.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.dirty import clean_releases
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import DIRTY1


def check(function: Function) -> Iterator[Hit]:
    """Report each release without a dirty mark on a successful way."""
    for call, pin in clean_releases(function):
        step = function.step(pin.line, f"`{pin.value}` pins them with FOLL_WRITE")
        yield function.hit(
            call, f"`{call.value}` releases pages pinned for writing without marking them dirty", steps=(step,)
        )


RULE = Rule(
    code="GUP108",
    name="written-pages-not-dirtied",
    summary="pages pinned for writing are released without being marked dirty",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(clean_releases,),
    tables=("gup",),
    check=check,
    places=GUP_CALLS,
    scenario=DIRTY1,
)
