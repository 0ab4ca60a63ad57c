"""Pins against fork and write-protection: the failure that started the early copy."""

from __future__ import annotations

from mmlint.sim.build import after, choices, device, done, exiting_child, kernels, settled_fork
from mmlint.sim.model.fault import user_read, user_write
from mmlint.sim.model.fork import fork, zap
from mmlint.sim.model.gup import dma_read, gup_fast, gup_slow, unpin
from mmlint.sim.model.kernel import K0, K0F, K1, K1PIN, K1WP, K2, UPSTREAM, Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, World


def _pin_fork_write(m: Machine, how: str, longterm: bool, level: str, child_exits: bool) -> None:
    """Parent pins page 0 for a device, forks, and writes; the child exits first if `child_exits`, else it stays."""
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)

    def run() -> Op[None]:
        yield from gup_fast(m, pin, how=how, longterm=longterm)
        yield from fork(m, parent, child, level)
        if child_exits:
            yield after(m, "child gone")
        yield from user_write(m, parent, 0, "after fork")
        yield after(m, "dma")
        yield from unpin(m, pin, dirty=True)

    m.w.task("parent", run())
    if child_exits:
        m.w.task("child", exiting_child(m, child))
    m.w.task("device", device(m, pin))


def _s1(w: World, kernel: Kernel) -> None:
    """A process pins a buffer for a device, forks a helper that execs, and writes the buffer again.

    fork write-protects the parent's entry although the page is pinned. The child leaves, so the parent is the only
    mapper, but the pin keeps the reference count above one. A kernel that reuses only at count one copies on the
    parent's write: the device goes on writing to a page the process no longer maps. With the check in the copy
    function the child gets a copy and the parent's entry stays writable.

    Thread of 2020, digest 000: L4501 (RDMA failure), L3674 and L4343 (the repair in copy_one_pte); matrix row S1.
    """
    m = Machine(w, kernel)
    watch(m, "O1", "O2", "O4")
    _pin_fork_write(m, "pin", True, "pte", child_exits=True)


S1 = Scenario(
    "S1",
    "pinned-page-fork",
    "fork write-protects a pinned page and the next write moves the process off it",
    _s1,
    kernels({K0: HOLDS, K0F: HOLDS, K1: "O1", K1PIN: "O1", K1WP: HOLDS, K2: HOLDS, UPSTREAM: HOLDS}),
    bad="K1",
    good="K2",
    sometimes=(("DMA comes before the write", lambda w: bool(w.facts.get("dma"))),),
)


