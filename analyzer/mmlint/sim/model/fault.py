"""Page faults: the user's access, do_wp_page with its reuse decision, anonymous and swap-in faults."""

from __future__ import annotations

from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm, Pte
from mmlint.sim.model.page import Page
from mmlint.sim.model.swap import find_in_swap_cache, free_swap_entry, swap_entry_of, try_to_free_swap
from mmlint.sim.world import Op, Wait


def user_write(m: Machine, mm: Mm, addr: int, value: str, slot: str = "a") -> Op[bool]:
    """A user thread stores. False when it gets SIGSEGV or SIGBUS."""
    stored = f"{mm.name}:{value}"
    while True:
        yield f"{mm.name} writes {value} at {addr}"
        cached = cpu_translation(m, mm, addr)
        if cached is not None and cached[1]:
            use_translation(m, mm, addr, cached[0])
            cached[0].write(stored, slot)
            m.expect(mm, addr, stored, slot)
            return True
        pte = mm.pte(addr)
        if pte.present and pte.write and not pte.protnone and pte.page is not None:
            mm.set(addr, pte._replace(dirty=True, young=True, soft_dirty=True))
            fill_translation(m, mm, addr, pte)
            pte.page.write(stored, slot)
            m.expect(mm, addr, stored, slot)
            return True
        if not (yield from handle_fault(m, mm, addr, write=True)):
            return False


def user_read(m: Machine, mm: Mm, addr: int, slot: str = "a") -> Op[str | None]:
    """A user thread loads; None on SIGSEGV."""
    while True:
        yield f"{mm.name} reads at {addr}"
        cached = cpu_translation(m, mm, addr)
        if cached is not None:
            use_translation(m, mm, addr, cached[0])
            return cached[0].read(slot)
        pte = mm.pte(addr)
        if pte.present and not pte.protnone and pte.page is not None:
            fill_translation(m, mm, addr, pte)
            return pte.page.read(slot)
        if not (yield from handle_fault(m, mm, addr, write=False)):
            return None


def cpu_translation(m: Machine, mm: Mm, addr: int) -> tuple[Page, bool] | None:
    """What this CPU's TLB holds, when the scenario models TLBs."""
    return None if m.tlb is None else m.tlb.get((m.w.current.name, mm.name, addr))


def use_translation(m: Machine, mm: Mm, addr: int, page: Page) -> None:
    """Oracle O18: a stale translation may be used only until the call that took the mapping away has returned."""
    if (m.w.current.name, mm.name, addr) in m.removed or page.freed:
        m.w.fail("O18", f"{m.w.current.name} reaches {page} at {addr} through a translation that was taken away")


def fill_translation(m: Machine, mm: Mm, addr: int, pte: Pte) -> None:
    """The hardware walker caches the translation it used."""
    if m.tlb is not None and pte.page is not None:
        m.removed = [key for key in m.removed if key != (m.w.current.name, mm.name, addr)]
        m.tlb = {**m.tlb, (m.w.current.name, mm.name, addr): (pte.page, pte.write)}


def handle_fault(m: Machine, mm: Mm, addr: int, write: bool, break_cow: bool = False, force: bool = False) -> Op[bool]:
    """handle_mm_fault: true to try the access again. `break_cow` is a GUP that wants its own copy without writing."""
    vma = mm.vmas.get(addr)
    if vma is None or not mm.alive or (write and not vma.write and not force):
        return False
    pte = mm.pte(addr)
    if pte.kind == "none":
        return (yield from (do_file_page if vma.file else do_anonymous_page)(m, mm, addr, write))
    if pte.kind == "swap":
        return (yield from do_swap_page(m, mm, addr, pte))
    if pte.kind == "migration":
        yield Wait("migration_entry_wait", lambda: mm.pte(addr).kind != "migration")
        return True
    if pte.protnone:
        return (yield from do_numa_page(mm, addr, pte))
    if (write or break_cow) and not pte.write:
        return (yield from do_wp_page(m, mm, addr, pte, write))
    return True


def do_anonymous_page(m: Machine, mm: Mm, addr: int, write: bool) -> Op[bool]:
    """First touch: a zeroed page of one's own, installed only if the entry is still none."""
    page = yield from alloc_page(m, mm, "A")
    if page is None:
        return False
    yield from mm.ptl.lock()
    if mm.pte(addr) != Pte():
        mm.ptl.unlock()
        page.put()
        return True
    set_up_anon(m, page)
    mm.set(addr, Pte("page", page, write=mm.vmas[addr].write, dirty=write, young=True, soft_dirty=True))
    mm.ptl.unlock()
    return True


