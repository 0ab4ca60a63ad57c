"""GUP115 unpins-what-was-not-pinned: as many pages are given up as were asked for, where fewer came.

## What it does
On a way on which the result of a pin or GUP call is known to be negative or below the number asked for, a release of
the same array (one call with a count, or a loop) goes up to the number asked for.

## Why it matters
What lies in the array behind the pages that came is whatever was there before: the release takes references of pages
that belong to others, or follows a wild pointer. The way is taken when memory is short or a signal comes, not in tests.

## Bad
```c
pinned = pin_user_pages_fast(addr, nr_pages, flags, pages);
if (pinned != nr_pages) {
        for (i = 0; i < nr_pages; i++)
                unpin_user_page(pages[i]);
```

## Good
```c
if (pinned != nr_pages) {
        if (pinned > 0)
                unpin_user_pages(pages, pinned);
```

## Limits
The result has to be compared in the function itself; releases by a helper that gets the object are not followed.

## Sources
mm/gup.c, comment on pin_user_pages_fast (returns); Documentation/core-api/pin_user_pages.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.overcount import overcounts
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PIN1


def check(function: Function) -> Iterator[Hit]:
    """Report each release that goes beyond what came."""
    for over in overcounts(function):
        message = (
            f"`{over.release.value}` gives up `{over.count.key}` pages where `{over.taken.value}` may have got fewer"
        )
        step = function.step(over.taken.line, "the pages are taken here; fewer may come than are asked for")
        yield function.hit(over.release, message[:120], steps=(step,))


RULE = Rule(
    code="GUP115",
    name="unpins-what-was-not-pinned",
    summary="as many pages are given up as were asked for, where fewer came",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    tables=("gup",),
    check=check,
    scenario=PIN1,
)
