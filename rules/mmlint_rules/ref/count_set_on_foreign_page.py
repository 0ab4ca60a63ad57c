"""REF115 count-set-on-foreign-page: the count of a page that is not fresh is set to a number.

## What it does
Reports `set_page_count`, `folio_set_count`, `init_page_count` outside the allocation paths: on a page that the function
neither allocated nor found frozen.

## Why it matters
The count belongs to everybody who holds a reference. Setting it throws theirs away; setting it on free lets the next
user start with a page that looks taken (device-private pages are handed out with a count of zero since 6.0).

## Bad
```c
folio->mapping = NULL;
folio_set_count(folio, 1);
```

## Good
```c
put_dev_pagemap(folio->page.pgmap);
```

## Limits
The places where today's mm does this (allocator, memmap init, hugetlb, ZONE_DEVICE free of pages that are not device
private) are recognised by what is around them: a frozen or zero count tested before, `__init`, a loop over a memmap, or
a test of the pagemap's type.

## Sources
commit ef233450898f; include/linux/page_ref.h; rule R-RC5 of the ZONE_DEVICE digest.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.owned import unowned_sets
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FRZ1


def check(function: Function) -> Iterator[Hit]:
    """Report each set of a count that nothing around it justifies."""
    for call in unowned_sets(function):
        yield function.hit(
            call, f"`{call.value}` sets the count of a page that this function neither allocated nor froze"
        )


RULE = Rule(
    code="REF115",
    name="count-set-on-foreign-page",
    summary="the count of a page that is not fresh is set to a number",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unowned_sets,),
    tables=("ref_helpers",),
    check=check,
    scenario=FRZ1,
)
