"""Bugs planted in mm/memory.c, and twins of theirs that look wrong and are right. Kernel style, our own.

`@DUP@` is the try-dup of an anonymous mapping in the tree's own spelling. Each bug is marked `/* code */` at its line.
"""

DUP = {
    "6.1": "page_try_dup_anon_rmap(page, false, src_vma)",
    "6.12": "folio_try_dup_anon_rmap_pte(folio, page, src_vma)",
}

BUGS = """
int mmlint_direct(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, void **out)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(mm, pmd, addr, &ptl);

	if (!pte)
		return -EAGAIN;
	*out = kmalloc(64, GFP_KERNEL); /* PTL101 */
	pte_unmap_unlock(pte, ptl);
	return 0;
}

static void *mmlint_allocate(size_t size)
{
	return kmalloc(size, GFP_KERNEL);
}

int mmlint_through_helper(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, void **out)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(mm, pmd, addr, &ptl);

	if (!pte)
		return -EAGAIN;
	*out = mmlint_allocate(64); /* PTL101 */
	pte_unmap_unlock(pte, ptl);
	return 0;
}

int mmlint_pmd(struct mm_struct *mm, pmd_t *pmd, void **out)
{
	spinlock_t *ptl = pmd_lock(mm, pmd);

	*out = kmalloc(64, GFP_KERNEL); /* PTL101 */
	spin_unlock(ptl);
	return 0;
}

int mmlint_spin(spinlock_t *lock, void **out)
{
	spin_lock(lock);
	*out = kmalloc(64, GFP_KERNEL); /* PTL101 */
	spin_unlock(lock);
	return 0;
}

int mmlint_spin_through_helper(spinlock_t *lock, void **out)
{
	spin_lock(lock);
	*out = mmlint_allocate(64); /* PTL101 */
	spin_unlock(lock);
	return 0;
}

void mmlint_counts(struct page *page, struct folio *folio)
{
	atomic_inc(&page->_refcount); /* REF101 */
	atomic_add(3, &folio->_refcount); /* REF101 */
	folio->_refcount.counter--; /* REF101 */
	if (atomic_dec_and_test(&folio->_refcount)) /* REF101 */
		__folio_put(folio);
}

void copy_mmlint_pte(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma, pte_t *dst_pte,
		pte_t *src_pte, unsigned long addr)
{
	pte_t pte = ptep_get(src_pte);
	struct page *page = vm_normal_page(src_vma, addr, pte);

	get_page(page);
	ptep_set_wrprotect(src_vma->vm_mm, addr, src_pte); /* COW101 */
	set_pte_at(dst_vma->vm_mm, addr, dst_pte, pte_wrprotect(pte));
}

int mmlint_wrapper(unsigned long uaddr, struct page **pages, int nr)
{
	return pin_user_pages_fast(uaddr, nr, FOLL_WRITE, pages); /* GUP101 */
}

struct mmlint_region {
	struct page **pages;
	int nr;
};

int mmlint_register(struct mmlint_region *region, unsigned long uaddr, int nr)
{
	region->nr = pin_user_pages_fast(uaddr, nr, FOLL_WRITE, region->pages); /* GUP101 */
	return region->nr < 0 ? region->nr : 0;
}

void mmlint_unregister(struct mmlint_region *region)
{
	unpin_user_pages(region->pages, region->nr);
}
"""

TWINS = """
int mmlint_after_unlock(spinlock_t *lock, bool again, void **out)
{
	spin_lock(lock);
	if (again) {
		spin_unlock(lock);
		*out = kmalloc(64, GFP_KERNEL);
		spin_lock(lock);
	}
	spin_unlock(lock);
	return 0;
}

int mmlint_mask_by_flag(spinlock_t *lock, bool locked, void **out)
{
	if (locked)
		spin_lock(lock);
	*out = kmalloc(64, locked ? GFP_ATOMIC : GFP_KERNEL);
	if (locked)
		spin_unlock(lock);
	return 0;
}

int mmlint_not_mapped(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, void **out)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(mm, pmd, addr, &ptl);

	if (!pte) {
		*out = kmalloc(64, GFP_KERNEL);
		return -EAGAIN;
	}
	pte_unmap_unlock(pte, ptl);
	return 0;
}

void mmlint_wake(struct folio *folio)
{
	wake_up_var(&folio->_refcount);
}

struct mmlint_good_region {
	struct page **pages;
	int nr;
};

int mmlint_good_register(struct mmlint_good_region *region, unsigned long uaddr, int nr, bool writable)
{
	unsigned int flags = FOLL_LONGTERM;

	if (writable)
		flags |= FOLL_WRITE;
	region->nr = pin_user_pages_fast(uaddr, nr, flags, region->pages);
	return region->nr < 0 ? region->nr : 0;
}

void mmlint_good_unregister(struct mmlint_good_region *region)
{
	unpin_user_pages(region->pages, region->nr);
}

int copy_mmlint_checked_pte(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma, pte_t *dst_pte,
		pte_t *src_pte, unsigned long addr)
{
	pte_t pte = ptep_get(src_pte);
	struct page *page = vm_normal_page(src_vma, addr, pte);
	struct folio *folio = page_folio(page);

	folio_get(folio);
	if (@DUP@) {
		folio_put(folio);
		return -EAGAIN;
	}
	ptep_set_wrprotect(src_vma->vm_mm, addr, src_pte);
	set_pte_at(dst_vma->vm_mm, addr, dst_pte, pte_wrprotect(pte));
	return 0;
}

static void copy_mmlint_shared_pte(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma, pte_t *dst_pte,
		pte_t *src_pte, pte_t pte, unsigned long addr)
{
	ptep_set_wrprotect(src_vma->vm_mm, addr, src_pte);
	set_pte_at(dst_vma->vm_mm, addr, dst_pte, pte_wrprotect(pte));
}

int copy_mmlint_caller_pte(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma, pte_t *dst_pte,
		pte_t *src_pte, unsigned long addr)
{
	pte_t pte = ptep_get(src_pte);
	struct page *page = vm_normal_page(src_vma, addr, pte);
	struct folio *folio = page_folio(page);

	folio_get(folio);
	if (@DUP@) {
		folio_put(folio);
		return -EAGAIN;
	}
	copy_mmlint_shared_pte(dst_vma, src_vma, dst_pte, src_pte, pte, addr);
	return 0;
}

int copy_mmlint_pud(struct mm_struct *dst_mm, struct mm_struct *src_mm, pud_t *dst_pud, pud_t *src_pud,
		unsigned long addr, struct vm_area_struct *vma)
{
	spinlock_t *dst_ptl = pud_lock(dst_mm, dst_pud);
	spinlock_t *src_ptl = pud_lockptr(src_mm, src_pud);
	pud_t pud;

	spin_lock_nested(src_ptl, SINGLE_DEPTH_NESTING);
	pud = *src_pud;
	pudp_set_wrprotect(src_mm, addr, src_pud);
	set_pud_at(dst_mm, addr, dst_pud, pud_mkold(pud_wrprotect(pud)));
	spin_unlock(src_ptl);
	spin_unlock(dst_ptl);
	return 0;
}
"""
