"""REF101 raw-page-refcount: the reference count of a page is touched without the helpers of page_ref.h.

## What it does
Finds every write to `_refcount` that is not made by a helper of `include/linux/page_ref.h`: atomics on its address
(also through a local, a parameter of a helper, a helper that returns the address, a cast, `container_of` or a macro),
plain arithmetic on `.counter`, assignments. Outside mm and its headers the same holds for `_mapcount`. Reads are
reported as info, with the helper to use.

## Why it matters
The helpers carry the tracepoints, the debugging and, in kernels with counted ZONE_DEVICE pages, the release hooks. A
count that changes beside them is a use after free, or a page that is never freed, that no trace explains.

## Bad
```c
atomic_dec(&page->_refcount);
```

## Good
```c
put_page(page);
```

## Limits
The helpers are recognised by what they are: functions of a `page_ref.h`, and functions called `page_ref_*` or
`folio_ref_*` in a header or in mm. The address as a wait key (`wake_up_var`), a prefetch and assertions are no finding.
Silent on the whole of 6.12; on 6.1 it names the page-table allocator of s390, which kept bits in the upper byte.

## Sources
digest of the ZONE_DEVICE reference thread, rule R-RC1; include/linux/page_ref.h; mm.h on `page_count`.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.refcount import RawAccess, raw_accesses
from mmlint.facts.views.looked import COUNTERS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import RAW1

_MM = ("mm/", "include/linux/", "fs/proc/", "include/trace/")


def check(function: Function) -> Iterator[Hit]:
    """Report each raw access: writes as errors, reads as info."""
    for access in raw_accesses(function):
        if access.field == "_mapcount" and function.path.startswith(_MM):
            continue
        if access.writes:
            severity = Severity.INFO if _habit(function, access) else None
            anchor = f"{access.via} {access.at.key}"
            yield function.hit(access.at, _written(access), severity=severity, steps=access.steps, anchor=anchor)
        elif access.field != "_mapcount":
            message = f"`{access.via}` reads `{access.field}` of a page; use `page_ref_count`"
            yield function.hit(access.at, message, severity=Severity.INFO)


def _habit(function: Function, access: RawAccess) -> bool:
    """Whether other functions of the file write the field by the same bit operation: bits of it are put to another use
    there, and the count is none of their business.
    """
    others = (f for f in function.program.functions(function.path) if f is not function and f.has(access.via))
    return "bit" in access.via and any(
        other.writes and (other.via, other.field) == (access.via, access.field)
        for f in others
        for other in raw_accesses(f)
    )


def _written(access: RawAccess) -> str:
    if access.field == "_mapcount":
        return f"`{access.via}` writes `_mapcount` of a page; only rmap in mm keeps it"
    return f"`{access.via}` writes `{access.field}` of a page; use the helpers of page_ref.h"


RULE = Rule(
    code="REF101",
    name="raw-page-refcount",
    summary="the reference count of a page is written without the helpers of page_ref.h",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(raw_accesses,),
    check=check,
    partial=True,
    places=COUNTERS,
    scenario=RAW1,
)
