"""COW108 uffd-wp-dropped: a copied page gets a new entry that lost the userfaultfd write-protect bit of the old one.

## What it does
Reports functions that copy a user page, make an entry of the copy and install it, and in which nothing sets the
uffd-wp bit in the new entry (`pte_mkuffd_wp`, `pmd_mkuffd_wp`, `huge_pte_mkuffd_wp`). An entry that gets the bit only
if it has it already is reported as well: the question was meant for the old one.

## Why it matters
A copy can be forced without a write of the process (by GUP, or at fork for a pinned page) while the old entry is
write-protected by userfaultfd. If the new entry has no such bit, the listener never hears of the next write: a
snapshot taken this way is wrong.

## Bad
```c
copy_user_highpage(new_page, page, addr, src_vma);
pte = maybe_mkwrite(pte_mkdirty(mk_pte(new_page, dst_vma->vm_page_prot)), dst_vma);
set_pte_at(mm, addr, dst_pte, pte);
```

## Good
```c
pte = maybe_mkwrite(pte_mkdirty(mk_pte(new_page, dst_vma->vm_page_prot)), dst_vma);
if (userfaultfd_pte_wp(dst_vma, *src_pte))
        pte = pte_mkuffd_wp(pte);
set_pte_at(mm, addr, dst_pte, pte);
```

## Limits
A copy made in one function and installed in another is not seen. That a mapping cannot be registered with userfaultfd
is not known. One finding in mm/ of 6.1
(hugetlb_wp; that of 6.12 carries the bit), none in mm/ of 6.12.

## Sources
linux-mm thread of August 2020 (digest 000, E1 and S23); mm/memory.c copy_present_page and wp_page_copy;
mm/hugetlb.c hugetlb_wp.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.carried import bits_of_itself
from mmlint.facts.entries.newpage import copies_without_uffd
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S23


def check(function: Function) -> Iterator[Hit]:
    """Report the first entry of each function."""
    for _, call in copies_without_uffd(function)[:1]:
        yield function.hit(call, f"`{call.value}` makes the entry of a copied page and nothing carries uffd-wp over")
    for call, test in bits_of_itself(function)["uffd-wp"]:
        yield function.hit(call, f"`{call.value}` gives the bit to an entry that `{test.value}` found to have it")


RULE = Rule(
    code="COW108",
    name="uffd-wp-dropped",
    summary="the entry of a copied page loses the userfaultfd write-protect bit",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(copies_without_uffd, bits_of_itself),
    tokens=(
        *("mk_pte", "mk_pmd", "mk_huge_pte", "mk_huge_pmd", "make_huge_pte", "folio_mk_pte", "folio_mk_pmd"),
        *("pte_swp_mkuffd_wp", "pmd_swp_mkuffd_wp", "pte_mkuffd_wp", "pmd_mkuffd_wp", "huge_pte_mkuffd_wp"),
    ),
    check=check,
    scenario=S23,
)
