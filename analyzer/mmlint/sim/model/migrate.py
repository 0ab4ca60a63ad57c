"""Migration in the passes of the HMM draft (v13): collect, lock and isolate, check, unmap, copy, finish, restore."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mmlint.sim.model.lru import isolate, putback
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm, Pte
from mmlint.sim.model.page import Page
from mmlint.sim.model.tlb import flush_tlb
from mmlint.sim.world import Op, Policy

PAGE_SIZE, PAGE_SHIFT = 4, 2
RANGE = 2


@dataclass(frozen=True)
class Migration(Policy):
    """The choices of the migration code; the defaults are what upstream does, `DRAFT` is what was posted.

    collect_lock: trylock or sleep. second_lock: block or trylock. flush: before or after the PTL is dropped.
    isolate_fail: continue or fall-through. stride: page or shift. unmap: all address spaces or only the one collected.
    """

    collect_lock: str = "trylock"
    second_lock: str = "trylock"
    flush: str = "before-unlock"
    isolate_fail: str = "continue"
    stride: str = "page"
    unmap: str = "all"
    check_pins: bool = True
    dirty: bool = True
    bits: bool = True
    unlock: str = "after-entry"
    zone_test: bool = True
    own_reference: bool = True

    def but(self, **changes: Any) -> Migration:
        """The same with some choices changed."""
        return replace(self, **changes)


CORRECT = Migration()
DRAFT = Migration(second_lock="block", flush="after-unlock", isolate_fail="fall-through", stride="shift")


class Work:
    """One page on its way: what this migration holds of it."""

    STATE = True

    def __init__(self, page: Page, mm: Mm, addr: int) -> None:
        self.page: Page | None = page
        self.locked = False
        self.isolated = False
        self.reference = True
        self.migrate = True
        self.entries: list[tuple[Mm, int]] = []
        self.home = (mm, addr)
        self.new: Page | None = None


def migrate(m: Machine, mm: Mm, addrs: list[int], h: Migration = CORRECT) -> Op[int]:
    """Migrate the pages at `addrs` of `mm`. Returns how many moved."""
    work = yield from collect(m, mm, addrs, h)
    for item in work:
        yield from lock_and_isolate(item, h)
    for item in work:
        if item.migrate:
            yield from unmap(m, item, h)
    for item in work:
        if item.migrate:
            yield from copy(m, item)
    moved = 0
    for item in work:
        if item.migrate:
            moved += 1
            yield from finish(item)
    yield from restore(m, work, h)
    return moved


def collect(m: Machine, mm: Mm, addrs: list[int], h: Migration) -> Op[list[Work]]:
    """Under the PTL: reference each page, lock it if that needs no waiting, and put the migration entry in early."""
    work: list[Work] = []
    changed: list[int] = []
    yield from mm.ptl.lock()
    for addr in addrs:
        pte = mm.pte(addr)
        page = pte.page
        if not pte.present or page is None:
            continue
        if h.own_reference:
            page.get()
        item = Work(page, mm, addr)
        work.append(item)
        if h.collect_lock == "sleep":
            yield from page.lock.lock()
            item.locked = True
        else:
            yield f"trylock {page.name}"
            item.locked = page.lock.trylock()
        if item.locked:
            install_entry(mm, addr, item, h)
            changed.append(addr)
    if h.flush == "before-unlock":
        for addr in changed:
            yield from flush_tlb(m, mm, addr)
    mm.ptl.unlock()
    if h.flush != "before-unlock":
        for addr in changed:
            m.w.mark("flush after unlock")
            yield from flush_tlb(m, mm, addr)
    return work


def install_entry(mm: Mm, addr: int, item: Work, h: Migration) -> None:
    """PTE to migration entry: dirty goes to the page, the other bits into the entry; the mapping's reference goes."""
    pte = mm.pte(addr)
    page = pte.page
    assert page is not None
    if h.dirty and pte.dirty:
        page.dirty = True
    soft, uffd = (pte.soft_dirty, pte.uffd_wp) if h.bits else (False, False)
    entry = Pte("migration", page, write=pte.write, soft_dirty=soft, uffd_wp=uffd, exclusive=page.exclusive)
    mm.set(addr, entry)
    item.entries.append((mm, addr))
    page.mapcount -= 1
    page.put()


