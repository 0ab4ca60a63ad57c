"""COW101 unguarded-fork-write-protect: fork write-protects and shares a page that may be pinned.

## What it does
Looks at the functions that copy page tables at fork (`copy_*` with a source and a destination) and reports a
write-protection of the parent's entry (`ptep_set_wrprotect`, `wrprotect_ptes`, the PMD and hugetlb forms) that control
can reach for an anonymous page without a check for pins: `folio_try_dup_anon_rmap_*`, `page_try_dup_anon_rmap`,
`page_needs_cow_for_dma`, `page_maybe_dma_pinned` and their kin.

## Why it matters
Once the parent's entry is read-only, its next write copies the page away. The device that pinned it keeps writing to
the old one, which the parent no longer maps: DMA data is lost, or lands in the child.

## Bad
```c
get_page(page);
page_dup_rmap(page, false);
ptep_set_wrprotect(src_mm, addr, src_pte);
```

## Good
```c
if (folio_try_dup_anon_rmap_pte(folio, page, src_vma))
        return copy_present_page(dst_vma, src_vma, ...);
ptep_set_wrprotect(src_mm, addr, src_pte);
```

## Limits
Entries without a page, file pages, zero pages, mappings without COW and address spaces in which nothing was ever pinned
need no check. A helper that is handed the entry, or the entry and its page, is judged in its callers. At PUD level
there are no anonymous pages yet, so the missing check is only info.

## Sources
linux-mm thread of August 2020, L4343-4356 and L5335-5366; commit 70e806e4e645; include/linux/rmap.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.fork import OPEN, ForkSite, finds_page, fork_sites, is_fork_copy
from mmlint.facts.function import Function
from mmlint.facts.views.looked import FORK_COPIES
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S1


def check(function: Function) -> Iterator[Hit]:
    """Report the open sites of a fork copy function that looks the page up, or that no caller answers for."""
    sites = [site for site in fork_sites(function) if site.state == OPEN]
    if not sites or (not finds_page(function) and _has_callers(function)):
        return
    for site in sites:
        severity = Severity.INFO if site.level == "pud" else None
        yield function.hit(site.call, _message(site), steps=site.steps, severity=severity)


def _message(site: ForkSite) -> str:
    through = f", through `{site.call.value}`," if site.steps else ""
    return f"the parent's {site.entry} is write-protected{through} with no check whether the page is pinned"


def _has_callers(function: Function) -> bool:
    """Whether another fork copy function of the file calls it."""
    return any(
        function.name in other.calls
        for other in function.program.functions(function.path)
        if other is not function and other.has(function.name) and is_fork_copy(other)
    )


RULE = Rule(
    code="COW101",
    name="unguarded-fork-write-protect",
    summary="fork write-protects an entry with no check whether its page is pinned",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(fork_sites,),
    check=check,
    partial=True,
    places=FORK_COPIES,
    scenario=S1,
)
