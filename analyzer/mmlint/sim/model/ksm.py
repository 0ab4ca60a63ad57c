"""KSM: the stable tree peeps through a keyhole, without a reference, and merges equal pages."""

from __future__ import annotations

from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm, Pte
from mmlint.sim.model.page import Page
from mmlint.sim.world import Op


def make_ksm(page: Page) -> None:
    """Setup: turn an anonymous page into a KSM page in the stable tree."""
    page.ksm = True
    page.exclusive = False


def get_ksm_page(page: Page) -> Op[bool]:
    """The NOLOCK form: a speculative reference, then a look whether it still is that KSM page."""
    yield f"stable tree finds {page.name}"
    if page.freed or not page.ksm:
        return False
    yield f"get_ksm_page({page.name}, NOLOCK)"
    if not page.try_get():
        return False
    yield "recheck page->mapping"
    if not page.ksm:
        page.put()
        return False
    return True


def merge(m: Machine, stable: Page, mm: Mm, addr: int) -> Op[bool]:
    """Replace the page at `addr` by the stable page if both have the same content, write-protected on both sides."""
    if not (yield from get_ksm_page(stable)):
        return False
    yield from mm.ptl.lock()
    orig = mm.pte(addr)._replace(write=False)
    old = orig.page
    if old is not None:
        mm.set(addr, orig)
    mm.ptl.unlock()
    yield "memcmp_pages"
    same = old is not None and old.data == stable.data
    if same and old is not None:
        yield from mm.ptl.lock()
        if mm.pte(addr) == orig:
            m.w.mark("merged")
            mm.set(addr, Pte("page", stable))
            stable.get()
            stable.mapcount += 1
            old.mapcount -= 1
            old.put()
        mm.ptl.unlock()
    stable.put()
    return same