def do_file_page(m: Machine, mm: Mm, addr: int, write: bool) -> Op[bool]:
    """Page-cache fault: look up or read from disk, map; a private mapping gets it read-only and copies later."""
    vma = mm.vmas[addr]
    yield f"look up {vma.file} in the page cache"
    page = next((p for p in m.w.pages() if p.cached == vma.file and not p.freed), None)
    if page is None or not page.try_get():
        page = yield from alloc_page(m, mm, "F", charge=False)
        if page is None:
            return False
        page.cached, page.uptodate, page.lru = vma.file, True, True
        page.data = dict(m.disk.get(vma.file, {}))
        page.get()
    yield from mm.ptl.lock()
    if mm.pte(addr) != Pte():
        mm.ptl.unlock()
        page.put()
        return True
    page.mapcount += 1
    mm.set(addr, Pte("page", page, write=write and vma.shared, dirty=write and vma.shared, young=True))
    mm.ptl.unlock()
    return True


def do_swap_page(m: Machine, mm: Mm, addr: int, orig: Pte) -> Op[bool]:
    """Swap-in: find or read the folio, lock it, check under the lock that it is still that entry, map it."""
    page = find_in_swap_cache(m, orig.entry)
    if page is None:
        page = yield from alloc_page(m, mm, "S")
        if page is None:
            return False
        page.data = dict(m.swap.get(orig.entry, {}))
        page.uptodate = page.anon = page.lru = True
    else:
        page.get()
    cached = page.swapcache
    yield from page.lock.lock()
    stale = cached and not (page.swapcache and swap_entry_of(m, page) == orig.entry)
    yield from mm.ptl.lock()
    if (m.kernel.swap_pte_same and mm.pte(addr) != orig) or (stale and m.kernel.swap_recheck):
        mm.ptl.unlock()
        page.lock.unlock()
        page.put()
        return True
    page.anon = True
    page.mapcount += 1
    mm.set(addr, orig._replace(kind="page", page=page, write=False, entry=0, exclusive=False))
    free_swap_entry(m, orig.entry)
    page.exclusive = orig.exclusive or page.refcount == 1
    mm.ptl.unlock()
    page.lock.unlock()
    return True


def do_numa_page(mm: Mm, addr: int, orig: Pte) -> Op[bool]:
    """NUMA hinting fault: access is restored, but not write permission that the entry did not have any more."""
    yield from mm.ptl.lock()
    if mm.pte(addr) == orig:
        mm.set(addr, orig._replace(protnone=False, write=False))
    mm.ptl.unlock()
    return True


def set_up_anon(m: Machine, page: Page, steps: frozenset[str] | None = None) -> None:
    """What makes an allocated page an anonymous page: content valid, rmap, LRU."""
    steps = m.kernel.copy_steps if steps is None else steps
    page.anon = True
    page.uptodate = "uptodate" in steps
    page.exclusive = True
    page.mapcount += 1 if "rmap" in steps else 0
    page.lru = "lru" in steps


def alloc_page(m: Machine, mm: Mm, name: str, gfp: str = "kernel", charge: bool = True) -> Op[Page | None]:
    """alloc_page_vma and mem_cgroup_charge. GFP_KERNEL may sleep and reclaim; GFP_ATOMIC eats the reserve."""
    if gfp == "kernel":
        m.w.might_sleep("alloc_page(GFP_KERNEL)")
    yield f"alloc_page({gfp})"
    page = m.memory.take(name, atomic=gfp == "atomic")
    if page is None and gfp == "kernel" and m.reclaim is not None:
        yield from m.reclaim()
        page = m.memory.take(name)
    if page is None:
        return None
    if charge and not m.memory.charge(page, mm.name):
        page.put()
        return None
    return page


def do_wp_page(m: Machine, mm: Mm, addr: int, orig: Pte, write: bool) -> Op[bool]:
    """A write (or COW-breaking GUP) met a write-protected entry: reuse in place, or copy."""
    k = m.kernel
    yield from mm.ptl.lock()
    if mm.pte(addr) != orig:
        mm.ptl.unlock()
        return True
    if orig.uffd_wp and (write or k.uffd_event == "all"):
        mm.ptl.unlock()
        m.event(f"uffd-wp {mm.name}@{addr}")
        yield Wait("handle_userfault", lambda: not mm.pte(addr).uffd_wp)
        return True
    page = orig.page
    vma = mm.vmas[addr]
    if vma.shared and (vma.write or k.cow_check):
        mm.set(addr, orig._replace(write=vma.write, dirty=True))
        mm.ptl.unlock()
        return True
    if page is None:
        return (yield from wp_page_copy(m, mm, addr, orig, write))
    if not page.anon:
        return (yield from wp_page_copy(m, mm, addr, orig, write))
    if (yield from may_reuse(m, mm, addr, orig, page)):
        yield from wp_page_reuse(m, mm, addr, orig, page)
        return True
    if mm.ptl.owner is not m.w.current:
        return True
    return (yield from wp_page_copy(m, mm, addr, orig, write))


