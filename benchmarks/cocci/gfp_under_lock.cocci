// An allocation that may sleep between the taking and the release of a page-table lock or spinlock, in one function.
// What mmlint's PTL101 looks for as far as Coccinelle can say it: no calls into other functions, no masks in variables.
// Options: --no-includes --include-headers

virtual report

@section exists@
position taken, slept;
identifier alloc =~ "^(k|kv|v|kmem_cache_|mempool_|folio_|vma_)[a-z_]*alloc[a-z_]*$";
expression mask = {GFP_KERNEL, GFP_KERNEL_ACCOUNT, GFP_USER, GFP_HIGHUSER, GFP_HIGHUSER_MOVABLE};
expression lock, mm, pmd, addr, pte;
@@

(
pte@taken = pte_offset_map_lock(mm, pmd, addr, &lock)
|
lock@taken = pmd_lock(mm, pmd)
|
spin_lock@taken(lock)
|
spin_lock_irq@taken(lock)
)
... when != pte_unmap_unlock(pte, lock)
    when != spin_unlock(lock)
    when != spin_unlock_irq(lock)
alloc@slept(..., mask, ...)

@script:python depends on report@
taken << section.taken;
slept << section.slept;
@@

coccilib.report.print_report(slept[0], "may sleep under the lock taken in line %s" % taken[0].line)
