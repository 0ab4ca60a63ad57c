"""The doctor on a small tree of our own, doctored in one place at a time, and on real trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mmlint.facts.program import Program
from mmlint.inputs.tree import FolderTree
from mmlint.kernel.canaries import canaries
from mmlint.kernel.doctor import examine, report
from mmlint.kernel.release import release_of
from mmlint.kernel.tables import tables

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n"
GFP = """
#define ___GFP_DIRECT_RECLAIM	0x400u
#define ___GFP_KSWAPD_RECLAIM	0x800u
#define ___GFP_IO	0x40u
#define ___GFP_FS	0x80u
#define ___GFP_HIGH	0x20u
#define __GFP_DIRECT_RECLAIM	((__force gfp_t)___GFP_DIRECT_RECLAIM)	/* may wait */
#define __GFP_KSWAPD_RECLAIM	((__force gfp_t)___GFP_KSWAPD_RECLAIM)
#define __GFP_RECLAIM ((__force gfp_t)(___GFP_DIRECT_RECLAIM|___GFP_KSWAPD_RECLAIM))
#define __GFP_IO	((__force gfp_t)___GFP_IO)
#define __GFP_FS	((__force gfp_t)___GFP_FS)
#define __GFP_HIGH	((__force gfp_t)___GFP_HIGH)
#define GFP_ATOMIC	(__GFP_HIGH|__GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL	(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT GFP_KERNEL
#define GFP_NOWAIT	(__GFP_KSWAPD_RECLAIM)
#define GFP_NOIO	(__GFP_RECLAIM)
#define GFP_NOFS	(__GFP_RECLAIM | __GFP_IO)
#define GFP_USER	GFP_KERNEL
#define GFP_HIGHUSER	GFP_USER
#define GFP_HIGHUSER_MOVABLE	GFP_USER
#define GFP_TRANSHUGE_LIGHT	((GFP_HIGHUSER_MOVABLE | __GFP_HIGH) & \\
				~__GFP_RECLAIM)