def may_reuse(m: Machine, mm: Mm, addr: int, orig: Pte, page: Page) -> Op[bool]:
    """The contested decision. True: reuse under the PTL; the page is locked too unless it is exclusive. False: copy.

    False may come with the PTL dropped: the fault has to be tried again.
    """
    k = m.kernel
    if k.reuse == "mapcount":
        return (yield from _reuse_by_mapcount(m, mm, addr, orig, page))
    if k.reuse == "exclusive" and page.exclusive:
        return True
    if page.ksm and k.ksm_check:
        return False
    if k.wp_drain:
        m.drain(page)
    if k.reuse == "wait":
        mm.ptl.unlock()
        yield Wait("wait for the references to go", lambda: page.refcount == 1)
        yield from mm.ptl.lock()
        if mm.pte(addr) != orig or page.refcount != 1:
            mm.ptl.unlock()
            return False
    spare = 1 if k.reuse == "exclusive" and page.swapcache else 0
    pinned_too = k.reuse == "refcount-or-pinned" and page.maybe_pinned
    if page.refcount != 1 + spare and not pinned_too:
        return False
    if not page.lock.trylock():
        return False
    yield "recheck under the page lock"
    if spare:
        try_to_free_swap(m, page)
    sole = page.refcount == 1 or (pinned_too and page.mapcount == 1)
    if sole and not (page.ksm and k.ksm_check):
        page.exclusive = k.reuse == "exclusive" or page.exclusive
        return True
    page.lock.unlock()
    if k.cow_needed == "unlocks":
        yield "do_wp_page unlocks as well"
        page.lock.unlock()
    return False


def _reuse_by_mapcount(m: Machine, mm: Mm, addr: int, orig: Pte, page: Page) -> Op[bool]:
    """K0: sleep for the page lock with the PTL dropped, look again, and trust the mapcount."""
    if not page.lock.trylock():
        page.get()
        mm.ptl.unlock()
        m.count("page lock waits")
        yield from page.lock.lock()
        yield from mm.ptl.lock()
        same = mm.pte(addr) == orig
        if not same:
            page.lock.unlock()
            mm.ptl.unlock()
            page.put()
            return False
        page.put()
    if page.ksm:
        sole = yield from _reuse_ksm(m, page)
    else:
        yield "reuse_swap_page: count the mappings"
        sole = page.mapcount == 1
    if not sole:
        page.lock.unlock()
    return sole


def _reuse_ksm(m: Machine, page: Page) -> Op[bool]:
    """reuse_ksm_page: turn the KSM page into a plain one; sound only if lockless getters fail meanwhile (freeze)."""
    if m.kernel.ksm == "freeze":
        if not page.freeze(1):
            return False
        yield "page_ref_freeze(1) succeeded"
        page.ksm = False
        page.unfreeze(1)
        return True
    if m.kernel.ksm == "never-reuse" or page.refcount != 1:
        return False
    yield "page_count is 1"
    page.ksm = False
    return True


def wp_page_reuse(m: Machine, mm: Mm, addr: int, orig: Pte, page: Page) -> Op[None]:
    """Make the entry writable in place. Unlock the page before the PTL: the PTL is all that keeps it (be068f29034f)."""
    yield "wp_page_reuse"
    if page.refcount > 1 and not page.exclusive:
        m.w.mark("reused with references")
    mm.set(addr, orig._replace(write=True, dirty=True, young=True))
    if page.lock.owner is not m.w.current:
        mm.ptl.unlock()
    elif m.kernel.unlock_page == "before-ptl":
        page.lock.unlock()
        mm.ptl.unlock()
    else:
        mm.ptl.unlock()
        yield "unlock_page after the PTL"
        page.touch("unlock_page")
        page.lock.unlock()


def wp_page_copy(m: Machine, mm: Mm, addr: int, orig: Pte, write: bool) -> Op[bool]:
    """Copy with the PTL dropped; install only if the entry is unchanged. Called with the PTL, returns without."""
    old = orig.page
    if old is not None:
        old.get()
    mm.ptl.unlock()
    new = yield from alloc_page(m, mm, "Y")
    if new is None:
        if old is not None:
            old.put()
        return False
    yield "copy_user_highpage"
    if old is not None:
        new.data = dict(old.data)
    yield from mm.ptl.lock()
    same = mm.pte(addr) == orig
    if same:
        carry = orig.uffd_wp and m.kernel.uffd_carry
        set_up_anon(m, new, frozenset({"uptodate", "rmap", "lru"}))
        may = mm.vmas[addr].write and not carry
        mm.set(addr, Pte("page", new, write=may, dirty=True, young=True, soft_dirty=write, uffd_wp=carry))
        m.count("copies")
        if old is not None and orig.kind == "page":
            old.mapcount -= 1
            old.put()
    mm.ptl.unlock()
    if not same:
        new.put()
    if old is not None:
        old.put()
    return True
