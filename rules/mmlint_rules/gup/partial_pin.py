"""GUP107 partial-pin: a call that may take fewer pages than asked for is only asked whether it failed.

## What it does
Reports a `pin_user_pages*` or `get_user_pages*` for several pages whose result is tested against zero, or not at all,
and used for nothing else: neither compared with the number asked for nor kept.

## Why it matters
The calls return how many pages they took. With the array believed full, the caller works on pointers that were never
written, and gives back pages that it does not have.

## Bad
```c
ret = pin_user_pages_fast(addr, nr, FOLL_WRITE, pages);
if (ret < 0)
        return ret;
for (i = 0; i < nr; i++)
        use(pages[i]);
```

## Good
```c
if (ret != nr) {
        if (ret > 0)
                unpin_user_pages(pages, ret);
        return ret < 0 ? ret : -EFAULT;
}
```

## Limits
Counts kept in a field or handed to a caller are believed. A short count that is noticed but not given back is REF108's.
On 6.12 and 6.1 nothing in mm/, drivers/, fs/, net/ and io_uring/ is reported.

## Sources
Documentation/core-api/pin_user_pages.rst; mm/gup.c (return values); digest of the ZONE_DEVICE thread, rule R-FG7.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.gup import GupSite
from mmlint.facts.pins.partial import uncounted
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FG10


def check(function: Function) -> Iterator[Hit]:
    """Report each call whose count nobody looks at."""
    for site in uncounted(function):
        yield function.hit(site.call, _says(site))


def _says(site: GupSite) -> str:
    asked = site.call.args[site.entry.nr or 0].key
    what = f"`{asked}`" if len(asked) < 40 else "asked for"
    return f"`{site.call.value}` may take fewer pages than {what}, and nobody looks how many"


RULE = Rule(
    code="GUP107",
    name="partial-pin",
    summary="a GUP call that may take fewer pages than asked for is only asked whether it failed",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(uncounted,),
    tables=("gup",),
    check=check,
    places=GUP_CALLS,
    scenario=FG10,
)
