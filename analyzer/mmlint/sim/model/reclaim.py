"""Reclaim and swap: add to swap cache, unmap, write out, free; as kswapd or as direct reclaim in an allocation."""

from __future__ import annotations

from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm, Pte
from mmlint.sim.model.page import Page
from mmlint.sim.model.swap import delete_from_swap_cache, swap_entry_of, try_to_free_swap
from mmlint.sim.world import Op


def shrink_page(m: Machine, page: Page, skip_pinned: bool = True, keep_dirty: bool = True) -> Op[bool]:
    """shrink_folio_list for one page: true when freed. `skip_pinned` is upstream's folio_maybe_dma_pinned test."""
    yield f"reclaim looks at {page.name}"
    if page.freed or not page.lru or not page.try_get():
        return False
    if not page.lock.trylock():
        page.put()
        return False
    freed = False
    if page.anon and not (skip_pinned and page.maybe_pinned):
        yield from _swap_out(m, page)
        freed = yield from _free_swapcache(m, page)
    elif page.cached and not page.maybe_pinned:
        freed = yield from _drop_file(m, page, keep_dirty)
    page.lock.unlock()
    page.put()
    return freed


def truncate(page: Page) -> Op[None]:
    """A page of a file leaves the page cache, as truncation takes it out: under its lock. mm/truncate.c."""
    yield from page.lock.lock()
    yield "delete from the page cache"
    page.cached = None
    page.lock.unlock()
    yield "folio_put"
    page.put()


def _swap_out(m: Machine, page: Page) -> Op[None]:
    """add_to_swap and try_to_unmap: every mapping becomes a swap entry, or the page leaves the swap cache again."""
    used = set(m.swap) | {swap_entry_of(m, other) for other in m.w.pages() if other.swapcache}
    entry = next(n for n in range(1, len(used) + 2) if n not in used)
    yield f"add_to_swap({page.name})"
    page.swapcache = True
    page.get()
    m.w.facts[f"entry of {page.name}"] = entry
    for mm in list(m.mms.values()):
        for addr in mm.maps(page):
            yield from unmap_one(m, mm, addr, page, entry)
    if page.mapcount:
        m.w.mark("reclaim backed out")
        delete_from_swap_cache(page)


def unmap_one(m: Machine, mm: Mm, addr: int, page: Page, entry: int) -> Op[None]:
    """try_to_unmap_one: under the PTL, dirty bit to the page, exclusive marker into the entry; not if it is pinned."""
    yield from mm.ptl.lock()
    pte = mm.pte(addr)
    if pte.present and pte.page is page and not (m.kernel.unmap_recheck and page.maybe_pinned):
        page.dirty = page.dirty or pte.dirty
        keep = m.kernel.swap_bits
        swap = Pte(
            "swap",
            entry=entry,
            exclusive=page.exclusive and "exclusive" in keep,
            soft_dirty=pte.soft_dirty and "soft_dirty" in keep,
            uffd_wp=pte.uffd_wp and "uffd_wp" in keep,
        )
        mm.set(addr, swap)
        page.mapcount -= 1
        page.put()
    mm.ptl.unlock()


def _free_swapcache(m: Machine, page: Page) -> Op[bool]:
    """Pageout and __remove_mapping: the freeze of 2 (cache and ours) fails when anybody else holds the page."""
    if not page.swapcache:
        return False
    yield f"write {page.name} to swap"
    m.swap = {**m.swap, m.w.facts[f"entry of {page.name}"]: dict(page.data)}
    yield f"freeze {page.name}"
    if page.mapcount or not page.freeze(2):
        try_to_free_swap(m, page)
        return False
    page.swapcache = False
    page.unfreeze(1)
    return True


def _drop_file(m: Machine, page: Page, keep_dirty: bool) -> Op[bool]:
    """A clean page-cache page is dropped; a dirty one is written back first, and kept if dirtied again meanwhile."""
    for mm in m.mms.values():
        for addr in mm.maps(page):
            yield from mm.ptl.lock()
            pte = mm.pte(addr)
            if pte.present and pte.page is page:
                page.dirty = page.dirty or (pte.dirty and keep_dirty)
                mm.set(addr, Pte())
                page.mapcount -= 1
                page.put()
            mm.ptl.unlock()
    yield f"write back {page.name} if dirty"
    if page.dirty:
        m.disk = {**m.disk, page.cached or "": dict(page.data)}
        page.dirty = False
    yield f"freeze {page.name}"
    if not page.freeze(2):
        return False
    if page.dirty:
        page.unfreeze(2)
        return False
    page.cached = None
    page.unfreeze(1)
    return True
