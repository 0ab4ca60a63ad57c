"""Entries that leave and come back: swap, and the bits that have to travel; reclaim against pins."""

from __future__ import annotations

from mmlint.sim.build import after, choices, device, done, monitor
from mmlint.sim.model.fault import user_read, user_write
from mmlint.sim.model.fork import fork
from mmlint.sim.model.gup import gup_fast, unpin
from mmlint.sim.model.kernel import K2, UPSTREAM, Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Pte, Vma
from mmlint.sim.model.reclaim import shrink_page
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, World


def _swap1(w: World, recheck: str) -> None:
    """Two threads fault on one swap entry; while one waits for the folio lock the entry is freed and reused.

    The second thread swaps in, writes (its page is copied because of the first one's reference) and is swapped out to
    the same slot: pte_same says yes, but the folio the first thread holds is the old one. It has to ask the folio
    whether it still is in the swap cache for this entry.

    Review practice RR-82; do_swap_page in mm/memory.c.
    """
    m = Machine(w, K2.but("K2 swap", swap_recheck=recheck == "recheck"))
    watch(m, "O2", "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0)
    page.data = {"a": "P:old"}
    page.mapcount, page.swapcache, page.exclusive = 0, True, False
    m.swap = {1: dict(page.data)}
    w.facts["entry of X"] = 1
    mm.set(0, Pte("swap", entry=1, exclusive=True, soft_dirty=True))
    m.expect(mm, 0, "P:old")

    def second() -> Op[None]:
        yield from user_write(m, mm, 0, "new")
        mine = mm.pte(0).page
        if mine is not None:
            yield from shrink_page(m, mine)

    w.task("first", user_read(m, mm, 0))
    w.task("second", second())


SWAP1 = Scenario(
    "SWAP1",
    "swap-cache-folio-unverified",
    "a swap entry is reused and the folio found for it earlier is mapped",
    _swap1,
    choices(pte_same_only="O14", recheck=HOLDS),
    bad="pte-same-only",
    good="recheck",
)


def _swap2(w: World, kernel: Kernel) -> None:
    """Two threads swap in the same entry, each with a folio of its own, and the second installs without pte_same.

    The first thread's page loses its mapping but keeps the reference and rmap of it, and what was written is gone.

    Review practice RR-82; do_swap_page in mm/memory.c.
    """
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    mm = m.mm("P")
    mm.vmas[0] = Vma()
    m.swap = {1: {"a": "P:old"}}
    mm.set(0, Pte("swap", entry=1, exclusive=True))
    m.expect(mm, 0, "P:old")

    w.task("writer", user_write(m, mm, 0, "new"))
    w.task("reader", user_read(m, mm, 0))


SWAP2 = Scenario(
    "SWAP2",
    "swap-in-without-pte-same",
    "a swap-in installs its page without looking at the entry again",
    _swap2,
    (
        Variant("no-pte-same", UPSTREAM.but("no pte_same", swap_pte_same=False), "O14"),
        Variant("pte-same", UPSTREAM, HOLDS),
    ),
    bad="no-pte-same",
    good="pte-same",
)


def _uffd1(w: World, kernel: Kernel) -> None:
    """A userfaultfd write-protected page is swapped out and its protection bit is not put into the swap entry.

    It comes back without the bit, the process writes, the monitor hears nothing.

    Review practice RR-75, RR-76; digest 001-004 HM10.
    """
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0, write=False, vma=Vma(uffd_wp=True), uffd_wp=True)

    def writer() -> Op[None]:
        if (yield from user_write(m, mm, 0, "1")) and not w.facts.get("monitor heard"):
            w.fail("O16", "P wrote to a write-protected range and the monitor was not told")
        done(m, "no more writes")

    w.task("writer", writer())
    w.task("kswapd", shrink_page(m, page))
    w.task("monitor", monitor(m, 0))


def _without(bit: str) -> Kernel:
    return UPSTREAM.but(f"without {bit}", swap_bits=UPSTREAM.swap_bits - {bit})


UFFD1 = Scenario(
    "UFFD1",
    "uffd-wp-bit-lost-on-move",
    "an entry moves and loses the userfaultfd write-protect bit",
    _uffd1,
    (Variant("bit-dropped", _without("uffd_wp"), "O16"), Variant("bit-carried", UPSTREAM, HOLDS)),
    bad="bit-dropped",
    good="bit-carried",
    sometimes=(("swapped out", lambda w: w.objects["X"].freed),),  # type: ignore[attr-defined]
)


def _soft1(w: World, kernel: Kernel) -> None:
    """A page is written and swapped out; the soft-dirty bit does not go into the swap entry.

    The tracker (CRIU, incremental backup) looks at the entry and copies nothing: the write is missing from the image.

    Review practice RR-63, RR-76; Documentation/admin-guide/mm/soft-dirty.rst.
    """
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0)
    mm.set(0, mm.pte(0)._replace(soft_dirty=False, dirty=False))

    def tracker() -> None:
        if not mm.pte(0).soft_dirty:
            w.fail("O16", "P wrote to the page and its entry is not soft-dirty")

    w.task("writer", user_write(m, mm, 0, "1"))
    w.task("kswapd", shrink_page(m, page))
    w.final.insert(0, tracker)


SOFT1 = Scenario(
    "SOFT1",
    "soft-dirty-lost-on-move",
    "an entry moves and loses the soft-dirty bit",
    _soft1,
    (Variant("bit-dropped", _without("soft_dirty"), "O16"), Variant("bit-carried", UPSTREAM, HOLDS)),
    bad="bit-dropped",
    good="bit-carried",
    sometimes=(("swapped out", lambda w: w.objects["X"].freed),),  # type: ignore[attr-defined]
)


