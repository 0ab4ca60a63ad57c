"""Copying a pinned page inside fork: where the memory comes from, and what happens around dropping the lock."""

from __future__ import annotations

from mmlint.sim.build import after, device, done
from mmlint.sim.model.fault import alloc_page, user_read, user_write
from mmlint.sim.model.fork import fork
from mmlint.sim.model.gup import gup_fast, unpin
from mmlint.sim.model.kernel import K2, K2DRAFT, Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.reclaim import shrink_page
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, Wait, World


def _s12(w: World, kernel: Kernel) -> None:
    """Fork needs a page for the early copy while it holds both page-table locks, and memory is used up.

    The allocation may sleep (GFP_HIGHUSER_MOVABLE, charge with GFP_KERNEL). Direct reclaim then unmaps a page of the
    very table whose lock is held: self-deadlock, or scheduling in atomic context. The oracle fires whether or not
    memory is short, as might_sleep does. The good kernel drops the locks, allocates (reclaim takes the lock and
    swaps the neighbour out), takes the locks again and goes on.

    Digest 000: Jason L5990; outline of the repair by Linus L6271-6281.
    """
    m = Machine(w, kernel)
    watch(m, "O1", "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    cold = m.anon(parent, 1, "Q")
    pin = m.pin("dev", parent, 0)
    w.run(gup_fast(m, pin, longterm=True))
    m.memory.free = 0

    def direct_reclaim() -> Op[None]:
        w.mark("direct reclaim")
        yield from shrink_page(m, cold)

    m.reclaim = direct_reclaim

    def run() -> Op[None]:
        yield from fork(m, parent, child)
        yield from user_write(m, parent, 0, "1")
        yield after(m, "dma")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("device", device(m, pin))


S12 = Scenario(
    "S12",
    "alloc-under-ptl-reclaims-into-it",
    "an allocation that sleeps under the page-table lock reclaims into that lock",
    _s12,
    (Variant("K2draft", K2DRAFT, "O3"), Variant("K2", K2, HOLDS)),
    bad="K2draft",
    good="K2",
    sometimes=("direct reclaim", "dropped the lock to allocate"),
)


def _s13(w: World, kernel: Kernel) -> None:
    """GFP_ATOMIC instead: a fork of a process with several pinned pages empties the reserve, and a packet is dropped.

    Digest 000: Linus L6247-6281.
    """
    m = Machine(w, kernel)
    watch(m, "O1", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    pins = [m.pin(f"dev{addr}", parent, addr) for addr in range(2)]
    for pin in pins:
        m.anon(parent, pin.addr, f"X{pin.addr}")
        w.run(gup_fast(m, pin, longterm=True))
    m.memory.free, m.memory.reserve = 2, 1

    def run() -> Op[None]:
        if not (yield from fork(m, parent, child)):
            w.mark("fork returned ENOMEM")
        for pin in pins:
            yield from unpin(m, pin)

    def network() -> Op[None]:
        skb = yield from alloc_page(m, parent, "skb", gfp="atomic", charge=False)
        if skb is None:
            w.fail("O19", "a packet is dropped: fork has taken the atomic reserve")
        yield "packet delivered"
        skb.put()

    w.task("parent", run())
    w.task("net", network())


_ATOMIC = K2.but("GFP_ATOMIC", fork="early-copy", copy_gfp="atomic")
S13 = Scenario(
    "S13",
    "atomic-allocation-drains-reserve",
    "bulk GFP_ATOMIC in fork takes the reserve that interrupts live on",
    _s13,
    (Variant("GFP_ATOMIC", _ATOMIC, "O19"), Variant("K2", K2, HOLDS)),
    bad="GFP_ATOMIC",
    good="K2",
    sometimes=("fork returned ENOMEM",),
)


def _retry(w: World, kernel: Kernel, swapper: bool) -> None:
    """Two pages, the first pinned; while fork has the lock dropped the pin goes and reclaim may take the page."""
    m = Machine(w, kernel)
    watch(m, "O1", "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    m.anon(parent, 1, "Q")
    pin = m.pin("dev", parent, 0)
    w.run(user_write(m, parent, 0, "data"))
    w.run(gup_fast(m, pin, longterm=True))

    def run() -> Op[None]:
        copied = yield from fork(m, parent, child)
        missing = [addr for addr in parent.ptes if child.pte(addr).kind == "none"]
        if copied and missing:
            w.fail("O6", f"fork succeeded but the child lacks {missing}")
        done(m, "forked")
        if copied:
            yield from user_read(m, child, 0)

    def release(early: bool) -> Op[None]:
        if not early:
            yield after(m, "forked")
        yield from unpin(m, pin, dirty=True)

    w.task("parent", run())
    w.task("device", release(early=kernel.retry != "no-alloc"))
    if swapper:
        w.task("kswapd", shrink_page(m, page))


def _s14(w: World, kernel: Kernel) -> None:
    """Drop both locks, allocate, take them again, retry: and the ways to get the protocol wrong.

    Arms: the unused preallocated page is not put (leak); the retry comes without having allocated (the loop never
    ends as long as the pin is there); the address is advanced before the retry (the child lacks a page). In the other
    arms the device drops its pin meanwhile, so the retry may find that no copy is needed any more.

    Digest 000: outline L6271-6281; 70e806e4e645 for the machine as merged.
    """
    _retry(w, kernel, swapper=False)


S14 = Scenario(
    "S14",
    "preallocate-and-retry",
    "the drop, allocate, retake, retry protocol of the early copy",
    _s14,
    (
        Variant("leak", K2.but("leak", retry="leak"), "O4"),
        Variant("no-alloc", K2.but("no-alloc", retry="no-alloc"), "livelock"),
        Variant("advance", K2.but("advance", retry="advance"), "O6"),
        Variant("K2", K2, HOLDS),
    ),
    bad="leak",
    good="K2",
    sometimes=("dropped the lock to allocate", "unused prealloc"),
)


def _rt1(w: World, kernel: Kernel) -> None:
    """The entry read before the lock was dropped is used after it was retaken.

    While fork allocates, the pin goes and reclaim swaps the page out: the remembered entry names a page that is
    freed. After taking the lock again the entry must be read again (pte_same).

    Digest 000: S14b, I17; the pte_same test of the old do_wp_page in P1 (L75-183).
    """
    _retry(w, kernel, swapper=True)


RT1 = Scenario(
    "RT1",
    "stale-pte-after-relock",
    "an entry read before dropping the page-table lock is used after retaking it",
    _rt1,
    (Variant("remembered", K2.but("remembered", retry="no-reread"), "O5"), Variant("read-again", K2, HOLDS)),
    bad="remembered",
    good="read-again",
    sometimes=("dropped the lock to allocate", "unused prealloc"),
)


def _s15(w: World, protocol: str) -> None:
    """copy_one_pte answers with a swap entry that needs a continuation, and -ENOMEM goes through the same value.

    The caller takes the errno for an entry and continues the count of a swap slot that does not exist. The repair
    has an error value of its own. Whether memory is there depends on another process.

    Digest 000: FIXME at L4605, remedy L5895-5918. The interleaving is ours.
    """
    m = Machine(w, K2)
    parent = m.mm("P")
    m.memory.free = 1
    slots = {7}

    def add_swap_count_continuation(entry: int) -> None:
        if entry not in slots:
            w.fail("O14", f"add_swap_count_continuation on entry {entry}: no such slot, it is an errno")

    def copy_one() -> Op[tuple[int, int]]:
        page = yield from alloc_page(m, parent, "Z", charge=False)
        if page is not None:
            page.put()
            return 0, 0
        w.mark("allocation failed")
        return (-12, 0) if protocol == "one-value" else (0, -12)

    def run() -> Op[None]:
        entry, error = yield from copy_one()
        yield "copy_pte_range looks at the result"
        if entry and not error:
            add_swap_count_continuation(entry)

    def neighbour() -> Op[None]:
        page = yield from alloc_page(m, parent, "N", charge=False)
        yield "neighbour frees again"
        if page is not None:
            page.put()

    w.task("fork", run())
    w.task("neighbour", neighbour())


S15 = Scenario(
    "S15",
    "errno-read-as-swap-entry",
    "an errno returned as a swap entry is taken for a slot",
    _s15,
    (Variant("one-value", "one-value", "O14"), Variant("two-values", "two-values", HOLDS)),
    bad="one-value",
    good="two-values",
    sometimes=("allocation failed",),
)


def _s16(w: World, kernel: Kernel) -> None:
    """get_page and page_dup_rmap come first, the decision to copy after them: nobody takes them back.

    The source page keeps a reference and a mapcount for a mapping that does not exist: it is never freed. The
    merged code decides before it touches the page.

    Digest 000: our reading of PE L4592-4604 and PF L5618-5645; 70e806e4e645.
    """
    m = Machine(w, kernel)
    watch(m, "O1", "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)
    w.run(gup_fast(m, pin, longterm=True))

    def run() -> Op[None]:
        yield from fork(m, parent, child)
        yield after(m, "dma")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("device", device(m, pin))


S16 = Scenario(
    "S16",
    "reference-before-copy-decision",
    "a reference and rmap taken for a mapping that is then replaced by a copy",
    _s16,
    (Variant("after-ref", K2.but("after-ref", copy_decision="after-ref"), "O4"), Variant("K2", K2, HOLDS)),
    bad="after-ref",
    good="K2",
    sometimes=("dropped the lock to allocate",),
)


def _s17(w: World, missing: str) -> None:
    """The child's copy is installed half made: without rmap, charge, uptodate flag or LRU.

    Each omission is seen by a different part of the kernel: reclaim cannot find the page, the group does not pay,
    exit underflows the mapcount.

    Digest 000: FIXME L4554; PF (L5454-5740) adds all but the LRU insertion, which is our observation.
    """
    steps = K2.copy_steps - {missing}
    m = Machine(w, K2.but(f"without {missing}", copy_steps=steps))
    watch(m, "O1", "O2", "complete", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)
    w.run(gup_fast(m, pin, longterm=True))

    def run() -> Op[None]:
        yield from fork(m, parent, child)
        yield after(m, "dma")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("device", device(m, pin))


S17 = Scenario(
    "S17",
    "half-made-copy",
    "an anonymous page is mapped before it is complete",
    _s17,
    (
        Variant("no-lru", "lru", "O4"),
        Variant("no-rmap", "rmap", "O4"),
        Variant("no-uptodate", "uptodate", "O4"),
        Variant("complete", "nothing", HOLDS),
    ),
    bad="no-lru",
    good="complete",
    sometimes=("dropped the lock to allocate",),
)


def _s18(w: World, kernel: Kernel) -> None:
    """The copy for the child cannot be allocated, and fork goes on as if the page were not pinned.

    Data is lost, and only under memory pressure. fork has to fail.

    Digest 000: Peter L5440, Linus L5840.
    """
    m = Machine(w, kernel)
    watch(m, "O1", "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)
    w.run(gup_fast(m, pin, longterm=True))
    m.memory.free = 1

    def run() -> Op[None]:
        if not (yield from fork(m, parent, child)):
            w.mark("fork returned ENOMEM")
        m.memory.free += 2
        yield from user_write(m, parent, 0, "1")
        yield after(m, "dma")
        yield from unpin(m, pin)

    def neighbour() -> Op[None]:
        page = yield from alloc_page(m, parent, "N", charge=False)
        yield Wait("neighbour keeps its page", lambda: True)
        if page is not None:
            page.put()

    w.task("parent", run())
    w.task("neighbour", neighbour())
    w.task("device", device(m, pin))


_CARRY_ON = K2.but("share-on-failure", fork="early-copy", copy_gfp="atomic", enomem="share")
S18 = Scenario(
    "S18",
    "copy-failure-falls-through",
    "a failed early copy falls through to sharing and write-protecting",
    _s18,
    (
        Variant("share-on-failure", _CARRY_ON, "O1"),
        Variant("fail-fork", _CARRY_ON.but("fail-fork", enomem="fail"), HOLDS),
    ),
    bad="share-on-failure",
    good="fail-fork",
    sometimes=("fork returned ENOMEM",),
)

__all__ = ["RT1", "S12", "S13", "S14", "S15", "S16", "S17", "S18"]
