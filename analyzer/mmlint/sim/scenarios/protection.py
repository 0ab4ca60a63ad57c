"""Rule (c): write-protecting a page that somebody holds a reference to."""

from __future__ import annotations

from mmlint.sim.build import after, choices, done, settled_fork
from mmlint.sim.model.fault import user_write
from mmlint.sim.model.fork import fork
from mmlint.sim.model.gup import dma_write, gup_slow, unpin
from mmlint.sim.model.kernel import K0, K1, K2, UPSTREAM, Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm
from mmlint.sim.model.protect import mprotect_read, mprotect_write
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.scenarios.pins import S8
from mmlint.sim.world import Op, World


def _cw3(w: World, policy: tuple[Kernel, str, bool, bool]) -> None:
    """mprotect(PROT_READ) while another thread has short I/O on the page; later write permission comes back.

    Four policies for a page whose count is above one: fail (the call answers by chance), skip (it answers 0 and the
    page stays writable), wait (for ever, if the reference is kept until mprotect is through), classic (the later
    write copies and the I/O lands in the old page). With exclusivity tracked apart from the write bit (upstream,
    CW8) nothing is lost.

    Digest 001-004: Lutomirski 002:L57-65; CW3, CW8.
    """
    kernel, how, longterm, forked = policy
    m = Machine(w, kernel)
    watch(m, "O1get", "O2", "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    if forked:
        settled_fork(m, mm, m.mm("C", alive=False))
        w.run(user_write(m, mm, 0, "mine again"))
    ref = m.pin("io", mm, 0)

    def io() -> Op[None]:
        if not (yield from gup_slow(m, ref, how="get")):
            return
        if longterm:
            yield after(m, "mprotect done")
        yield from dma_write(m, ref, "dma")
        yield from unpin(m, ref)

    def thread() -> Op[None]:
        result = yield from mprotect_read(mm, 0, how)
        done(m, "mprotect done")
        if result:
            w.fail("O19", "mprotect returns EAGAIN only because another thread does I/O")
        if (yield from user_write(m, mm, 0, "forbidden")):
            w.fail("O17", "P writes after mprotect(PROT_READ) has succeeded")
        yield from mprotect_write(m, mm, 0)
        yield from user_write(m, mm, 0, "allowed")

    w.task("io", io())
    w.task("thread", thread())


CW3 = Scenario(
    "CW3",
    "mprotect-against-short-io",
    "a page with a reference is write-protected, and a later write moves off it",
    _cw3,
    (
        Variant("classic", (K2, "classic", False, False), "O1"),
        Variant("fail", (K2, "fail", False, False), "O19"),
        Variant("skip", (K2, "skip", False, False), "O17"),
        Variant("wait", (K2, "wait", False, False), HOLDS),
        Variant("wait-longterm", (K2, "wait", True, False), "deadlock"),
        Variant("exclusive", (UPSTREAM, "classic", False, False), HOLDS),
        Variant("exclusive-after-fork", (UPSTREAM, "classic", False, True), HOLDS),
    ),
    bad="classic",
    good="exclusive",
)


def _cw1(w: World, policy: tuple[Kernel, str]) -> None:
    """Rule (a): a COW page becomes writable in place only when its count is one.

    S8 seen from the rule: reuse by mapcount makes a page writable that somebody else can read.

    Digest 001-004: Linus 002:L41, CW1.
    """
    S8.build(w, policy)


CW1 = Scenario(
    "CW1",
    "reuse-with-count-above-one",
    "a COW page is made writable while somebody else holds it",
    _cw1,
    (
        Variant("mapcount", (K0, "get"), "O2"),
        Variant("count", (K1, "get"), HOLDS),
        Variant("upstream", (UPSTREAM, "get"), HOLDS),
    ),
    bad="mapcount",
    good="count",
)


def _cw2(w: World, kernel: Kernel) -> None:
    """A fresh page is held by the LRU batch of its CPU, so its count is two though only page tables reach it.

    A kernel that reuses at count one copies needlessly; draining first spares the copy.

    Digest 001-004: rule (b) 002:L47, CW2 (our observation); do_wp_page in 6.1 drains.
    """
    m = Machine(w, kernel)
    watch(m, "O2")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    settled_fork(m, parent, child)
    m.batch(page)

    def thrifty() -> None:
        if m.counters.get("copies"):
            w.fail("O7", "a page that nobody else can reach was copied")

    w.checks.append(thrifty)
    w.task("parent", user_write(m, parent, 0, "1"))
    w.task("cpu1", clear_young(parent))


def clear_young(mm: Mm) -> Op[None]:
    """Aging clears the accessed bit under the PTL."""
    yield from mm.ptl.lock()
    mm.set(0, mm.pte(0)._replace(young=False))
    mm.ptl.unlock()


CW2 = Scenario(
    "CW2",
    "batched-page-copied-needlessly",
    "the LRU batch's reference makes the owner copy his page",
    _cw2,
    (Variant("no-drain", K1, "O7"), Variant("drain", K1.but("K1 drain", wp_drain=True), HOLDS)),
    bad="no-drain",
    good="drain",
)


def _cw4(w: World, policy: tuple[Kernel, str]) -> None:
    """Other write-protectors (soft-dirty clear, userfaultfd-wp, KSM): the same question as mprotect.

    Clearing soft-dirty write-protects a writable page; upstream skips pages that may be pinned. Without that the
    next write copies, and the device stays behind.

    Digest 001-004: CW4; clear_soft_dirty in fs/proc/task_mmu.c.
    """
    kernel, site = policy
    m = Machine(w, kernel)
    watch(m, "O1", "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    pin = m.pin("dev", mm, 0)

    def clear_refs() -> Op[None]:
        yield from mm.ptl.lock()
        pte = mm.pte(0)
        page = pte.page
        if page is not None and not (site == "skip-pinned" and mm.has_pinned and page.maybe_pinned):
            mm.set(0, pte._replace(write=False, soft_dirty=False))
        else:
            w.mark("pinned page skipped")
        mm.ptl.unlock()

    def run() -> Op[None]:
        yield from gup_slow(m, pin)
        yield from user_write(m, mm, 0, "1")
        yield from unpin(m, pin)

    w.task("process", run())
    w.task("clear_refs", clear_refs())


CW4 = Scenario(
    "CW4",
    "pinned-page-write-protected",
    "clearing soft-dirty write-protects a pinned page",
    _cw4,
    (
        Variant("classic", (K2, "classic"), "O1"),
        Variant("skip-pinned", (K2, "skip-pinned"), HOLDS),
        Variant("upstream", (UPSTREAM, "classic"), HOLDS),
    ),
    bad="classic",
    good="skip-pinned",
    sometimes=("pinned page skipped",),
)


def _cw6(w: World, kernel: Kernel) -> None:
    """Without the bias a second reference would mean "pinned": every transient holder makes fork copy.

    LRU batches, isolation, migration, KSM and speculative getters all raise the count for a moment. The copy is
    right and slow; as a failure (rule (c)) it would be wrong.

    Digest 001-004: 002:L72, CW6 (our observation).
    """
    m = Machine(w, kernel)
    watch(m, "O2")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    parent.has_pinned = 1

    def thrifty() -> None:
        if m.counters.get("copied by fork"):
            w.fail("O7", "fork copied a page that only a lockless scanner was looking at")

    def scanner() -> Op[None]:
        yield "folio_try_get"
        if page.try_get():
            yield "folio_put"
            page.put()

    w.checks.append(thrifty)
    w.task("parent", fork(m, parent, child))
    w.task("scanner", scanner())


CW6 = Scenario(
    "CW6",
    "any-reference-taken-for-a-pin",
    "a transient reference is taken for a pin",
    _cw6,
    (Variant("count", K2.but("count", pin_test="count"), "O7"), Variant("bias", K2, HOLDS)),
    bad="count",
    good="bias",
)


def _cw7(w: World, holder: str) -> None:
    """A write waits until a short read-only GUP has ended, instead of copying.

    It works between two threads, and not when the writer holds the reference himself, or something its holder needs.

    Digest 001-004: 002:L75-79, CW7.
    """
    m = Machine(w, K1.but("K1 wait", reuse="wait"))
    watch(m, "O1get", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    settled_fork(m, parent, child)
    ref = m.pin("ref", parent, 0)

    def reader() -> Op[None]:
        yield from gup_slow(m, ref, write=False, how="get")
        if holder == "same-thread":
            yield from user_write(m, parent, 0, "1")
        if holder == "needs-lock":
            yield from parent.mmap_lock.write_lock()
            parent.mmap_lock.write_unlock()
        yield from unpin(m, ref)

    def writer() -> Op[None]:
        yield from parent.mmap_lock.read_lock()
        if holder != "same-thread":
            yield from user_write(m, parent, 0, "1")
        parent.mmap_lock.read_unlock()

    w.task("reader", reader())
    w.task("writer", writer())


CW7 = Scenario(
    "CW7",
    "cow-waits-for-gup",
    "a write that waits for references waits for itself",
    _cw7,
    choices(same_thread="deadlock", needs_lock="deadlock", other_thread=HOLDS),
    bad="same-thread",
    good="other-thread",
)


def _cw8(w: World, policy: tuple[Kernel, str, bool, bool]) -> None:
    """Exclusivity tracked apart from the write bit: mprotect may write-protect freely, a later write reuses the page.

    The arms of CW3 again. "May write" belongs to the vma, "is mine alone" to the page; one bit cannot say both.

    Digest 001-004: Lutomirski 002:L60-65, J31; PageAnonExclusive.
    """
    CW3.build(w, policy)


CW8 = Scenario(
    "CW8",
    "write-bit-used-as-exclusive-mark",
    "the write bit says both what may be written and whose page it is",
    _cw8,
    (
        Variant("one-bit", (K2, "classic", False, False), "O1"),
        Variant("two-facts", (UPSTREAM, "classic", False, False), HOLDS),
        Variant("two-facts-longterm", (UPSTREAM, "classic", True, False), HOLDS),
    ),
    bad="one-bit",
    good="two-facts",
)
