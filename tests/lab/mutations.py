"""What is taken out of the kernel, one thing at a time. Anchors of linux 6.12; the words around them are ours."""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.edits import Edit

MEMORY, RMAP_H, RMAP, GUP = "mm/memory.c", "include/linux/rmap.h", "mm/rmap.c", "mm/gup.c"
URING, PINS = "io_uring/rsrc.c", "io_uring/memmap.c"
COPY_ONE, COPY_ALL = "copy_present_page", "copy_present_ptes"
SILENT = Edit(
    GUP,
    "sanity_check_pinned_pages",
    "VM_BUG_ON_PAGE(!PageAnonExclusive(&folio->page), page);",
    ";",
    "statement",
)
SILENT_WALK = Edit(
    GUP,
    "follow_page_pte",
    "VM_BUG_ON_PAGE((flags & FOLL_PIN) && PageAnon(page) && !PageAnonExclusive(page), page);",
    ";",
    "statement",
)
"""The kernel asserts what the mutation breaks and would stop there; without the assertion the damage itself is seen."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Edits that belong together, by a name of ours, and what they amount to."""

    name: str
    says: str
    edits: tuple[Edit, ...]


def _expression(name: str, says: str, *places: tuple[str, str, str, str], nth: int = 0) -> Mutation:
    return Mutation(name, says, tuple(Edit(*place, nth=nth) for place in places))


def _statement(name: str, says: str, file: str, function: str, whole: str, broken: str, nth: int = 0) -> Mutation:
    return Mutation(name, says, (Edit(file, function, whole, broken, "statement", nth),))


_DUP = (RMAP_H, "__folio_try_dup_anon_rmap")
_REUSE = (MEMORY, "wp_can_reuse_anon_folio")
_UNMAP = (RMAP, "try_to_unmap_one")
_MIGRATE = (RMAP, "try_to_migrate_one")
_PINNED = "folio_maybe_dma_pinned(folio)"
_BY_COUNT = Edit(MEMORY, "do_wp_page", "PageAnonExclusive(vmf->page)", "false")
_RECLAIM = (
    Edit("mm/vmscan.c", "shrink_folio_list", _PINNED, "false"),
    Edit("mm/vmscan.c", "shrink_folio_list", _PINNED, "false", nth=1),
    Edit(RMAP_H, "__folio_try_share_anon_rmap", _PINNED, "false"),
)

