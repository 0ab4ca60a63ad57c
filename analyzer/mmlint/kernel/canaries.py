"""Known bugs in a tree's own spelling: an analyzer that no longer finds them has gone blind on that tree.

One snippet for each family whose API differs by release or is central. The text is ours; only the names are the tree's.
"""

from __future__ import annotations

from string import Template

from mmlint.frozen import dataclass
from mmlint.kernel.reader import version

_HEAD, _GUARD, _TAIL = (
    """
static int canary_keep(struct folio *folio)
{
	if (!folio_test_anon(folio) || folio_test_swapcache(folio))
		return 0;
""",
    """	if (folio_maybe_dma_pinned(folio))
		return 0;
""",
    """	if (!add_to_swap(folio))
		return -ENOMEM;
	return 1;
}
""",
)
_SNIPPETS = {
    "COW101": """
static int copy_canary_range(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma,
				pte_t *dst_pte, pte_t *src_pte, unsigned long addr)
{
	struct mm_struct *src_mm = src_vma->vm_mm;
	pte_t pte = $read(src_pte);
	struct page *page = vm_normal_page(src_vma, addr, pte);

	if (page)
		get_page(page);
	if (is_cow_mapping(src_vma->vm_flags) && pte_write(pte)) {
		ptep_set_wrprotect(src_mm, addr, src_pte);
		pte = pte_wrprotect(pte);
	}
	set_pte_at(dst_vma->vm_mm, addr, dst_pte, pte);
	return 0;
}
""",
    "DEV105": """
static int canary_map(unsigned long pfn, bool busy)
{
	struct dev_pagemap *pgmap = get_dev_pagemap(pfn, NULL);

	if (!pgmap)
		return -ENXIO;
	if (busy)
		return -EBUSY;
	put_dev_pagemap(pgmap);
	return 0;
}
""",
    "MIG101": """
static void canary_unmap(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr)
{
	struct mm_struct *mm = vma->vm_mm;
	spinlock_t *ptl;
	pte_t *pte, old;

	pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
	if (!pte)
		return;
	old = ptep_get_and_clear(mm, addr, pte);
	pte_unmap_unlock(pte, ptl);
	if (pte_present(old))
		flush_tlb_page(vma, addr);
}
""",
    "PAT106": _HEAD + _TAIL,
    "PTL101": """
static int canary_alloc(struct mm_struct *mm, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl;
	void *buffer;
	pte_t *pte;

	pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
	if (!pte)
		return -EAGAIN;
	buffer = kmalloc(64, GFP_KERNEL);
	pte_unmap_unlock(pte, ptl);
	kfree(buffer);
	return 0;
}
""",
    "REF101": """
static void canary_get(struct page *page)
{
	atomic_inc(&page->_refcount);
}
""",
    "GUP101": """
struct canary_region {
	struct page **pages;
	int nr;
};

int canary_register(struct canary_region *region, unsigned long start, int nr)
{
	region->pages = kvmalloc_array(nr, sizeof(*region->pages), GFP_KERNEL);
	if (!region->pages)
		return -ENOMEM;
	region->nr = pin_user_pages_fast(start, nr, FOLL_WRITE, region->pages);
	return region->nr;
}

void canary_release(struct canary_region *region)
{
	unpin_user_pages(region->pages, region->nr);
	kvfree(region->pages);
}
""",
}


_BEFORE = {"PAT106": _HEAD + _GUARD + _TAIL}
"""What the snippets of rules on patches were before the patch."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A snippet and the rule that has to find its bug; `before` is its text before the patch that brings the bug."""

    code: str
    text: str
    before: str = ""


def canaries(release: str) -> tuple[Canary, ...]:
    """The snippets with the names of one release. Raises TableError if that is not a release."""
    read = "ptep_get" if version(release) >= (6, 5) else "*"
    return tuple(
        Canary(code, Template(text).substitute(read=read), _BEFORE.get(code, "")) for code, text in _SNIPPETS.items()
    )
