"""Locks held at chosen calls of mm/, written down from reading linux 6.12 (and 6.1, where the same call is there).

A state is a list of words: `ptl` a page-table lock, `map` a mapped page table, `walk` a `page_vma_mapped_walk` with its
lock, `lazy` lazy MMU mode, any other word a kind of the tables; `-ptl` means that the caller's lock was given back;
`none` means nothing of these. ` | ` parts the states in which the call can be reached. Kinds that a row does not name
(`folio_lock`, `notifier`, ...) are not looked at. `call#2` is the second call of that name in the text.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One call of one function, and what is held there."""

    path: str
    function: str
    call: str
    held: str


def rows(table: str) -> list[Row]:
    """The rows of a table, one a line: path, function, call, states."""
    found = []
    for line in table.strip().splitlines():
        path, function, call, held = line.split(maxsplit=3)
        found.append(Row(path, function, call, held))
    return found


READ = rows("""
mm/memory.c        copy_pte_range                    pte_offset_map_nolock        ptl map
mm/memory.c        copy_pte_range                    copy_present_ptes            ptl map ptl map lazy
mm/memory.c        copy_pte_range                    copy_nonpresent_pte          ptl map ptl map lazy
mm/memory.c        copy_pte_range                    add_mm_rss_vec               ptl map
mm/memory.c        copy_pte_range                    cond_resched                 none
mm/memory.c        copy_pte_range                    add_swap_count_continuation  none
mm/memory.c        copy_pte_range                    folio_prealloc               none
mm/memory.c        zap_pte_range                     tlb_change_page_size         none
mm/memory.c        zap_pte_range                     zap_present_ptes             ptl map lazy
mm/memory.c        zap_pte_range                     add_mm_rss_vec               ptl map lazy
mm/memory.c        zap_pte_range                     tlb_flush_mmu_tlbonly        ptl map
mm/memory.c        zap_pte_range                     tlb_flush_mmu                none
mm/memory.c        do_swap_page                      swapin_readahead             -map
mm/memory.c        do_swap_page                      folio_lock_or_retry          -map
mm/memory.c        do_swap_page                      folio_add_lru                -map
mm/memory.c        do_swap_page                      arch_swap_restore            ptl
mm/memory.c        do_swap_page                      do_wp_page                   ptl
mm/memory.c        do_swap_page                      put_swap_device              -map
mm/memory.c        do_anonymous_page                 pte_alloc                    none
mm/memory.c        do_anonymous_page                 alloc_anon_folio             none
mm/memory.c        do_anonymous_page                 handle_userfault             none
mm/memory.c        do_anonymous_page                 handle_userfault#2           none
mm/memory.c        do_anonymous_page                 check_stable_address_space#2 ptl map
mm/memory.c        do_anonymous_page                 folio_add_new_anon_rmap      ptl map
mm/memory.c        finish_fault                      pmd_install                  none
mm/memory.c        finish_fault                      set_pte_range                ptl map
mm/memory.c        finish_fault                      add_mm_counter               ptl map
mm/memory.c        wp_page_copy                      folio_prealloc               none
mm/memory.c        wp_page_copy                      mmu_notifier_invalidate_range_start  none
mm/memory.c        wp_page_copy                      ptep_clear_flush             ptl map notifier
mm/memory.c        wp_page_copy                      mmu_notifier_invalidate_range_end    notifier
mm/memory.c        wp_page_copy                      free_swap_cache              none
mm/memory.c        __wp_page_copy_user               __copy_from_user_inatomic#2  ptl map pagefault_off
mm/memory.c        __wp_page_copy_user               pagefault_enable             pagefault_off
mm/memory.c        do_wp_page                        vm_normal_page               none
mm/memory.c        do_wp_page                        handle_userfault             -ptl -map
mm/memory.c        do_wp_page                        wp_page_copy                 -ptl -map
mm/memory.c        do_numa_page                      migrate_misplaced_folio      -map
mm/memory.c        do_numa_page                      numa_rebuild_single_mapping  ptl
mm/memory.c        do_numa_page                      task_numa_fault              -map
mm/memory.c        handle_pte_fault                  ptep_get_lockless            map
mm/memory.c        handle_pte_fault                  do_pte_missing               none
mm/memory.c        handle_pte_fault                  do_swap_page                 map
mm/memory.c        handle_pte_fault                  do_wp_page                   ptl map
mm/memory.c        insert_page                       get_locked_pte               none
mm/memory.c        insert_page                       insert_page_into_pte_locked  ptl map
mm/memory.c        insert_pfn                        set_pte_at                   ptl map
mm/memory.c        remap_pte_range                   set_pte_at                   ptl map lazy
mm/memory.c        remove_device_exclusive_entry     folio_lock_or_retry          none
mm/memory.c        remove_device_exclusive_entry     restore_exclusive_pte        ptl map folio_lock
mm/memory.c        remove_device_exclusive_entry     mmu_notifier_invalidate_range_end    notifier
mm/memory.c        do_set_pmd                        pte_alloc_one                none
mm/memory.c        do_set_pmd                        set_pmd_at                   ptl
mm/memory.c        apply_to_pte_range                arch_enter_lazy_mmu_mode     none | ptl map
mm/mremap.c        move_ptes                         pte_offset_map_nolock        ptl map
mm/mremap.c        move_ptes                         ptep_get_and_clear          ptl map map lazy | ptl ptl map map lazy
mm/mremap.c        move_ptes                         spin_unlock                  ptl ptl map map
mm/mremap.c        move_ptes                         pte_unmap                    ptl map map
mm/mremap.c        move_ptes                         drop_rmap_locks              none
mm/mremap.c        move_normal_pmd                   pmd_clear                    ptl | ptl ptl
mm/mremap.c        move_normal_pmd                   spin_unlock                  ptl ptl
mm/khugepaged.c    collapse_huge_page                alloc_charge_folio           -mmap_lock
mm/khugepaged.c    collapse_huge_page                anon_vma_lock_write          none
mm/khugepaged.c    collapse_huge_page                pmdp_collapse_flush          ptl notifier anon_vma
mm/khugepaged.c    collapse_huge_page                __collapse_huge_page_isolate ptl map anon_vma
mm/khugepaged.c    collapse_huge_page                pmd_populate                 ptl anon_vma
mm/khugepaged.c    collapse_huge_page                __collapse_huge_page_copy    map
mm/khugepaged.c    collapse_huge_page                set_pmd_at                   ptl
mm/khugepaged.c    hpage_collapse_scan_pmd           vm_normal_page               ptl map
mm/khugepaged.c    hpage_collapse_scan_pmd           collapse_huge_page           none
mm/khugepaged.c    collapse_pte_mapped_thp           folio_remove_rmap_pte        ptl map | ptl ptl map
mm/khugepaged.c    collapse_pte_mapped_thp           pmdp_collapse_flush          ptl | ptl ptl
mm/khugepaged.c    collapse_pte_mapped_thp           mm_dec_nr_ptes               none
mm/khugepaged.c    retract_page_tables               pmdp_collapse_flush          ptl i_mmap | ptl ptl i_mmap
mm/khugepaged.c    retract_page_tables               mm_dec_nr_ptes               i_mmap
mm/rmap.c          try_to_unmap_one                  split_huge_pmd_locked        walk
mm/rmap.c          try_to_unmap_one                  flush_cache_range            walk
mm/rmap.c          try_to_unmap_one                  swap_duplicate               walk
mm/rmap.c          try_to_unmap_one                  list_add                     walk spin
mm/rmap.c          try_to_unmap_one                  mmu_notifier_invalidate_range_end    none
mm/rmap.c          try_to_migrate_one                set_pmd_migration_entry      walk
mm/rmap.c          try_to_migrate_one                page_vma_mapped_walk_done    walk
mm/rmap.c          try_to_migrate_one                mmu_notifier_invalidate_range_end    none
mm/rmap.c          page_vma_mkclean_one              ptep_clear_flush             walk notifier
mm/migrate.c       remove_migration_pte              folio_get                    walk
mm/migrate.c       migration_entry_wait              pte_unmap                    ptl map
mm/migrate.c       migration_entry_wait              migration_entry_wait_on_locked ptl
mm/migrate_device.c migrate_vma_collect_pmd          split_huge_pmd               none
mm/migrate_device.c migrate_vma_collect_pmd          spin_unlock                  ptl
mm/migrate_device.c migrate_vma_collect_pmd          folio_trylock                none
mm/migrate_device.c migrate_vma_collect_pmd          split_folio                  folio_lock
mm/migrate_device.c migrate_vma_collect_pmd          ptep_get_and_clear           ptl map lazy folio_lock
mm/migrate_device.c migrate_vma_insert_page          mem_cgroup_charge            none
mm/migrate_device.c migrate_vma_insert_page          check_stable_address_space   ptl map
mm/migrate_device.c migrate_vma_insert_page          folio_add_new_anon_rmap      ptl map
mm/hugetlb.c       hugetlb_fault                     hugetlb_no_page              mutex vma_lock
mm/hugetlb.c       hugetlb_fault                     pte_same                     ptl mutex vma_lock
mm/hugetlb.c       hugetlb_fault                     handle_userfault             none
mm/hugetlb.c       hugetlb_fault                     folio_wait_locked            none
mm/hugetlb.c       hugetlb_wp                        alloc_hugetlb_folio          -ptl
mm/hugetlb.c       hugetlb_wp                        unmap_ref_private            -ptl -mutex -vma_lock
mm/hugetlb.c       hugetlb_wp                        copy_user_large_folio        -ptl
mm/hugetlb.c       hugetlb_wp                        huge_ptep_clear_flush        notifier
mm/hugetlb.c       hugetlb_wp                        restore_reserve_on_error     -ptl
mm/hugetlb.c       hugetlb_wp                        delayacct_wpcopy_end         none
mm/hugetlb.c       hugetlb_no_page                   alloc_hugetlb_folio          none
mm/hugetlb.c       hugetlb_no_page                   hugetlb_add_file_rmap        ptl
mm/hugetlb.c       hugetlb_no_page                   hugetlb_wp                   ptl
mm/hugetlb.c       copy_hugetlb_page_range           huge_pte_alloc               none
mm/hugetlb.c       copy_hugetlb_page_range           alloc_hugetlb_folio          none
mm/hugetlb.c       copy_hugetlb_page_range           huge_ptep_set_wrprotect      ptl ptl
mm/hugetlb.c       copy_hugetlb_page_range           mmu_notifier_invalidate_range_end    notifier
mm/madvise.c       madvise_cold_or_pageout_pte_range is_huge_zero_pmd             ptl
mm/madvise.c       madvise_cold_or_pageout_pte_range split_folio                  folio_lock
mm/madvise.c       madvise_cold_or_pageout_pte_range cond_resched                 none
mm/madvise.c       madvise_cold_or_pageout_pte_range split_folio#2                folio_lock
mm/madvise.c       madvise_cold_or_pageout_pte_range reclaim_pages#2              none
mm/madvise.c       swapin_walk_pmd_entry             is_swap_pte                  ptl map
mm/madvise.c       swapin_walk_pmd_entry             read_swap_cache_async        none
mm/userfaultfd.c   mfill_atomic_install_pte          mfill_file_over_size         ptl map
mm/userfaultfd.c   mfill_atomic_install_pte          folio_add_new_anon_rmap      ptl map
mm/userfaultfd.c   mfill_atomic_pte_copy             copy_from_user               pagefault_off
mm/userfaultfd.c   mfill_atomic_pte_zeropage         set_pte_at                   ptl map
mm/userfaultfd.c   move_present_pte                  folio_maybe_dma_pinned       ptl ptl
mm/userfaultfd.c   move_swap_pte                     set_pte_at                   ptl ptl
mm/pagewalk.c      walk_pte_range                    walk_pte_range_inner         none | map
mm/pagewalk.c      walk_pte_range                    walk_pte_range_inner#2       ptl map
mm/mprotect.c      change_pte_range                  tlb_change_page_size         none
mm/mprotect.c      change_pte_range                  ptep_modify_prot_start       ptl map lazy
mm/mlock.c         mlock_pte_range                   mlock_folio                  ptl
mm/mlock.c         mlock_pte_range                   vm_normal_folio              ptl map
mm/mlock.c         mlock_pte_range                   cond_resched                 none
mm/mincore.c       mincore_pte_range                 memset                       ptl
mm/mincore.c       mincore_pte_range                 __mincore_unmapped_range     ptl map
mm/mincore.c       mincore_pte_range                 cond_resched                 none
mm/huge_memory.c   copy_huge_pmd                     pte_alloc_one                none
mm/huge_memory.c   copy_huge_pmd                     is_swap_pmd                  ptl ptl
mm/huge_memory.c   copy_huge_pmd                     __split_huge_pmd             none
mm/huge_memory.c   copy_huge_pmd                     pmdp_set_wrprotect           ptl ptl
mm/huge_memory.c   do_huge_pmd_wp_page               folio_trylock                ptl
mm/huge_memory.c   do_huge_pmd_wp_page               folio_lock                   none
mm/huge_memory.c   do_huge_pmd_wp_page               folio_ref_count              ptl folio_lock
mm/huge_memory.c   do_huge_pmd_wp_page               pmdp_set_access_flags        ptl
mm/huge_memory.c   do_huge_pmd_wp_page               __split_huge_pmd             none
mm/huge_memory.c   __do_huge_pmd_anonymous_page      check_stable_address_space   ptl
mm/huge_memory.c   __do_huge_pmd_anonymous_page      handle_userfault             none
mm/huge_memory.c   __do_huge_pmd_anonymous_page      set_pmd_at                   ptl
mm/huge_memory.c   move_huge_pmd                     set_pmd_at                   ptl | ptl ptl
mm/huge_memory.c   zap_huge_pmd                      pmdp_huge_get_and_clear_full ptl
mm/huge_memory.c   zap_huge_pmd                      tlb_remove_page_size         none
mm/huge_memory.c   do_huge_pmd_numa_page             migrate_misplaced_folio      none
mm/huge_memory.c   do_huge_pmd_numa_page             set_pmd_at                   ptl
mm/gup.c           follow_page_pte                   try_grab_folio               ptl map
mm/gup.c           follow_page_pte                   pte_none                     none
mm/gup.c           follow_pmd_mask                   split_huge_pmd               none
mm/gup.c           follow_pmd_mask                   follow_huge_pmd              ptl
mm/gup.c           gup_fast_pte_range                ptep_get_lockless            map
mm/ksm.c           write_protect_page                ptep_clear_flush             walk notifier
mm/ksm.c           write_protect_page                mmu_notifier_invalidate_range_end    notifier
mm/ksm.c           replace_page                      folio_remove_rmap_pte        ptl map notifier
""")

