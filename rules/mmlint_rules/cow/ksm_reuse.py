"""COW106 ksm-reuse: a page that KSM may share is reused in place because its count is one.

## What it does
Looks at the places that a count of one decides to make an entry writable in place, or a page exclusive, and reports
those that no test for a KSM page (`PageKsm`, `folio_test_ksm`) keeps out; where the count is read under the folio
lock, the test has to be made under it too.

## Why it matters
The stable tree of KSM holds no reference. A KSM page that one process maps has count one and can still be handed out
to another process at any moment: written in place, it changes the memory of whoever gets it.

## Bad
```c
if (!trylock_page(page))
        goto copy;
if (page_count(page) != 1)
        goto unlock_and_copy;
wp_page_reuse(vmf);
```

## Good
```c
if (PageKsm(page) || page_count(page) != 1)
        goto unlock_and_copy;
```

## Limits
Only for PTEs: KSM does not share huge pages. A test made by a caller in another file is not seen.

## Sources
linux-mm thread of August 2020, L118 and L940-955; mm/ksm.c (the stable node); mm/memory.c wp_can_reuse_anon_folio.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.reuse import reuses
from mmlint.facts.function import Function
from mmlint.facts.views.looked import COUNT_TESTS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S11


def check(function: Function) -> Iterator[Hit]:
    """Report each reuse at PTE level that KSM pages can reach."""
    for site in reuses(function):
        if site.ksm or site.level != "pte":
            continue
        last = site.tests[-1]
        steps = (function.step(site.sink.line, f"`{site.sink.value or 'return'}` reuses the page in place"),)
        yield function.hit(
            last.call, f"`{last.call.value}` decides a reuse in place and no test keeps KSM pages out", steps=steps
        )


RULE = Rule(
    code="COW106",
    name="ksm-reuse",
    summary="a page that KSM may share is reused in place",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(reuses,),
    check=check,
    places=COUNT_TESTS,
    scenario=S11,
)
