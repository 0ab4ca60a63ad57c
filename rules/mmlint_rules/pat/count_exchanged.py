"""PAT120 count-exchanged: a release is handed the number of pages asked for, and was handed the number taken.

## What it does
Compares the calls that give pages back, directly or through a helper, before and after the patch. One that was handed
what the taking call told (its result, or a variable that it fills) is handed what that call was asked for.

## Why it matters
A taker may come back with fewer pages than it was asked for, or none. The rest of the array holds what was there
before: NULL at best, or pages that somebody else owns, whose pins are given up behind his back.

## Bad
```diff
        rc = lock_buffers(bufs, pages, nr_pages, &pinned);
 ...
-	unlock_pages(pages, pinned);
+	unlock_pages(pages, nr_pages);
```

## Good
```diff
-	unlock_pages(pages, pinned);
+	unlock_pages(pages, min(pinned, nr_pages));
```

## Limits
Only a plain variable for a plain variable; whether the two are equal on the way to the release is not asked.

## Sources
mm/gup.c (pin_user_pages: "may be less than nr_pages"); Documentation/core-api/pin_user_pages.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.change import FunctionChange
from mmlint.facts.overcount import exchanged
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PIN1


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each release with the wrong count."""
    after = change.after
    for found in exchanged(change):
        assert after is not None
        message = f"`{found.release.value}` gives back as many pages as were asked for, no longer `{found.was}`"
        step = after.step(found.taking.line, f"`{found.taking.value}` may take fewer")
        yield after.hit(found.release, message, steps=(step,), anchor=f"count {found.release.value} {found.was}")


RULE = Rule(
    code="PAT120",
    name="count-exchanged",
    summary="a release is handed the number of pages asked for instead of the number taken",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=PIN1,
)
