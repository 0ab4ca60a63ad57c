"""Device-private pages: when is one free, and who is told; and what must never be done to a device page."""

from __future__ import annotations

from mmlint.sim.build import choices
from mmlint.sim.model.lru import isolate, putback
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Pte, Vma
from mmlint.sim.model.page import Page
from mmlint.sim.model.zonedev import PrivatePage
from mmlint.sim.scenario import HOLDS, Scenario
from mmlint.sim.world import Op, Wait, World


def told_once(w: World, page: PrivatePage) -> None:
    """O12 at the end: the driver was told exactly once."""

    def check() -> None:
        if page.callbacks != 1:
            w.fail("O12", f"the free callback of {page.name} ran {page.callbacks} times")

    w.final.append(check)


def _two_puts(w: World, transition: str) -> None:
    page = PrivatePage(w, free_at=1, transition=transition)
    page.refcount = 3
    told_once(w, page)
    w.task("cpu0", page.put())
    w.task("cpu1", page.put())


def _zd10(w: World, transition: str) -> None:
    """A page whose free count is 1 never gets to 0: a hook at 1 to 0 does not see that it became free.

    The driver is never told and the page is lost.

    Digest 001-004: 004:L3788-3795.
    """
    _two_puts(w, transition)


ZD10 = Scenario(
    "ZD10",
    "hook-at-wrong-transition",
    "the free hook sits at 1 to 0 while free means 1",
    _zd10,
    choices(at_zero="O12", dec_return=HOLDS),
    bad="at-zero",
    good="dec-return",
)


def _zd11(w: World, transition: str) -> None:
    """Two CPUs put; each decrements and then reads the count to see whether it is 1.

    In most interleavings both see 1 and the page is freed twice. The operation that makes the transition has to
    report it (dec_return).

    Digest 001-004: ZD11, J12; mm/memremap.c in 6.1.
    """
    _two_puts(w, transition)


ZD11 = Scenario(
    "ZD11",
    "decrement-then-read",
    "a transition is looked for after the decrement instead of by it",
    _zd11,
    choices(dec_then_read="O12", dec_return=HOLDS),
    bad="dec-then-read",
    good="dec-return",
)


def _zd12(w: World, free_at: str) -> None:
    """A lockless walker takes a speculative reference on a device page that is free.

    With free at 1 it succeeds, and its put is a 2 to 1 transition: the driver is told again. With free at 0 it fails.

    Digest 001-004: ZD12; 27674ef6c73f removed the extra count.
    """
    page = PrivatePage(w, free_at=int(free_at[-1]), transition="dec-return")
    told_once(w, page)

    def walker() -> Op[None]:
        yield "get_page_unless_zero"
        if page.try_get():
            yield from page.put()
        else:
            w.mark("count was zero")

    w.task("owner", page.put())
    w.task("walker", walker())


ZD12 = Scenario(
    "ZD12",
    "speculative-get-on-free-device-page",
    "a reference is taken on a free device page because its count is 1",
    _zd12,
    choices(free_at_1="O12", free_at_0=HOLDS),
    bad="free-at-1",
    good="free-at-0",
    sometimes=("count was zero",),
)


def _zd13(w: World, test: str) -> None:
    """A page from a page-table walk goes through the LRU steps without a test for ZONE_DEVICE.

    lru and pgmap share their place in struct page: the list links overwrite the pagemap pointer.

    Digest 001-004: 004:L1602-1606, 003:L132.
    """
    m = Machine(w)
    mm = m.mm("P")
    normal = m.anon(mm, 0)
    device = Page(m, "D")
    device.zone = "device"
    mm.vmas[1] = Vma()

    def walker() -> Op[None]:
        for addr in (0, 1):
            yield from mm.ptl.lock()
            page = mm.pte(addr).page
            if page is not None:
                page.get()
            mm.ptl.unlock()
            if page is None:
                continue
            yield "folio_isolate_lru"
            if (test == "no-test" or page.zone != "device") and isolate(page):
                putback(page)
            yield "folio_put"
            page.put()

    def driver() -> Op[None]:
        yield from mm.ptl.lock()
        mm.set(1, Pte("page", device))
        mm.ptl.unlock()
        w.mark("device page mapped")

    assert normal.lru
    w.task("walker", walker())
    w.task("driver", driver())


