"""COW112 incomplete-new-anon-page: a new anonymous page is mapped without a step that makes it one.

## What it does
Looks at functions that enter a new page into the reverse map (`folio_add_new_anon_rmap`) and reports when the page is
not put on an LRU list, was copied into and is not marked uptodate, or comes from the page allocator in the same
function and is charged to no memory cgroup; and at functions that allocate a page, copy into it and make an entry of it
without a reverse map.

## Why it matters
A page that is not on the LRU is never reclaimed, one that is not in the reverse map can be neither migrated nor
unmapped and is counted wrong, one that is not uptodate makes later checks of its content fail. One that is not charged
lets a group use more memory than its limit, and its uncharge at the end finds nothing.

## Bad
```c
copy_user_highpage(new_page, page, addr, vma);
page_add_new_anon_rmap(new_page, vma, addr);
set_pte_at(mm, addr, pte, entry);
```

## Good
```c
copy_user_highpage(new_page, page, addr, vma);
__SetPageUptodate(new_page);
page_add_new_anon_rmap(new_page, vma, addr);
lru_cache_add_inactive_or_unevictable(new_page, vma);
set_pte_at(mm, addr, pte, entry);
```

## Limits
The memcg charge is made where the page is allocated: where that is another function, it is not asked for here. Steps in
a callee other than the ones the tables name are not seen, but for the charge. hugetlb pages are on no LRU and not
looked at.

## Sources
linux-mm thread of August 2020, review of the early copy (digest 000, D4, S17 and S29); mm/memory.c wp_page_copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmlint.facts.entries.newpage import new_pages
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import CHARGE1, S17


def check(function: Function) -> Iterator[Hit]:
    """Report each new page with the steps that are missing."""
    for page in new_pages(function):
        hit = function.hit(page.call, f"new anonymous page without {' and '.join(page.missing)}")
        yield replace(hit, scenario=CHARGE1 if page.missing == ("memcg charge",) else None)


RULE = Rule(
    code="COW112",
    name="incomplete-new-anon-page",
    summary="a new anonymous page is mapped without LRU, uptodate mark, memcg charge or reverse map",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(new_pages,),
    tokens=(
        "page_add_new_anon_rmap",
        "folio_add_new_anon_rmap",
        "mk_pte",
        "mk_pmd",
        "mk_huge_pte",
        "mk_huge_pmd",
        "make_huge_pte",
        "folio_mk_pte",
        "folio_mk_pmd",
    ),
    check=check,
    partial=True,
    scenario=S17,
)