MUTATIONS: tuple[Mutation, ...] = (
    _expression(
        "fork-guard-pte",
        "fork shares a pinned page mapped by a PTE",
        (*_DUP, "unlikely(maybe_pinned)", "false"),
    ),
    _expression(
        "fork-guard-pmd",
        "fork shares a pinned page mapped by a PMD",
        (*_DUP, "unlikely(maybe_pinned)", "false"),
        nth=1,
    ),
    _expression(
        "fork-guard-hugetlb",
        "fork shares a pinned hugetlb page",
        (RMAP_H, "hugetlb_try_dup_anon_rmap", "folio_needs_cow_for_dma(vma, folio)", "false"),
    ),
    _expression(
        "fork-without-gate",
        "fork asks the page only, not whether the process ever pinned",
        (*_DUP, "folio_needs_cow_for_dma(src_vma, folio)", _PINNED),
    ),
    Mutation(
        "pin-flag-slow-only",
        "the fast path of GUP does not say that the process pins",
        (Edit(GUP, "gup_fast_fallback", "gup_flags & FOLL_PIN", "false"), SILENT),
    ),
    Mutation(
        "fork-unseen-by-fast-gup",
        "fast GUP does not look at write_protect_seq",
        (
            Edit(GUP, "gup_fast", "seq & 1", "false"),
            Edit(GUP, "gup_fast", "read_seqcount_retry(&current->mm->write_protect_seq, seq)", "false"),
            Edit(MEMORY, COPY_ALL, "rss[MM_ANONPAGES]++;", "addr", "window"),
            SILENT,
        ),
    ),
    _expression(
        "reuse-by-mapcount",
        "a write-protect fault writes in place when the page has one mapper",
        (*_REUSE, "folio_ref_count(folio) > 3", "folio_mapcount(folio) > 1"),
        (*_REUSE, "folio_ref_count(folio) > 1 + folio_test_swapcache(folio)", "folio_mapcount(folio) > 1"),
        (*_REUSE, "folio_ref_count(folio) != 1", "folio_mapcount(folio) != 1"),
    ),
    Mutation(
        "exclusive-not-asked",
        "a write-protect fault goes by the count alone, as before PageAnonExclusive",
        (
            _BY_COUNT,
            Edit("mm/mprotect.c", "can_change_pte_writable", "PageAnonExclusive(page)", "false"),
        ),
    ),
    Mutation(
        "pin-without-unshare",
        "a pin for reading takes a page that others share",
        (Edit("mm/internal.h", "gup_must_unshare", "!PageAnonExclusive(page)", "false"), SILENT, SILENT_WALK),
    ),
    Mutation(
        "fast-pin-without-unshare",
        "a fast pin for reading takes a page that others share",
        (Edit(GUP, "gup_fast_pte_range", "gup_must_unshare(NULL, flags, page)", "false"), SILENT),
    ),
    _expression(
        "fast-gup-without-permission",
        "fast GUP takes a page for writing that the entry lets nobody write",
        (GUP, "gup_fast_pte_range", "!pte_access_permitted(pte, flags & FOLL_WRITE)", "false"),
    ),
    _expression(
        "forced-write-without-cow",
        "a forced write does not ask for a private page",
        (GUP, "can_follow_write_pte", "!PageAnon(page)", "false"),
        (GUP, "can_follow_write_pte", "!PageAnonExclusive(page)", "false"),
    ),
    _expression(
        "marker-kept-in-fork",
        "fork leaves the exclusive marker on a page that it shares",
        (*_DUP, "PageAnonExclusive(page)", "false"),
    ),
    _expression(
        "marker-kept-in-swap-entry",
        "fork leaves the exclusive marker in a swap entry that it shares",
        (MEMORY, "copy_nonpresent_pte", "pte_swp_exclusive(orig_pte)", "false"),
    ),
    _expression(
        "soft-dirty-clear-of-pinned",
        "clearing soft-dirty write-protects pinned pages too",
        ("fs/proc/task_mmu.c", "pte_is_pinned", _PINNED, "false"),
    ),
    Mutation(
        "soft-dirty-clear-of-pinned-by-count",
        "the same, and a write-protect fault goes by the count alone",
        (Edit("fs/proc/task_mmu.c", "pte_is_pinned", _PINNED, "false"), _BY_COUNT),
    ),
    Mutation("reclaim-of-pinned", "reclaim unmaps pinned pages", _RECLAIM),
    Mutation(
        "reclaim-of-pinned-unmarked",
        "reclaim unmaps pinned pages and keeps no exclusive marker in the swap entry",
        (*_RECLAIM, Edit(*_UNMAP, "swp_pte = pte_swp_mkexclusive(swp_pte);", ";", "statement")),
    ),
    _expression(
        "uffd-wp-lost-in-swap",
        "the userfaultfd-wp bit does not go into the swap entry",
        (*_UNMAP, "pte_uffd_wp(pteval)", "false"),
    ),
    _expression(
        "uffd-wp-lost-in-fork",
        "the userfaultfd-wp bit does not go to a child that is watched",
        (MEMORY, "__copy_present_ptes", "!userfaultfd_wp(dst_vma)", "true"),
    ),
    _expression(
        "uffd-wp-lost-in-mremap",
        "mremap clears the userfaultfd-wp bit though the new place is watched",
        ("mm/mremap.c", "move_ptes", "vma_has_uffd_without_event_remap(vma)", "true"),
    ),
    _expression(
        "uffd-wp-lost-in-unshare",
        "unsharing for a pin forgets the userfaultfd-wp bit",
        (MEMORY, "wp_page_copy", "pte_uffd_wp(vmf->orig_pte)", "false"),
    ),
    _expression(
        "uffd-event-for-unshare",
        "unsharing for a pin tells the monitor of a write",
        (MEMORY, "do_wp_page", "likely(!unshare)", "true"),
    ),
    _expression(
        "soft-dirty-lost-in-swap",
        "the soft-dirty bit does not go into the swap entry",
        (*_UNMAP, "pte_soft_dirty(pteval)", "false"),
    ),
    _expression(
        "soft-dirty-lost-in-migration",
        "the soft-dirty bit does not go into the migration entry",
        (*_MIGRATE, "pte_soft_dirty(pteval)", "false"),
        nth=0,
    ),
    _statement(
        "dirty-dropped-at-unmap",
        "unmapping drops the dirty bit of the entry",
        MEMORY,
        "zap_present_folio_ptes",
        "folio_mark_dirty(folio);",
        ";",
    ),
    _statement(
        "alloc-under-ptl",
        "fork allocates the copy with the page-table locks held",
        MEMORY,
        COPY_ONE,
        "return -EAGAIN;",
        "new_folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, dst_vma, addr, false); if (!new_folio || "
        "mem_cgroup_charge(new_folio, dst_vma->vm_mm, GFP_KERNEL)) return -EAGAIN; *prealloc = new_folio;",
    ),
    _expression(
        "folio-lock-under-ptl",
        "MADV_FREE waits for the folio lock with the page-table lock held",
        ("mm/madvise.c", "madvise_free_pte_range", "!folio_trylock(folio)", "(folio_lock(folio), false)"),
        nth=1,
    ),
    _statement(
        "ptl-kept-after-unshare",
        "the way out after unsharing keeps the page-table lock",
        MEMORY,
        "do_wp_page",
        "pte_unmap_unlock(vmf->pte, vmf->ptl);",
        ";",
        nth=1,
    ),
    _statement(
        "walk-left-locked",
        "KSM leaves a mapped walk without ending it",
        "mm/ksm.c",
        "write_protect_page",
        "page_vma_mapped_walk_done(&pvmw);",
        ";",
    ),
    _statement(
        "copy-without-lru",
        "the copy that fork makes goes on no LRU list",
        MEMORY,
        COPY_ONE,
        "folio_add_lru_vma(new_folio, dst_vma);",
        ";",
    ),
    _statement(
        "copy-without-rmap",
        "the copy that fork makes has no reverse mapping",
        MEMORY,
        COPY_ONE,
        "folio_add_new_anon_rmap(new_folio, dst_vma, addr, RMAP_EXCLUSIVE);",
        ";",
    ),
    _statement(
        "copy-not-uptodate",
        "the copy that fork makes is not marked up to date",
        MEMORY,
        COPY_ONE,
        "__folio_mark_uptodate(new_folio);",
        ";",
    ),
    _statement(
        "pin-flag-inherited",
        "a child's mm starts with the flags of its parent",
        "kernel/fork.c",
        "mm_init",
        "mm->flags = mmf_init_flags(current->mm->flags);",
        "mm->flags = current->mm->flags;",
    ),
    _statement(
        "dirty-dropped-in-migration",
        "migration clears a dirty entry and tells the folio nothing",
        RMAP,
        "try_to_migrate_one",
        "folio_mark_dirty(folio);",
        ";",
    ),
    _expression(
        "partial-pin-taken-for-success",
        "a registration goes on with fewer pages than it asked for",
        (PINS, "io_pin_pages", "ret == nr_pages", "ret > 0"),
    ),
    _statement(
        "folio-unlocked-twice",
        "MADV_FREE unlocks the folio twice",
        "mm/madvise.c",
        "madvise_free_pte_range",
        "folio_clear_dirty(folio);",
        "folio_clear_dirty(folio); folio_unlock(folio);",
    ),
    _statement(
        "reference-before-copy",
        "fork keeps the reference to the page that it copies",
        MEMORY,
        COPY_ALL,
        "folio_put(folio);",
        ";",
    ),
    _statement(
        "address-advanced-before-retry",
        "fork goes to the next address before it retries with the page allocated",
        MEMORY,
        "copy_pte_range",
        "prealloc = folio_prealloc(src_mm, src_vma, addr, false);",
        "prealloc = folio_prealloc(src_mm, src_vma, addr, false); addr += PAGE_SIZE;",
    ),
    _statement(
        "old-page-kept-by-cow",
        "COW keeps the reference to the old page",
        MEMORY,
        "wp_page_copy",
        "folio_put(old_folio);",
        ";",
        nth=1,
    ),
    _statement(
        "pins-kept-on-error",
        "a registration that fails in the middle keeps the pins it has",
        PINS,
        "io_pin_pages",
        "unpin_user_pages(pages, ret);",
        ";",
    ),
    _statement(
        "pin-released-by-put",
        "the pins of a registered buffer are released by folio_put",
        URING,
        "io_buffer_unmap",
        "unpin_user_folio(folio, 1);",
        "folio_put(folio);",
    ),
    _statement(
        "put-twice",
        "fork drops two references to the page that it copies",
        MEMORY,
        COPY_ALL,
        "folio_put(folio);",
        "folio_put(folio); folio_put(folio);",
    ),
    Mutation(
        "raw-count",
        "fork raises the count by load and store",
        (
            Edit(
                MEMORY,
                COPY_ALL,
                "folio_get(folio);",
                "{ int count = folio_ref_count(folio); lab_window(addr + 1); set_page_count(page, count + 1); }",
                "statement",
            ),
        ),
    ),
)


def by_name() -> dict[str, Mutation]:
    """All mutations by name."""
    return {mutation.name: mutation for mutation in MUTATIONS}
