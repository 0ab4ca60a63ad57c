"""fork: dup_mmap, copy_page_range and what it does to each entry; exit and unmap of an address space."""

from __future__ import annotations

from mmlint.sim.model.fault import alloc_page, set_up_anon
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import NONE, Mm, Pte
from mmlint.sim.model.page import Page
from mmlint.sim.model.swap import free_swap_entry
from mmlint.sim.world import Op

DONE, AGAIN, ENOMEM, CONSUMED = "done", "again", "enomem", "consumed"


def fork(m: Machine, parent: Mm, child: Mm, level: str = "pte") -> Op[bool]:
    """dup_mmap into `child`. False (and an empty child) when memory ran out and this kernel says so."""
    yield from parent.mmap_lock.write_lock()
    child.vmas = {addr: vma for addr, vma in parent.vmas.items() if not vma.dontcopy}
    child.has_pinned = 0 if m.kernel.flag_reset else parent.has_pinned
    if m.kernel.seqcount:
        yield "write_protect_seq: begin"
        parent.seq += 1
    result = yield from copy_page_range(m, parent, child, level)
    if m.kernel.seqcount:
        yield "write_protect_seq: end"
        parent.seq += 1
    parent.mmap_lock.write_unlock()
    if result == ENOMEM:
        yield from exit_mm(m, child)
        return False
    child.alive = True
    return True


def copy_page_range(m: Machine, src: Mm, dst: Mm, level: str) -> Op[str]:
    """The loop over the entries, with the drop-allocate-retake-retry protocol where this kernel has it."""
    k = m.kernel
    todo = [addr for addr in src.ptes if addr in dst.vmas and not dst.vmas[addr].wipeonfork]
    prealloc: Page | None = None
    remembered: Pte | None = None
    while True:
        result = DONE
        yield from dst.ptl.lock()
        yield from src.ptl.lock()
        while todo:
            stale = remembered if k.retry == "no-reread" else None
            result = yield from copy_one_pte(m, src, dst, todo[0], prealloc, level, stale)
            if result == CONSUMED:
                prealloc = None
            if result == AGAIN:
                remembered = src.pte(todo[0])
            if result in (AGAIN, ENOMEM):
                break
            remembered = None
            todo = todo[1:]
        src.ptl.unlock()
        dst.ptl.unlock()
        if result == AGAIN and k.retry == "advance":
            todo = todo[1:]
        if result != AGAIN:
            break
        if k.retry != "no-alloc":
            m.w.mark("dropped the lock to allocate")
            prealloc = yield from alloc_page(m, src, "Z")
            if prealloc is None:
                return ENOMEM
    if prealloc is not None and k.retry != "leak":
        m.w.mark("unused prealloc")
        prealloc.put()
    return result


def copy_one_pte(
    m: Machine, src: Mm, dst: Mm, addr: int, prealloc: Page | None, level: str = "pte", stale: Pte | None = None
) -> Op[str]:
    """One entry: copied for the child if it may be pinned and this kernel protects pins, else shared."""
    k = m.kernel
    yield f"copy the entry at {addr}"
    pte = stale or src.pte(addr)
    page = pte.page
    if pte.kind in ("swap", "migration"):
        return _copy_nonpresent(m, src, dst, addr, pte)
    if page is None:
        if pte.kind != "none":
            dst.set(addr, pte)
        return DONE
    vma = src.vmas[addr]
    if k.fork == "skip" and src.has_pinned and page.maybe_pinned:
        dst.vmas = {at: area for at, area in dst.vmas.items() if at != addr}
        return DONE
    early = k.fork != "share" and level in k.levels and vma.is_cow and (page.anon or not k.pin_anon_only)
    if k.copy_decision == "after-ref":
        page.get()
        page.mapcount += 1
    if early and (src.has_pinned or not k.gate) and looks_pinned(m, page):
        result = yield from _early_copy(m, src, dst, addr, page, prealloc)
        if result != "share":
            return result
    if k.copy_decision != "after-ref":
        page.get()
        page.mapcount += 1
    yield from _share(m, src, dst, addr, pte, page)
    return DONE


