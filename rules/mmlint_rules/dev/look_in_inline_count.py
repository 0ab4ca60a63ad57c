"""DEV107 look-in-inline-count: every reference of every page pays for a look whether it is device memory.

## What it does
Reports a question about the kind of a page (`is_zone_device_page`) on which a call hangs, in an inline primitive of the
page count or an inline wrapper of one (`get_page`, `put_page`), if no static key stands before it.

## Why it matters
These functions are inlined at thousands of places. A load of the page's flags and a branch at each of them is paid on
machines that have no such memory; taking one such hook out of `get_page` and `put_page` saved about 140 KB of vmlinux.

## Bad
```c
static inline void put_page(struct page *page)
{
        page_ref_dec(page);
        if (is_zone_device_page(page))
                put_zone_device_page(page);
}
```

## Good
```c
        if (static_branch_unlikely(&devmap_managed_key) && is_zone_device_page(page))
                put_zone_device_page(page);
```

## Limits
One finding a file. Tracepoints have their own key, and what happens at the end of the count (`__put_page`) is not
inline. Whether a hook belongs there at all is the matter of DEV106 and REF117. Silent on the whole of 6.1 and 6.12.

## Sources
digest of the ZONE_DEVICE reference thread, J14 and rule R-DV7; the review of page-count hooks there.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.counthooks import unkeyed_looks
from mmlint.facts.views.looked import KIND_LOOKS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD19


def check(function: Function) -> Iterator[Hit]:
    """Report the look, once for all primitives of a file."""
    for look in unkeyed_looks(function):
        hangs = function.step(look.call.line, f"`{look.call.value}` hangs on it")
        message = f"`{look.test.value}` is asked for every page in inline code, behind no static key"
        yield function.hit(look.test, message, steps=(hangs,), cause="a look in inline primitives of the count")


RULE = Rule(
    code="DEV107",
    name="look-in-inline-count",
    summary="inline code that counts pages asks each of them whether it is device memory, behind no static key",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unkeyed_looks,),
    check=check,
    partial=True,
    places=KIND_LOOKS,
    scenario=ZD19,
)
