"""get_user_pages and pin_user_pages, slow and fast, and what devices do with the pages."""

from __future__ import annotations

from mmlint.sim.locks import irq_disable, irq_enable
from mmlint.sim.model.fault import handle_fault
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm, Pin, Pte
from mmlint.sim.model.page import Page
from mmlint.sim.world import Op


def set_pin_flag(m: Machine, mm: Mm, how: str, longterm: bool) -> None:
    """mm->has_pinned (later MMF_HAS_PINNED): sticky, set before the walk."""
    if how == "pin" and (m.kernel.pin_flag == "any" or (m.kernel.pin_flag == "longterm" and longterm)):
        mm.has_pinned = 1


def needs_write(m: Machine, mm: Mm, addr: int, how: str, write: bool, fast: bool) -> bool:
    """Whether this GUP must find a writable entry: because it writes, or because this kernel breaks COW for it."""
    vma = mm.vmas.get(addr)
    cow = vma is not None and (vma.is_cow or not m.kernel.cow_check)
    if write or not cow or m.kernel.gup_break in ("none", "unshare"):
        return write
    if fast and not m.kernel.gup_break_fast:
        return write
    return m.kernel.gup_break == "all" or how == "pin"


def permitted(m: Machine, pte: Pte, how: str, need_write: bool) -> bool:
    """The permission test that fast and slow GUP share; upstream also refuses a read-only pin of a shared anon page."""
    tests = m.kernel.gup_tests
    if not pte.present or (pte.kind != "page" and "special" in tests):
        return False
    if ("protnone" in tests and pte.protnone) or ("user" in tests and not pte.user):
        return False
    if need_write and "write" in tests:
        return pte.write
    if m.kernel.gup_break == "unshare" and how == "pin" and pte.page is not None and pte.page.anon:
        return pte.write or pte.page.exclusive
    return True


def cow_was_broken(m: Machine, pte: Pte, broken: bool, allowed: bool) -> bool:
    """FOLL_COW: a read-only entry will do if this call has broken COW and the entry is its dirty private copy.

    The kernel before 19be0eaffa3a dropped FOLL_WRITE after the fault instead, without looking at the entry again.
    """
    if not (broken and allowed):
        return False
    return m.kernel.foll_cow == "drop-write" or (pte.dirty and pte.page is not None and pte.page.anon)


def grab(page: Page, how: str) -> bool:
    """try_grab_folio: FOLL_GET counts one, FOLL_PIN the bias."""
    return page.pin() if how == "pin" else page.try_get()


def keep(m: Machine, pin: Pin, page: Page, how: str, write: bool) -> None:
    """The caller stores the page: from now on O1 and O2 speak about it."""
    pin.page, pin.how, pin.write, pin.active, pin.unmapped = page, how, write, True, False
    for slot in page.data:
        m.expected.setdefault((pin.name, pin.addr, slot), page.data[slot])


def gup_slow(
    m: Machine,
    pin: Pin,
    write: bool = True,
    how: str = "pin",
    longterm: bool = False,
    force: bool = False,
    lock: bool = True,
) -> Op[bool]:
    """pin_user_pages / get_user_pages: under mmap_lock, faulting until the entry permits what was asked."""
    mm, addr = pin.mm, pin.addr
    if lock:
        yield from mm.mmap_lock.read_lock()
    set_pin_flag(m, mm, how, longterm)
    need = needs_write(m, mm, addr, how, write, fast=False)
    broken = False
    while True:
        yield "gup_slow: find_vma"
        vma = mm.vmas.get(addr)
        yield from mm.ptl.lock()
        if mm.vmas.get(addr) is not vma:
            m.w.fail("O5", f"{m.w.current.name} uses the vma at {addr} after munmap freed it")
        pte = mm.pte(addr)
        page = pte.page
        must_write = need and not cow_was_broken(m, pte, broken, need and (force or not write))
        if page is not None and permitted(m, pte, how, must_write) and grab(page, how):
            mm.ptl.unlock()
            keep(m, pin, page, how, write)
            if lock:
                mm.mmap_lock.read_unlock()
            return True
        mm.ptl.unlock()
        unshare = m.kernel.gup_break == "unshare" and pte.present
        if not (yield from handle_fault(m, mm, addr, write, break_cow=need or unshare, force=force)):
            if lock:
                mm.mmap_lock.read_unlock()
            return False
        broken = broken or need