ZD13 = Scenario(
    "ZD13",
    "lru-operation-on-device-page",
    "a device page is put on or taken off an LRU list",
    _zd13,
    choices(no_test="O10", zone_test=HOLDS),
    bad="no-test",
    good="zone-test",
    sometimes=("device page mapped",),
)


def _zd14(w: World, gup: str) -> None:
    """A device-private page is pinned; a CPU fault on it can never migrate it back.

    Such an entry is not present for the CPU, so GUP must fault first: the page comes back to system memory and that
    page is pinned.

    Digest 001-004: Jerome Glisse 004:L5361-5369, J13.
    """
    m = Machine(w)
    mm = m.mm("P")
    device = Page(m, "D")
    device.zone = "device"
    mm.vmas[0] = Vma()
    mm.set(0, Pte("device", device))

    def migrate_back() -> Op[None]:
        yield from mm.ptl.lock()
        while mm.pte(0).kind == "device":
            mm.ptl.unlock()
            yield "migrate_to_ram"
            yield from mm.ptl.lock()
            if device.refcount == 1 and mm.pte(0).kind == "device":
                ram = m.memory.take("R")
                assert ram is not None
                mm.set(0, Pte("page", ram, write=True))
        mm.ptl.unlock()

    def pinner() -> Op[None]:
        if gup == "fault-first":
            yield from migrate_back()
        yield from mm.ptl.lock()
        page = mm.pte(0).page
        mm.ptl.unlock()
        assert page is not None
        yield f"pin {page.name}"
        page.get()

    w.task("gup", pinner())
    w.task("cpu", migrate_back())


ZD14 = Scenario(
    "ZD14",
    "device-private-page-pinned",
    "a pinned device-private page can never come back",
    _zd14,
    choices(pin_directly="livelock", fault_first=HOLDS),
    bad="pin-directly",
    good="fault-first",
)


def _zd15(w: World, audit: str) -> None:
    """Device pages that start at count zero, and a path that takes "zero" for "free to the allocator" or "on no LRU".

    Every place that meets such a page has to test the zone first.

    Digest 001-004: debate 004:L4024-4034.
    """
    m = Machine(w)
    device = Page(m, "D", refcount=0)
    device.zone = "device"

    def allocator_fallback() -> Op[None]:
        yield "a free-looking page is found"
        if device.refcount == 0:
            yield "put it on a list"
            if audit == "none" or device.zone != "device":
                isolate(device)

    def driver() -> Op[None]:
        yield "the driver uses its page"
        device.refcount = 1
        yield "and frees it"
        device.refcount = 0

    w.task("scanner", allocator_fallback())
    w.task("driver", driver())


ZD15 = Scenario(
    "ZD15",
    "zero-based-device-page-unaudited",
    "a device page with count zero is taken for a free page",
    _zd15,
    choices(none="O10", zone_test=HOLDS),
    bad="none",
    good="zone-test",
)


def _zd16(w: World, close: str) -> None:
    """The driver frees its page when the vma is closed, while a GUP reference is out.

    Digest 001-004: Logan Gunthorpe 004:L4422-4433, who names the condition.
    """
    m = Machine(w)
    page = m.memory.take("D")
    assert page is not None
    page.get()

    def holder() -> Op[None]:
        yield "use the page"
        page.touch("DMA")
        yield "put the reference"
        page.put()

    def closing() -> Op[None]:
        yield "vma->close"
        if close == "wait":
            yield Wait("wait for other references", lambda: page.refcount == 1)
            page.put()
        else:
            page.refcount = 0
            page.free()

    w.task("dma", holder())
    w.task("close", closing())


ZD16 = Scenario(
    "ZD16",
    "device-page-freed-at-close",
    "a device page is freed at vma close while somebody holds it",
    _zd16,
    choices(at_once="O5", wait=HOLDS),
    bad="at-once",
    good="wait",
)