OTHER_IN_6_1 = rows("""
mm/memory.c        __wp_page_copy_user     __copy_from_user_inatomic#2  ptl map
mm/khugepaged.c    collapse_huge_page      pmdp_collapse_flush          ptl map notifier anon_vma
mm/migrate_device.c migrate_vma_collect_pmd folio_trylock               ptl map lazy
mm/madvise.c       swapin_walk_pmd_entry   is_swap_pte                  none
mm/pagewalk.c      walk_pte_range          walk_pte_range_inner         map
mm/mincore.c       mincore_pte_range       __mincore_unmapped_range     none
mm/gup.c           follow_page_pte         pte_none                     ptl map
""")
"""Calls whose surroundings read differently in 6.1."""


class Known(NamedTuple):
    """A call where the analysis says something else than the code: what is so, what is found, and why."""

    row: Row
    found: str
    reason: str


KNOWN = [
    Known(
        Row("mm/memory.c", "do_swap_page", "ksm_might_need_to_copy", "folio_lock -map"),
        "-map | folio_lock -map",
        "the result of folio_lock_or_retry is kept by `ret |=`, and `ret & VM_FAULT_RETRY` is not taken apart",
    ),
    Known(
        Row("mm/khugepaged.c", "collapse_pte_mapped_thp", "folio_unlock", "none"),
        "none | ptl | -ptl",
        "`ptl != pml` and `pml != ptl` are two conditions to the analysis",
    ),
    Known(
        Row("mm/memory.c", "apply_to_pte_range", "pte_unmap_unlock", "ptl map"),
        "none | ptl map",
        "the way on which pte_alloc_map_lock() fails joins that of `mm == &init_mm` before the entry is tested",
    ),
    Known(
        Row("mm/hugetlb.c", "hugetlb_fault", "hugetlb_wp", "ptl folio_lock | ptl folio_lock folio_lock"),
        "ptl | ptl folio_lock",
        "filemap_lock_hugetlb_folio() locks what it finds, unknown to the tables: the lock is not seen",
    ),
]
"""Differences on 6.12; a row that comes true must move to `READ`."""
