"""REF110 tail-page-refcount: a primitive of the page count is used on a page that may be a tail.

## What it does
Reports `page_ref_*`, `get_page_unless_zero` and `put_page_testzero` on a page that was reached by counting from another
(`page + i`, `nth_page`) or comes from where any page of a large folio may come from (`pte_page`, `vmalloc_to_page`,
`virt_to_page`), and was not taken to its head.

## Why it matters
The count of a tail is always zero; that of its folio stands in the head. A try on a tail fails for ever, an increment
makes a live page of something that has none.

## Bad
```c
page = pte_page(pte);
if (!get_page_unless_zero(page))
        return 0;
```

## Good
```c
folio = page_folio(pte_page(pte));
if (!folio_try_get(folio))
        return 0;
```

## Limits
Pages from `pfn_to_page`, from parameters and fields are not judged, nor those of an address that counts on: who goes
through memory page by page knows its order. `get_page` and `put_page` go to the head by themselves. Nothing is
reported on the whole of 6.12; on 6.1 mc_handle_present_pte is, whose try on a tail fails, so that the page is skipped.

## Sources
include/linux/page_ref.h; digest of the ZONE_DEVICE reference thread, rule R-RC11 and scenario FG12.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.devpage import tail_counts
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import TAIL1


def check(function: Function) -> Iterator[Hit]:
    """Report each primitive on a page that may be a tail."""
    for call, why in tail_counts(function):
        yield function.hit(call, f"`{call.value}` counts on {why}, which may be a tail page without a count of its own")


RULE = Rule(
    code="REF110",
    name="tail-page-refcount",
    summary="a primitive of the page count is used on a page that may be a tail",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(tail_counts,),
    tables=("ref_helpers",),
    check=check,
    scenario=TAIL1,
)