def _excl1(w: World, kernel: Kernel) -> None:
    """Fork shares a page and leaves the anon-exclusive marker set: the parent goes on writing in place.

    The child sees what its parent wrote after the fork. The same for a swap entry that keeps the marker on both sides.

    Review practice RR-61; page_try_dup_anon_rmap, copy_nonpresent_pte.
    """
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    w.run(user_write(m, parent, 0, "before"))

    def run() -> Op[None]:
        yield from fork(m, parent, child)
        yield from user_write(m, parent, 0, "after")

    w.task("parent", run())
    w.task("kswapd", shrink_page(m, page))


EXCL1 = Scenario(
    "EXCL1",
    "exclusive-marker-kept-in-fork",
    "fork shares a page that goes on being marked exclusive",
    _excl1,
    (
        Variant("marker-kept", UPSTREAM.but("marker kept", exclusive_clear=False), "O2"),
        Variant("marker-cleared", UPSTREAM, HOLDS),
    ),
    bad="marker-kept",
    good="marker-cleared",
    sometimes=(("shared through swap", lambda w: "swap" in str(w.objects["C"].ptes)),),  # type: ignore[attr-defined]
)


def _excl2(w: World, kernel: Kernel) -> None:
    """The page is in the swap cache and the parent's entry is a swap entry marked exclusive; fork copies the entry.

    If the parent's entry keeps the marker, the parent writes in place after swapping in, and the child, who finds the
    same page in the swap cache, sees it.

    Review practice RR-61; copy_nonpresent_pte clears the marker in the source.
    """
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    page.data = {"a": "P:before"}
    page.mapcount, page.swapcache = 0, True
    m.swap = {1: dict(page.data)}
    w.facts["entry of X"] = 1
    parent.set(0, Pte("swap", entry=1, exclusive=True))
    m.expect(parent, 0, "P:before")

    def run() -> Op[None]:
        yield from fork(m, parent, child)
        done(m, "forked")
        yield from user_write(m, parent, 0, "after")

    def other() -> Op[None]:
        yield after(m, "forked")
        yield from user_read(m, child, 0)

    w.task("parent", run())
    w.task("child", other())


EXCL2 = Scenario(
    "EXCL2",
    "exclusive-swap-entry-shared",
    "fork copies a swap entry and leaves the exclusive marker in the source",
    _excl2,
    (
        Variant("marker-kept", UPSTREAM.but("marker kept", exclusive_clear=False), "O2"),
        Variant("marker-cleared", UPSTREAM, HOLDS),
    ),
    bad="marker-kept",
    good="marker-cleared",
)


def _pinned_reclaim(w: World, kernel: Kernel, skip: bool) -> None:
    m = Machine(w, kernel)
    watch(m, "O1", "O2", "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0)
    pin = m.pin("dev", mm, 0)

    def run() -> Op[None]:
        yield from gup_fast(m, pin, longterm=True)
        yield from user_read(m, mm, 0)
        yield from user_write(m, mm, 0, "1")
        yield after(m, "dma")
        yield from unpin(m, pin, dirty=True)

    w.task("process", run())
    w.task("device", device(m, pin))
    w.task("kswapd", shrink_page(m, page, skip_pinned=skip))


def _pin1(w: World, policy: tuple[Kernel, bool]) -> None:
    """Reclaim unmaps a pinned page. It cannot free it, but the process gets it back read-only and copies on write.

    From then on the device and the process use different pages. The same for migration or unmapping: a page that may
    be pinned is left where it is. A kernel that keeps the exclusive marker in the swap entry survives.

    Digest 000 I3; folio_maybe_dma_pinned in shrink_folio_list.
    """
    kernel, skip = policy
    _pinned_reclaim(w, kernel, skip)


_BLIND = K2.but("blind", unmap_recheck=False)
PIN1 = Scenario(
    "PIN1",
    "pinned-page-unmapped",
    "reclaim unmaps a pinned page and the next write leaves the device behind",
    _pin1,
    (
        Variant("no-pin-test", (_BLIND, False), "O1"),
        Variant("pin-test", (K2, True), HOLDS),
        Variant("upstream-without-test", (UPSTREAM.but("blind", unmap_recheck=False), False), HOLDS),
    ),
    bad="no-pin-test",
    good="pin-test",
    sometimes=("reclaim backed out",),
)


def _cw5(w: World, kernel: Kernel) -> None:
    """A writable page is put into the swap cache; the pin comes between that and the unmapping.

    The pin test at the start of reclaim has passed. The page is unmapped, comes back read-only, its count is above
    one, and the write copies: the pin is stale. Rule (d): never make a swap-cache page out of a writable COW page;
    in practice the pin is tested again under the page-table lock, where the entry is cleared.

    Digest 001-004: rule (d) 002:L67, CW5; try_to_unmap_one.
    """
    _pinned_reclaim(w, kernel, skip=True)


CW5 = Scenario(
    "CW5",
    "swap-cache-of-writable-page",
    "a page becomes pinned after reclaim has decided to swap it out",
    _cw5,
    (Variant("tested-once", _BLIND, "O1"), Variant("tested-under-ptl", K2, HOLDS)),
    bad="tested-once",
    good="tested-under-ptl",
    sometimes=("reclaim backed out",),
)
