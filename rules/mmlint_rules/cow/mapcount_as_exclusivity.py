"""COW105 mapcount-as-exclusivity: a page is reused in place because nobody else maps it.

## What it does
Reports a comparison of a mapcount with one (`page_mapcount`, `folio_mapcount`, `total_mapcount`,
`folio_likely_mapped_shared` and their kin) that alone decides whether an entry is made writable in place, or the page
marked exclusive.

## Why it matters
A child can pin a page it shares with its parent, or splice it into a pipe, and unmap it. The mapcount is then one
although the child still reads the page: when the parent writes in place, its later data leak to the child. The
reference count, or the mark of an exclusive page, does not miss such a user.

## Bad
```c
if (page_mapcount(page) == 1)
        wp_page_reuse(vmf);
```

## Good
```c
if (PageAnonExclusive(page))
        wp_page_reuse(vmf);
```

## Limits
A mapcount beside a reference count, or one that only says no, is fine. hugetlb decides by the mapcount on purpose (it
would run out of huge pages otherwise, says its comment): there the finding is info.

## Sources
linux-mm thread of August 2020, L1383-1579 and the first patch; commit 09854ba94c6a; mm/hugetlb.c hugetlb_wp.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.reuse import reuses
from mmlint.facts.function import Function
from mmlint.facts.views.looked import COUNT_TESTS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S8


def check(function: Function) -> Iterator[Hit]:
    """Report each reuse that rests on mapcounts alone."""
    for site in reuses(function):
        if any(test.kind != "mapcount" for test in site.tests):
            continue
        last = site.tests[-1]
        steps = (function.step(site.sink.line, f"`{site.sink.value or 'return'}` reuses the page in place"),)
        severity = Severity.INFO if site.level == "hugetlb" else None
        message = f"`{last.call.value}` alone decides a reuse in place: users that do not map the page are missed"
        yield function.hit(last.call, message, steps=steps, severity=severity)


RULE = Rule(
    code="COW105",
    name="mapcount-as-exclusivity",
    summary="a page is reused in place because its mapcount is one",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(reuses,),
    check=check,
    places=COUNT_TESTS,
    scenario=S8,
)
