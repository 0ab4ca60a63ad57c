"""COW111 fork-gate-missing: fork looks at the pin count of every page, also where nothing was ever pinned.

## What it does
Reports `page_maybe_dma_pinned` and `folio_maybe_dma_pinned` in the functions that copy page tables at fork where no
test of the mm's own flag (`has_pinned`, `MMF_HAS_PINNED`) stands before them.

## Why it matters
The count of a page can look pinned without being so: a page with more than a thousand references does. With the flag
of the mm asked first, only processes that use pins pay for such mistakes with early copies, and all others skip the
test.

## Bad
```c
if (page_maybe_dma_pinned(page))
        return copy_page_now(dst_vma, addr, page, dst_pte);
```

## Good
```c
if (page_needs_cow_for_dma(src_vma, page))
        return copy_page_now(dst_vma, addr, page, dst_pte);
```

## Limits
A matter of cost and rare needless copies, not of correctness: info. A gate in the caller is not seen.

## Sources
linux-mm thread of August 2020, L4626-5311 (digest 000, B3 and S19); include/linux/mm.h folio_needs_cow_for_dma.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.fork import ungated_checks
from mmlint.facts.function import Function
from mmlint.facts.views.looked import FORK_COPIES
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import GATE1


def check(function: Function) -> Iterator[Hit]:
    """Report each check without the gate."""
    for call in ungated_checks(function):
        yield function.hit(
            call, f"`{call.value}` for every page of the parent, without asking first if it ever pinned one"
        )


RULE = Rule(
    code="COW111",
    name="fork-gate-missing",
    summary="fork tests pages for pins without asking first if the mm ever pinned one",
    severity=Severity.INFO,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(ungated_checks,),
    check=check,
    partial=True,
    places=FORK_COPIES,
    scenario=GATE1,
)