def looks_pinned(m: Machine, page: Page) -> bool:
    """The pinned test of fork: the bias, or (rule (d) of 002) any second reference of an unshared page."""
    return page.maybe_pinned if m.kernel.pin_test == "bias" else page.refcount > page.mapcount


def _copy_nonpresent(m: Machine, src: Mm, dst: Mm, addr: int, pte: Pte) -> str:
    """Swap and migration entries: the child gets the same entry, and exclusivity ends on both sides."""
    shared = pte._replace(exclusive=False, write=False) if m.kernel.exclusive_clear else pte
    src.set(addr, shared)
    dst.set(addr, shared._replace(exclusive=False))
    m.inherit(src, dst, addr)
    return DONE


def _share(m: Machine, src: Mm, dst: Mm, addr: int, pte: Pte, page: Page) -> Op[None]:
    """Both map the page; in a COW mapping both lose write permission. The reference was taken before."""
    if page.anon and m.kernel.exclusive_clear:
        page.exclusive = False
    if src.vmas[addr].is_cow and pte.write:
        yield "ptep_set_wrprotect"
        current = src.pte(addr)
        src.set(addr, current._replace(write=False))
        pte = pte._replace(write=False)
    uffd = pte.uffd_wp and dst.vmas[addr].uffd_wp
    dst.set(addr, pte._replace(dirty=False, young=False, uffd_wp=uffd))
    m.inherit(src, dst, addr)


def _early_copy(m: Machine, src: Mm, dst: Mm, addr: int, page: Page, prealloc: Page | None) -> Op[str]:
    """copy_present_page: a private page for the child while the parent's entry stays writable."""
    k = m.kernel
    new = prealloc
    if k.fork == "early-copy":
        new = yield from alloc_page(m, src, "Z", k.copy_gfp, charge="charge" in k.copy_steps)
        if new is None:
            return "share" if k.enomem == "share" else ENOMEM
    if new is None:
        return AGAIN
    yield "copy_user_highpage for the child"
    new.data = dict(page.data)
    m.inherit(src, dst, addr)
    set_up_anon(m, new)
    write = dst.vmas[addr].write and "write" in k.copy_steps
    dst.set(addr, Pte("page", new, write=write, dirty="dirty" in k.copy_steps, young=True))
    m.count("copied by fork")
    return CONSUMED if k.fork == "prealloc" else DONE


def zap(m: Machine, mm: Mm, addr: int) -> Op[None]:
    """Unmap one address (munmap, MADV_DONTNEED): the entry, its rmap and its reference, under the PTL."""
    yield from mm.ptl.lock()
    pte = mm.pte(addr)
    mm.set(addr, NONE)
    m.forget(mm, addr)
    for pin in m.pins:
        if pin.mm is mm and pin.addr == addr:
            pin.unmapped = True
    if m.tlb is not None and pte.present:
        m.tlb = {key: value for key, value in m.tlb.items() if key[1:] != (mm.name, addr)}
    page = pte.page
    if pte.kind == "page" and page is not None and pte.dirty and not page.anon and m.kernel.zap_dirty:
        page.dirty = True
    if pte.kind == "migration":
        m.w.mark("zap met a migration entry")
    mm.ptl.unlock()
    if pte.kind == "page" and page is not None:
        yield f"drop the mapping of {page.name}"
        page.mapcount -= 1
        page.put()
    elif pte.kind == "swap":
        free_swap_entry(m, pte.entry)


def exit_mm(m: Machine, mm: Mm) -> Op[None]:
    """The last user of the address space is gone."""
    for addr in list(mm.ptes):
        yield from zap(m, mm, addr)
    mm.vmas = {}
    mm.alive = False