#define GFP_TRANSHUGE	(GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM)
"""
MUTEX = """
void mutex_lock(struct mutex *lock);
#define mutex_lock_nested(lock, subclass) mutex_lock(lock)
#define mutex_lock_io_nested(lock, subclass) mutex_lock_io(lock)
#define mutex_lock_nest_lock(lock, nest) mutex_lock(lock)
int mutex_lock_interruptible(struct mutex *lock);
int mutex_lock_killable(struct mutex *lock);
int mutex_lock_interruptible_nested(struct mutex *lock, unsigned int subclass);
int mutex_lock_killable_nested(struct mutex *lock, unsigned int subclass);
void mutex_lock_io(struct mutex *lock);
int mutex_trylock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
int atomic_dec_and_mutex_lock(atomic_t *cnt, struct mutex *lock);
DEFINE_GUARD(mutex, struct mutex *, mutex_lock(_T), mutex_unlock(_T))
DEFINE_GUARD_COND(mutex, _try, mutex_trylock(_T))
DEFINE_GUARD_COND(mutex, _intr, mutex_lock_interruptible(_T) == 0)
"""
HUGETLB = """
static inline spinlock_t *huge_pte_lockptr(struct hstate *h, struct mm_struct *mm, pte_t *pte)
{
	return &mm->page_table_lock;
}
static inline spinlock_t *huge_pte_lock(struct hstate *h, struct mm_struct *mm, pte_t *pte)
{
	spinlock_t *ptl;

	ptl = huge_pte_lockptr(h, mm, pte);
	spin_lock(ptl);
	return ptl;
}
"""
RMAP = """
static __always_inline int __folio_try_dup_anon_rmap(struct folio *folio, struct page *page)
{
	if (unlikely(folio_needs_cow_for_dma(src_vma, folio)))
		return -EBUSY;
	return 0;
}
static inline int folio_try_dup_anon_rmap_pte(struct folio *folio, struct page *page)
{
	return __folio_try_dup_anon_rmap(folio, page);
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a Makefile and three headers, each with all that the tables say of it or an incomplete neighbour."""
    (tmp_path / "include/linux").mkdir(parents=True)
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "include/linux/gfp_types.h").write_text(GFP)
    (tmp_path / "include/linux/mutex.h").write_text(MUTEX)
    return tmp_path


def doctored(tree: Path, path: str, old: str, new: str, text: str = "") -> set[tuple[str, str]]:
    """What the doctor newly says after `old` became `new` in a file."""
    file = tree / path
    content = text or file.read_text()
    file.write_text(content)
    before = {(each.check, each.name) for each in examine(tree)}
    assert old in content
    file.write_text(content.replace(old, new))
    return {(each.check, each.name) for each in examine(tree)} - before


def test_small_tree_is_judged_by_what_it_has(tree: Path) -> None:
    missing = {each.name for each in examine(tree)}
    assert all(name.startswith(("__GFP", "GFP")) for name in missing)


def test_renamed_lock_function(tree: Path) -> None:
    found = doctored(tree, "include/linux/mutex.h", "int mutex_trylock(", "int mutex_attempt(")
    assert ("name", "mutex_trylock") in found


def test_lost_scope_guard(tree: Path) -> None:
    assert doctored(tree, "include/linux/mutex.h", "_intr, mutex", "_int, mutex") == {("name", "mutex_intr")}


def test_redefined_mask(tree: Path) -> None:
    found = doctored(tree, "include/linux/gfp_types.h", "GFP_KERNEL	(__GFP_RECLAIM |", "GFP_KERNEL	(__GFP_HIGH |")
    assert ("gfp", "GFP_KERNEL") in found
    assert ("gfp", "GFP_ATOMIC") not in found


def test_mask_that_starts_to_sleep(tree: Path) -> None:
    found = doctored(tree, "include/linux/gfp_types.h", "~__GFP_RECLAIM", "~__GFP_IO")
    assert ("gfp", "GFP_TRANSHUGE_LIGHT") in found


def test_lock_function_that_no_longer_locks(tree: Path) -> None:
    found = doctored(tree, "include/linux/hugetlb.h", "\tspin_lock(ptl);\n", "", HUGETLB)
    assert ("lock", "huge_pte_lock") in found


def test_moved_pinned_check(tree: Path) -> None:
    old = "\tif (unlikely(folio_needs_cow_for_dma(src_vma, folio)))\n\t\treturn -EBUSY;\n"
    found = doctored(tree, "include/linux/rmap.h", old, "", RMAP)
    assert found == {("guard", "__folio_try_dup_anon_rmap")}


def test_moved_argument(tree: Path) -> None:
    text = "void *mempool_alloc(mempool_t *pool, gfp_t gfp_mask);\n"
    found = doctored(tree, "include/linux/mempool.h", "pool, gfp_t gfp_mask", "pool, int nid, gfp_t gfp_mask", text)
    assert ("argument", "mempool_alloc") in found


def test_not_a_kernel(tmp_path: Path) -> None:
    (only,) = examine(tmp_path)
    assert only.check == "tree"
    assert str(tmp_path) in str(only)


def test_release_from_headers_alone(tmp_path: Path) -> None:
    (tmp_path / "include/linux").mkdir(parents=True)
    header = tmp_path / "include/linux/rmap.h"
    header.write_text("static inline int page_try_dup_anon_rmap(struct page *page)\n")
    assert release_of(tmp_path) == "6.7"
    header.write_text(RMAP)
    assert release_of(tmp_path) == "6.8"


def test_silent_canary_is_reported(tree: Path) -> None:
    quiet = [each for each in examine(tree, lambda canary: canary.code != "PTL101") if each.check == "canary"]
    assert [each.name for each in quiet] == ["PTL101"]


def test_canaries_speak_the_trees_language() -> None:
    new, old = ({c.code: c.text for c in canaries(release)} for release in ("6.12", "6.1"))
    assert "ptep_get(src_pte)" in new["COW101"]
    assert "*(src_pte)" in old["COW101"]


def test_report_counts() -> None:
    assert "nowhere: kernel unknown: 1 difference to the tables" in report("nowhere", examine("nowhere"))


def kernels() -> list[Path]:
    named = [Path(part) for part in os.environ.get("MMLINT_KERNELS", "").split(":") if part]
    return [path for path in named or sorted((Path.home() / "kernel").glob("linux-source-*")) if (path / "mm").is_dir()]


@pytest.mark.kernel
@pytest.mark.parametrize("tree", kernels() or [None], ids=lambda tree: tree.name if tree else "none")
def test_tables_fit_a_real_tree(tree: Path | None) -> None:
    if tree is None:
        pytest.skip("no kernel tree (MMLINT_KERNELS)")
    assert [str(each) for each in examine(tree)] == []


@pytest.mark.kernel
@pytest.mark.parametrize("tree", kernels() or [None], ids=lambda tree: tree.name if tree else "none")
def test_headers_have_the_two_arms_that_the_tables_say(tree: Path | None) -> None:
    if tree is None:
        pytest.skip("no kernel tree (MMLINT_KERNELS)")
    program = Program(FolderTree(str(tree)))
    arms: dict[str, set[str]] = {}
    for path in {row.path for row in tables().two_arms.values()}:
        for function in program.functions(path):
            arms.setdefault(function.name, set()).add(function.source.condition)
    assert [name for name in tables().two_arms if len(arms.get(name, ())) < 2] == []