def lock_and_isolate(item: Work, h: Migration) -> Op[None]:
    """Pages that collect could not lock are locked now; then off the LRU, then the look for pins."""
    page = item.page
    assert page is not None
    if not item.locked and h.second_lock == "block":
        yield from page.lock.lock()
        item.locked = True
    elif not item.locked:
        yield f"trylock {page.name} again"
        item.locked = page.lock.trylock()
    if not item.locked:
        item.migrate = False
        return
    yield f"isolate {page.name}"
    if page.zone == "device" and h.zone_test:
        item.isolated = False
    else:
        item.isolated = isolate(page)
        if item.isolated:
            page.put()
            item.reference = False
        else:
            page.w.mark("isolate failed")
            item.migrate = False
            if h.isolate_fail == "continue":
                return
            page.put()
            item.reference = False
    yield f"check {page.name} for pins"
    if h.check_pins and page.refcount - expected(page) > page.mapcount:
        page.w.mark("page is pinned")
        item.migrate = False


def expected(page: Page) -> int:
    """folio_expected_ref_count without mappings: isolation (or our own) and the page cache."""
    return 1 + (page.cached is not None)


def unmap(m: Machine, item: Work, h: Migration) -> Op[None]:
    """try_to_migrate: the entry goes in wherever the page is mapped; then the references are looked at once more."""
    page = item.page
    assert page is not None
    for mm in list(m.mms.values()) if h.unmap == "all" else [item.home[0]]:
        for addr in mm.maps(page):
            yield from mm.ptl.lock()
            if mm.pte(addr).page is page and mm.pte(addr).present:
                install_entry(mm, addr, item, h)
                yield from flush_tlb(m, mm, addr)
            mm.ptl.unlock()
    yield f"expected references of {page.name}"
    if h.check_pins and (page.mapcount or page.refcount > expected(page)):
        page.w.mark("page is pinned")
        item.migrate = False


def copy(m: Machine, item: Work) -> Op[None]:
    """alloc_and_copy: the driver copies, by DMA or CPU."""
    page = item.page
    assert page is not None
    yield f"alloc_and_copy {page.name}"
    new = m.memory.take("N")
    if new is None:
        item.migrate = False
        return
    new.data = dict(page.data)
    new.anon, new.uptodate, new.exclusive, new.dirty = page.anon, True, page.exclusive, page.dirty
    new.memcg, page.memcg = page.memcg, None
    if page.cached is not None:
        new.cached, page.cached = page.cached, None
        new.get()
        page.put()
    item.new = new


def finish(item: Work) -> Op[None]:
    """Entries point to the new page, the old one is unlocked and let go."""
    page, new = item.page, item.new
    assert page is not None
    assert new is not None
    page.w.mark("page moved")
    yield from put_entries(item, new)
    new.lru = True
    new.put()
    yield f"unlock {page.name}"
    page.lock.unlock()
    if item.isolated:
        putback(page)
    else:
        page.put()
    item.page = None


def put_entries(item: Work, page: Page) -> Op[None]:
    """remove_migration_ptes: every entry of this migration becomes a mapping of `page`."""
    for mm, addr in item.entries:
        yield from mm.ptl.lock()
        pte = mm.pte(addr)
        if pte.kind == "migration" and pte.page is item.page:
            page.get()
            page.mapcount += 1
            mm.set(addr, pte._replace(kind="page", page=page, exclusive=False))
        mm.ptl.unlock()
    item.entries = []


def restore(m: Machine, work: list[Work], h: Migration) -> Op[None]:
    """What did not move goes back: range by range, an index over all pages beside an address in the range."""
    step = PAGE_SIZE if h.stride == "page" else PAGE_SHIFT
    for first in range(0, len(work), RANGE):
        index, addr, end = first, first * PAGE_SIZE, (first + RANGE) * PAGE_SIZE
        while addr < end and index < len(work):
            item = work[index]
            if item.page is not None and item.locked and h.unlock == "before-entry":
                item.page.lock.unlock()
                item.locked = False
            if item.page is not None:
                here = [entry for entry in item.entries if entry[1] == addr // PAGE_SIZE or h.stride == "page"]
                lost = len(here) < len(item.entries)
                item.entries = here
                if lost:
                    m.w.mark("index ran ahead of the address")
                yield from restore_page(item, item.page)
            addr += step
            index += 1


def restore_page(item: Work, page: Page) -> Op[None]:
    """Entries back to the page, unlock, and give back exactly what this path holds."""
    yield from put_entries(item, page)
    yield f"restore {page.name}"
    if item.locked:
        page.lock.unlock()
    if item.reference:
        page.put()
    else:
        putback(page)
    item.page = None