def gup_fast(
    m: Machine,
    pin: Pin,
    write: bool = True,
    how: str = "pin",
    longterm: bool = False,
    recheck: bool = True,
    irqs: str = "disable",
) -> Op[bool]:
    """pin_user_pages_fast: interrupts off, no locks, speculative reference, recheck, then the slow path if it must."""
    mm, addr = pin.mm, pin.addr
    if m.kernel.flag_fast:
        set_pin_flag(m, mm, how, longterm)
    yield "gup_fast: interrupts off"
    was_off = m.w.current.irqs_off
    irq_disable(m.w)
    before = mm.seq
    need = needs_write(m, mm, addr, how, write, fast=True)
    page = None
    if not (m.kernel.seqcount and how == "pin" and before % 2):
        page = yield from _fast_walk(m, mm, addr, how, need, recheck)
    if page is not None and m.kernel.seqcount and how == "pin" and mm.seq != before:
        m.w.mark("seqcount retry")
        release(page, how)
        page = None
    if irqs == "disable" or not was_off:
        irq_enable(m.w)
    if page is None and irqs == "save":
        return False
    if page is None:
        return (yield from gup_slow(m, pin, write, how, longterm))
    keep(m, pin, page, how, write)
    return True


def _fast_walk(m: Machine, mm: Mm, addr: int, how: str, need: bool, recheck: bool) -> Op[Page | None]:
    yield "gup_fast: read the entry"
    pte = mm.pte(addr)
    page = pte.page
    if page is None or not permitted(m, pte, how, need):
        return None
    yield "gup_fast: try_grab_folio"
    if not grab(page, how):
        return None
    yield "gup_fast: recheck the entry"
    if recheck and (mm.pte(addr) != pte or not permitted(m, mm.pte(addr), how, need)):
        release(page, how)
        return None
    return page


def release(page: Page, how: str) -> bool:
    """unpin_user_page or put_page, by the door the reference came in."""
    return page.unpin() if how == "pin" else page.put()


def unpin(m: Machine, pin: Pin, dirty: bool = False) -> Op[None]:
    """unpin_user_pages(_dirty_lock)."""
    yield f"{pin.name} releases its page"
    page = pin.page
    if page is None:
        m.w.fail("O4", f"{pin.name} releases a page it does not have")
    if dirty:
        page.dirty = True
    pin.active = False
    pin.page = None
    m.expected = {key: value for key, value in m.expected.items() if key[0] != pin.name}
    release(page, pin.how)


def dma_write(m: Machine, pin: Pin, value: str, slot: str = "a") -> Op[None]:
    """The device writes: into the page it holds, whatever the process maps by now."""
    yield f"{pin.name} writes {value} by DMA"
    if pin.page is None:
        m.w.fail("O5", f"{pin.name} writes by DMA to a page it does not hold")
    stored = f"{pin.mm.name}:{value}"
    pin.page.write(stored, slot)
    m.expect(pin.mm, pin.addr, stored, slot)
    m.expected = {**m.expected, (pin.name, pin.addr, slot): stored}


def dma_read(m: Machine, pin: Pin, slot: str = "a") -> Op[str]:
    """The device, or the kernel user of the reference, reads."""
    yield f"{pin.name} reads through its page"
    if pin.page is None:
        m.w.fail("O5", f"{pin.name} reads a page it does not hold")
    return pin.page.read(slot)
