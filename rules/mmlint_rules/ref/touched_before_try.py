"""REF119 touched-before-try: a page is marked before the try to take a reference on it.

## What it does
Reports a mark (`SetPageReferenced`, `folio_mark_accessed`, ...) on a page that an entry or a pfn only led to, when the
try to take a reference on that page stands behind it.

## Why it matters
Until the try succeeds the page may be freed and in other hands, as part of another compound page even: the flag is
set on somebody else's page, and the head that was computed may be none any more.

## Bad
```c
page = pfn_to_page(pfn);
SetPageReferenced(page);
if (!try_get_page(page))
        return 0;
```

## Good
```c
page = pfn_to_page(pfn);
if (!try_get_page(page))
        return 0;
SetPageReferenced(page);
```

## Limits
Reads before the try are left alone: some are part of a lookup that looks again afterwards. One finding on mm/ of 6.1
(a device's pages in fast GUP, whose pagemap is held), none on 6.12, where this order was mended.

## Sources
mm/gup.c, gup_fast_devmap_leaf; Documentation/mm/transhuge.rst on get_page and compound heads.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.touched import touched_before_try
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FG5


def check(function: Function) -> Iterator[Hit]:
    """Report each mark that comes before its page is held."""
    for touched in touched_before_try(function):
        mark, behind = touched.mark.value, touched.behind.value
        what = "the head of a page, if it still is its head, that" if touched.head else "a page that"
        step = function.step(touched.behind.line, f"`{behind}` tries to take the reference here")
        message = f"`{mark}` writes to {what} `{behind}` has yet to take"
        yield function.hit(touched.mark, message, steps=(step,), anchor=f"{mark}({'head()' if touched.head else ''})")


RULE = Rule(
    code="REF119",
    name="touched-before-try",
    summary="a page is marked before the try to take a reference on it",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(touched_before_try,),
    check=check,
    tables=("marks",),
    partial=True,
    scenario=FG5,
)
