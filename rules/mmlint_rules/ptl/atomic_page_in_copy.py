"""PTL102 atomic-page-in-copy: pages for a process are allocated with GFP_ATOMIC, out of the reserve.

## What it does
Reports a page allocation with GFP_ATOMIC by the policy of a VMA, or one whose page is copied into, cleared for a user,
charged or mapped (`copy_user_highpage()`, `folio_add_new_anon_rmap()`, `mk_pte()`), in the function itself or in a
helper that it hands the mask to.

## Why it matters
GFP_ATOMIC may use the reserve that interrupt handlers live on. A fork or a fault loop asks for as many pages as the
process has: it empties the reserve, and the network drops packets. The way out of a page-table lock is to drop it,
allocate with GFP_KERNEL, and retry.

## Bad
```c
new_page = alloc_page_vma(GFP_ATOMIC | __GFP_HIGHMEM, vma, addr);
if (!new_page)
        return -ENOMEM;
copy_user_highpage(new_page, page, addr, vma);
```

## Good
```c
new_page = *prealloc;
if (!new_page)
        return -EAGAIN;
copy_user_highpage(new_page, page, addr, vma);
```

## Limits
GFP_NOWAIT does not touch the reserve and is right. What only some ways set is not reported. A page from
`alloc_page()` that is filled in another function is not seen.

## Sources
linux-mm thread of August 2020, Linus Torvalds on the first draft (digest 000, D2, I15, S13).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.atomicpage import atomic_user_pages
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import S13


def check(function: Function) -> Iterator[Hit]:
    """Report each allocation of user pages from the reserve."""
    for found in atomic_user_pages(function):
        steps: tuple[Step, ...] = ()
        if found.inner is not None:
            callee, call = found.inner
            steps = (Step(callee.path, call.line, f"`{call.value}` gets the mask"),)
        yield function.hit(
            found.call, f"`{found.call.value}` takes pages for a process from the `GFP_ATOMIC` reserve", steps=steps
        )


RULE = Rule(
    code="PTL102",
    name="atomic-page-in-copy",
    summary="pages for a process are allocated with GFP_ATOMIC, out of the reserve",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(atomic_user_pages,),
    tokens=("GFP_ATOMIC",),
    shape=r"\bvma\b|\bstruct\s+(page|folio)\b",
    check=check,
    partial=True,
    scenario=S13,
)
