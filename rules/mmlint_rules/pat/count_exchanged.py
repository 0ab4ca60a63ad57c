"""PAT120 count-exchanged: pages are given back, or written down, by another count than before.

## What it does
Compares the calls that give pages back, directly or through a helper, before and after the patch, and the members in
which a number of pages is kept. Where what the taking call told stood (its result, or a variable that it fills), what
that call was asked for stands now; or the count of a release has lost a term, is 1 now, is no longer the sum of what
was taken, or is not the one any more that the call beside it counts by. So is a release that begins with the element of
an array that could not be had, and one behind a loop that was told how far the loop had come and is told now how far it
was to go.

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
Nothing else in the expression may change; whether the two counts are equal on the way there is not asked.

## Sources
mm/gup.c (pin_user_pages: "may be less than nr_pages"); Documentation/core-api/pin_user_pages.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.exchanged import Exchanged, exchanged
from mmlint.facts.owners.failedelement import failed_elements, released_arrays
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PIN1


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each wrong count."""
    after = change.after
    for found in exchanged(change):
        assert after is not None
        taking = found.taking
        told = taking is not None and taking is not found.expr
        steps = (after.step(taking.line, f"`{taking.value}` may take fewer"),) if told and taking is not None else ()
        yield after.hit(found.expr, _says(found), steps=steps, anchor=f"count {found.was} {found.now}")
    if after is None or change.patch.partial:
        return
    known = set(released_arrays(change.before)) if change.before is not None else set()
    for failed in (each for each in failed_elements(after) if each.array not in known):
        step = after.step(failed.test.line, "it is NULL here")
        message = f"`{failed.release.value}` begins with the element of `{failed.array}` that could not be had"
        yield after.hit(failed.release, message, steps=(step,), anchor=f"failed {failed.array}")


def _says(found: Exchanged) -> str:
    if found.taking is found.expr:
        return f"`{found.expr.value}` takes `{found.now}`, no longer `{found.was}`"
    if found.taking is None:
        return f"`{found.expr.value}` gives back `{found.now}`, no longer `{found.was}`"
    if found.expr.kind == "assign":
        return f"`{found.expr.args[0].key}` counts the pages asked for, no longer those taken (`{found.was}`)"
    return f"`{found.expr.value}` gives back as many pages as were asked for, no longer `{found.was}`"


RULE = Rule(
    code="PAT120",
    name="count-exchanged",
    summary="pages are given back, or written down, by another count than before",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=PIN1,
)
