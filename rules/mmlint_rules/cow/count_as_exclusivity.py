"""COW104 count-as-exclusivity: a page is reused in place because its reference count is one, without the page lock.

## What it does
Reports a comparison of `page_count` or `folio_ref_count` with one that alone decides whether an entry is made
writable in place, or the page marked exclusive, where neither the folio lock is held at one of the comparisons nor
the count frozen.

## Why it matters
A reference can be taken at any moment: by a lockless lookup, by reclaim, by the swap cache. Between the comparison
and the write the page may have got another user, who then sees writes that are not meant for him. Under the folio
lock and the page-table lock the ways to a new user are closed.

## Bad
```c
if (page_count(page) == 1)
        wp_page_reuse(vmf);
```

## Good
```c
if (!trylock_page(page))
        goto copy;
if (PageKsm(page) || page_count(page) != 1) {
        unlock_page(page);
        goto copy;
}
```

## Limits
A count that only says no (`> 3`, then copy) is fine, and so is a first look that is repeated under the lock. A lock
taken by a caller in another file is not seen. Counts compared with an expected number (migration, isolation) are
other protocols.

## Sources
linux-mm thread of August 2020, L745-750 and L1108-1112; commits 09854ba94c6a and be068f29034f; mm/memory.c
wp_can_reuse_anon_folio.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.reuse import reuses
from mmlint.facts.function import Function
from mmlint.facts.views.looked import COUNT_TESTS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S10


def check(function: Function) -> Iterator[Hit]:
    """Report each reuse that rests on reference counts read without the folio lock."""
    for site in reuses(function):
        counts = [test for test in site.tests if test.kind == "count"]
        if counts and not any(test.locked for test in counts):
            last = counts[-1]
            steps = (function.step(site.sink.line, f"`{site.sink.value or 'return'}` reuses the page in place"),)
            yield function.hit(
                last.call, f"`{last.call.value}` decides a reuse in place without the folio lock", steps=steps
            )


RULE = Rule(
    code="COW104",
    name="count-as-exclusivity",
    summary="a page is reused in place because its count is one, without the folio lock",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(reuses,),
    tokens=("page_count", "folio_ref_count", "page_ref_count"),
    check=check,
    places=COUNT_TESTS,
    scenario=S10,
)