def _s2(w: World, policy: tuple[Kernel, bool]) -> None:
    """A read-only pin on a page that an earlier fork left write-protected, then a write by its owner.

    The child is gone, but the write bit did not come back. A pin without FOLL_WRITE takes the page as it is; the
    owner's write then copies because of the pin, and the pin is stale. Early copy at fork cannot help: the fork was
    earlier than the pin. FOLL_WRITE at the pin does, and so does unsharing (upstream) or breaking COW for FOLL_PIN.

    Digest 000: Peter L3345-3362; matrix rows S2 and "S2 with FOLL_WRITE".
    """
    kernel, write = policy
    m = Machine(w, kernel)
    watch(m, "O1", "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    settled_fork(m, parent, child)
    pin = m.pin("dev", parent, 0)

    def run() -> Op[None]:
        yield from gup_slow(m, pin, write=write, longterm=True)
        yield from user_write(m, parent, 0, "later")
        yield after(m, "dma")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("device", device(m, pin))


def _with_write(expect: dict[Kernel, str], write: bool, suffix: str) -> tuple[Variant, ...]:
    return tuple(Variant(k.name + suffix, (k, write), outcome) for k, outcome in expect.items())


_ALL = (K0, K0F, K1, K1PIN, K1WP, K2, UPSTREAM)
S2 = Scenario(
    "S2",
    "read-only-pin-then-write",
    "a long-term pin without FOLL_WRITE goes stale on the owner's next write",
    _s2,
    _with_write({K0: HOLDS, K0F: HOLDS, K1: "O1", K1PIN: HOLDS, K1WP: HOLDS, K2: "O1", UPSTREAM: HOLDS}, False, "")
    + _with_write(dict.fromkeys(_ALL, HOLDS), True, "+FOLL_WRITE"),
    bad="K2",
    good="K2+FOLL_WRITE",
    sometimes=(("DMA comes before the write", lambda w: bool(w.facts.get("dma"))),),
)


def _s3(w: World, policy: tuple[Kernel, str]) -> None:
    """As S1, but the child stays alive: the parent gets the copy and the device writes into the child's memory.

    No reuse rule can repair this, because there are two mappers: only fork can, by giving the child the copy.
    In the arm where the child writes first the child copies, and kernels that reuse by mapcount get away with it.

    Digest 000: L4016 ("doesn't work today anyhow"); matrix rows S3 and "S3 variant, child writes first".
    """
    kernel, first = policy
    m = Machine(w, kernel)
    watch(m, "O1", "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)

    def run() -> Op[None]:
        yield from gup_fast(m, pin, longterm=True)
        yield from fork(m, parent, child)
        done(m, "forked")
        if first == "child":
            yield after(m, "child wrote")
        yield from user_write(m, parent, 0, "parent")
        yield after(m, "dma")
        yield from unpin(m, pin)

    def other() -> Op[None]:
        yield after(m, "forked")
        if first == "child":
            yield from user_write(m, child, 0, "child")
            done(m, "child wrote")
        else:
            yield from user_read(m, child, 0)

    w.task("parent", run())
    w.task("child", other())
    w.task("device", device(m, pin))


S3 = Scenario(
    "S3",
    "pinned-page-fork-child-stays",
    "after a fork the device's writes land in the child's memory",
    _s3,
    tuple(
        Variant(k.name, (k, "parent"), e)
        for k, e in {K0: "O1", K0F: "O1", K1: "O1", K1PIN: "O1", K1WP: "O1", K2: HOLDS, UPSTREAM: HOLDS}.items()
    )
    + tuple(
        Variant(f"{k.name} child first", (k, "child"), e)
        for k, e in {K0: HOLDS, K0F: HOLDS, K1: "O1", K1PIN: "O1", K1WP: HOLDS, K2: HOLDS, UPSTREAM: HOLDS}.items()
    ),
    bad="K1",
    good="K2",
    sometimes=(("DMA comes before the write", lambda w: bool(w.facts.get("dma"))),),
)


def _s21(w: World, marked: str) -> None:
    """A kernel that protects only long-term pins, and a driver that keeps pages without saying FOLL_LONGTERM.

    The flag in the mm is set for FOLL_LONGTERM only, so fork does not look at the page: S1 for this driver. A driver
    whose pins outlive the system call marks them.

    Digest 000: Jason L5871 and L6397-6408, debate L6357-6584.
    """
    m = Machine(w, K2.but("K2 longterm flag", pin_flag="longterm"))
    watch(m, "O1", "O2", "O4")
    _pin_fork_write(m, "pin", marked == "FOLL_LONGTERM", "pte", child_exits=True)


S21 = Scenario(
    "S21",
    "unmarked-longterm-pin",
    "a pin that outlives the call but is not FOLL_LONGTERM is not protected at fork",
    _s21,
    (Variant("unmarked", "none", "O1"), Variant("marked", "FOLL_LONGTERM", HOLDS)),
    bad="unmarked",
    good="marked",
)


def _s33(w: World, how: str) -> None:
    """S1 with a FOLL_GET reference: page_maybe_dma_pinned says no, fork shares, the device's page goes stale.

    Digest 000: David L7680: plain references will not get the guarantee; DMA has to pin.
    """
    m = Machine(w, K2)
    watch(m, "O1get", "O2", "O4")
    _pin_fork_write(m, how, True, "pte", child_exits=True)


S33 = Scenario(
    "S33",
    "get-instead-of-pin",
    "DMA through a plain reference is not protected at fork",
    _s33,
    choices(get="O1", pin=HOLDS),
    bad="get",
    good="pin",
)


def _s28(w: World, policy: tuple[Kernel, str]) -> None:
    """S1 on a huge mapping: the check must be at all four write-protect sites, not only in copy_one_pte.

    The model has one page per mapping; the level chooses which copy function decides (copy_one_pte, copy_huge_pmd,
    copy_huge_pud, copy_hugetlb_page_range). hugetlb's own write fault (hugetlb_wp) reuses an anonymous page with one
    mapper, so with the child gone nothing is lost there: the child has to stay (a real kernel showed it, docs/lab.md).

    Digest 000: Jason L5335-5366; d042035eaf5f and 4eae4efa2c29 for the huge cases.
    """
    kernel, level = policy
    hugetlb = level == "hugetlb"
    m = Machine(w, kernel.but(reuse="mapcount") if hugetlb else kernel)
    watch(m, "O1", "O2", "O4")
    _pin_fork_write(m, "pin", True, level, child_exits=not hugetlb)


_PTE_ONLY = K2.but("K2 pte only", levels=frozenset({"pte"}))
S28 = Scenario(
    "S28",
    "pinned-huge-page-fork",
    "the pinned check is missing at the huge levels of the fork copy",
    _s28,
    tuple(
        Variant(f"pte only, {level}", (_PTE_ONLY, level), e)
        for level, e in (("pte", HOLDS), ("pmd", "O1"), ("pud", "O1"), ("hugetlb", "O1"))
    )
    + tuple(Variant(f"all levels, {level}", (K2, level), HOLDS) for level in ("pmd", "pud", "hugetlb")),
    bad="pte only, pmd",
    good="all levels, pmd",
)


def _s8(w: World, policy: tuple[Kernel, str]) -> None:
    """A child takes a read reference on a page it shares with its parent, unmaps it, and waits for secrets.

    A kernel that reuses by mapcount sees one mapper and lets the parent write in place: the child reads what the
    parent wrote after the fork. The reference count says two and forces the copy. With a pin instead of a reference
    the pin-aware repair (K1wp) falls back to the mapcount and opens the hole again.

    Digest 000: L1230, David L7656; matrix rows S8 GET and PIN.
    """
    kernel, how = policy
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    w.run(user_write(m, parent, 0, "before fork"))
    page.dirty = True
    settled_fork(m, parent, child, child_exits=False)
    ref = m.pin("ref", child, 0)

    def spy() -> Op[None]:
        yield from gup_slow(m, ref, write=False, how=how)
        yield from zap(m, child, 0)
        done(m, "child unmapped")
        yield from dma_read(m, ref)
        yield after(m, "parent wrote")
        yield from dma_read(m, ref)
        yield from unpin(m, ref)

    def victim() -> Op[None]:
        yield from user_write(m, parent, 0, "secret")
        done(m, "parent wrote")

    w.task("child", spy())
    w.task("parent", victim())


S8 = Scenario(
    "S8",
    "missed-cow-through-reference",
    "reuse by mapcount lets a child read the parent's later writes",
    _s8,
    tuple(
        Variant(f"{k.name} {how}", (k, how), e)
        for how, table in {
            "get": {K0: "O2", K0F: HOLDS, K1: HOLDS, K1PIN: HOLDS, K1WP: HOLDS, K2: HOLDS, UPSTREAM: HOLDS},
            "pin": {K0: "O2", K0F: HOLDS, K1: HOLDS, K1PIN: HOLDS, K1WP: "O2", K2: HOLDS, UPSTREAM: HOLDS},
        }.items()
        for k, e in table.items()
    ),
    bad="K0 get",
    good="K1 get",
    sometimes=(
        (
            "child has unmapped before the write",
            lambda w: bool(w.facts.get("child unmapped")) and not w.facts.get("parent wrote"),
        ),
    ),
)


def numa_scan(m: Machine, mm: Mm, addr: int, skip: str) -> Op[None]:
    """change_prot_numa: make the entry PROT_NONE for a hinting fault, unless the page is to be left alone."""
    yield from mm.ptl.lock()
    pte = mm.pte(addr)
    page = pte.page
    shared = page is not None and (page.mapcount > 1 if skip == "mapcount" else page.refcount > 1)
    if pte.present and page is not None and not shared:
        mm.set(addr, pte._replace(protnone=True))
        m.w.mark("protnone set")
    mm.ptl.unlock()


def _s32(w: World, skip: str) -> None:
    """NUMA balancing marks a pinned page PROT_NONE; the hinting fault restores access without write permission.

    The next write copies because of the pin. The test that leaves COW pages alone looked at the mapcount; it has to
    look at the references. That the fault loses the write bit is a hypothesis: the thread gives the symptom only.

    Digest 000: Oded L7345-7423; 80d47f5de5e3 (CVE-2022-48797).
    """
    m = Machine(w, K1)
    watch(m, "O1", "O4")
    parent = m.mm("P")
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)

    def run() -> Op[None]:
        yield from gup_fast(m, pin, longterm=True)
        yield from user_read(m, parent, 0)
        yield from user_write(m, parent, 0, "1")
        yield after(m, "dma")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("scanner", numa_scan(m, parent, 0, skip))
    w.task("device", device(m, pin))


S32 = Scenario(
    "S32",
    "numa-balancing-moves-pinned-page",
    "a hinting fault takes the write bit of a pinned page",
    _s32,
    choices(mapcount="O1", refcount=HOLDS),
    bad="mapcount",
    good="refcount",
    sometimes=("protnone set",),
    hypothesis=True,
)

__all__ = ["S1", "S2", "S3", "S8", "S21", "S28", "S32", "S33"]
