"""Functions that run under a lock of callers which hunks do not show."""

from __future__ import annotations

from mmlint.facts.locks.entered import entered_sleeps
from mmlint.facts.program import Program
from mmlint.inputs.tree import EmptyTree, OverlayTree

HUNKS = b"""
static bool make_copy(struct vm_area_struct *vma, unsigned long addr, gfp_t gfp)
{
	struct page *page = alloc_page_vma(GFP_HIGHUSER_MOVABLE, vma, addr);

	return page && alloc_page(GFP_NOWAIT) && alloc_page(gfp);
}

static void after_unlock(void)
{
	cond_resched();
}

static int copy_present_page(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma, spinlock_t *ptl)
{
	if (!make_copy(dst_vma, 0, GFP_ATOMIC))
		return -ENOMEM;
	spin_unlock(ptl);
	after_unlock();
	folio_lock(folio);
	return 0;
}

static void unrelated(void)
{
	cond_resched();
}
"""
PATH = "mm/memory.c"


def found(partial: bool) -> dict[str, list[str]]:
    program = Program(OverlayTree(EmptyTree(), {PATH: HUNKS}), partial=partial)
    return {f.name: [s.call.value for s in entered_sleeps(f)] for f in program.functions(PATH)}


def test_sleeper_below_a_function_that_is_entered_with_the_lock_held() -> None:
    assert found(partial=True) == {
        "make_copy": ["alloc_page_vma"],
        "after_unlock": [],
        "copy_present_page": [],
        "unrelated": [],
    }


def test_site_names_the_function_and_the_lock() -> None:
    program = Program(OverlayTree(EmptyTree(), {PATH: HUNKS}), partial=True)
    (sleep,) = entered_sleeps(program.named(PATH, "make_copy")[0])
    assert (sleep.kind, sleep.lock_name) == ("ptl", "copy_present_page")


def test_with_a_tree_locks_are_followed_instead() -> None:
    assert all(names == [] for names in found(partial=False).values())
