"""More of the pin and fork thread: O_DIRECT neighbours, locks in the way, flags, DONTFORK, fast GUP against fork."""

from __future__ import annotations

from mmlint.sim.build import after, choices, device, done, exiting_child, settled_fork
from mmlint.sim.model.fault import user_read, user_write
from mmlint.sim.model.fork import fork
from mmlint.sim.model.gup import dma_read, dma_write, gup_fast, gup_slow, unpin
from mmlint.sim.model.kernel import K0, K0F, K1, K1PIN, K1WP, K2, UPSTREAM, Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm
from mmlint.sim.model.page import Page
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.scenarios.pins import S2
from mmlint.sim.world import Op, World

FAIL = "O1"
ROW = (K0, K0F, K1, K1PIN, K1WP, K2)


def row(outcomes: str, *rest: object, suffix: str = "") -> tuple[Variant, ...]:
    """A row of the digest's matrix: `p` passes, `F` breaks O1, for K0, K0f, K1, K1pin, K1wp, K2."""
    return tuple(
        Variant(k.name + suffix, (k, *rest), FAIL if letter == "F" else HOLDS)
        for k, letter in zip(ROW, outcomes, strict=True)
    )


def _s4(w: World, policy: tuple[Kernel, str, str]) -> None:
    """O_DIRECT reads into `a` while the program forks and writes `b`, its neighbour on the same page.

    When the parent writes first it moves to a copy and the I/O completes into the old page. Early copy helps if the
    reference is a pin and the flag covers short pins; a FOLL_GET reference, or a flag for long-term pins only, is
    not protected.

    Digest 000: L6441-6471; matrix rows S4 and the four combinations below it. Which kind of reference O_DIRECT
    takes is contested in the thread, so it is a parameter.
    """
    kernel, how, first = policy
    m = Machine(w, kernel)
    watch(m, "O1get", "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    io = m.pin("io", parent, 0)

    def run() -> Op[None]:
        yield from gup_fast(m, io, how=how)
        yield from fork(m, parent, child)
        done(m, "forked")
        if first == "parent":
            yield from user_write(m, parent, 0, "neighbour", "b")
        yield after(m, "dma")
        yield from user_read(m, parent, 0)
        yield from unpin(m, io)

    def other() -> Op[None]:
        yield after(m, "forked")
        if first == "child":
            yield from user_write(m, child, 0, "neighbour", "b")
        else:
            yield from user_read(m, child, 0, "b")

    w.task("parent", run())
    w.task("child", other())
    w.task("disk", device(m, io))


_LONG = K2.but("K2 longterm flag", pin_flag="longterm")
S4 = Scenario(
    "S4",
    "direct-io-neighbour-data",
    "direct I/O loses its page when a neighbour on it is written after fork",
    _s4,
    row("FFFFFp", "pin", "parent")
    + row("pppppp", "pin", "child", suffix=" child writes")
    + (
        Variant("K2 get", (K2, "get", "parent"), FAIL),
        Variant("K2 longterm flag", (_LONG, "pin", "parent"), FAIL),
        Variant("K2 longterm flag, get", (_LONG, "get", "parent"), FAIL),
    ),
    bad="K2 get",
    good="K2",
)


def _s5(w: World, policy: tuple[Kernel]) -> None:
    """The repair that looks at pins in do_wp_page needs the page lock, and takes it with trylock.

    Somebody holds it for an unrelated reason: the fault copies although the parent is the only mapper.

    Digest 000: Peter L4208; matrix row S5.
    """
    m = Machine(w, policy[0])
    watch(m, "O1", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)
    w.run(gup_fast(m, pin, longterm=True))
    settled_fork(m, parent, child)

    def run() -> Op[None]:
        yield from user_write(m, parent, 0, "1")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("compaction", lock_for_a_while(page))


def lock_for_a_while(page: Page) -> Op[None]:
    """Reclaim or compaction holds the page lock."""
    yield from page.lock.lock()
    yield "work under the page lock"
    page.lock.unlock()


S5 = Scenario(
    "S5",
    "cow-decided-by-trylock",
    "whether a pinned page is kept depends on who holds the page lock",
    _s5,
    row("ppFFFp"),
    bad="K1wp",
    good="K2",
)


def _s6(w: World, policy: tuple[Kernel]) -> None:
    """A plain reference makes a kernel that reuses at count one copy, though nobody else maps the page.

    Harmless for a reference of a moment; with a FOLL_GET user coherence is lost.

    Digest 000: Hugh Dickins L1438-1448; matrix row S6.
    """
    m = Machine(w, policy[0])
    watch(m, "O1get", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    settled_fork(m, parent, child)
    ref = m.pin("ref", parent, 0)

    def holder() -> Op[None]:
        yield from gup_slow(m, ref, write=False, how="get")
        yield from dma_read(m, ref)
        yield from unpin(m, ref)

    w.task("holder", holder())
    w.task("thread", user_write(m, parent, 0, "1"))


S6 = Scenario(
    "S6",
    "transient-reference-breaks-coherence",
    "a plain reference makes the owner copy his own page",
    _s6,
    (*row("ppFFFF"), Variant("upstream", (UPSTREAM,), FAIL)),
    bad="K1",
    good="K0",
)


def _s7(w: World, kernel: Kernel) -> None:
    """Parent and child write a shared page at once: the one that will copy anyway waits for the page lock first.

    Looking at the count early spares the wait.

    Digest 000: Linus L1250.
    """
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    settled_fork(m, parent, child, child_exits=False)

    def no_waits() -> None:
        if m.counters.get("page lock waits"):
            w.fail("O20", "a fault that copies has waited for the page lock")

    w.checks.append(no_waits)
    w.task("parent", user_write(m, parent, 0, "1"))
    w.task("child", user_write(m, child, 0, "2"))


S7 = Scenario(
    "S7",
    "page-lock-convoy",
    "faults that copy wait for the page lock",
    _s7,
    (Variant("K0", K0, "O20"), Variant("K1", K1, HOLDS), Variant("upstream", UPSTREAM, HOLDS)),
    bad="K0",
    good="K1",
)


def _s9(w: World, policy: tuple[Kernel, str]) -> None:
    """A page shared after fork is taken for reading; its owner then writes, copies, and the reference stays behind.

    Reads through the reference show old data, or the other process's data if that one reuses the page.

    Digest 000: comments removed in P3 (L345, L388).
    """
    kernel, how = policy
    m = Machine(w, kernel)
    watch(m, "O1get", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    settled_fork(m, parent, child, child_exits=False)
    ref = m.pin("ref", parent, 0)

    def run() -> Op[None]:
        yield from gup_fast(m, ref, write=False, how=how)
        yield from user_write(m, parent, 0, "1")
        yield from dma_read(m, ref)
        yield from unpin(m, ref)

    w.task("parent", run())
    w.task("child", user_write(m, child, 0, "2"))


S9 = Scenario(
    "S9",
    "reference-on-wrong-side-of-cow",
    "a page taken for reading ends up on the other side of COW",
    _s9,
    tuple(
        Variant(f"{k.name} {how}", (k, how), e)
        for k, how, e in (
            (K0, "get", FAIL),
            (K1, "get", FAIL),
            (K1, "pin", FAIL),
            (K2, "pin", FAIL),
            (K0F, "get", HOLDS),
            (K1PIN, "pin", HOLDS),
            (UPSTREAM, "pin", HOLDS),
        )
    ),
    bad="K1 pin",
    good="K1pin pin",
)


def _s19(w: World, policy: tuple[Kernel, bool]) -> None:
    """A page with 1024 plain references looks pinned. With the gate only processes that pin pay for it.

    Third arm: the process has pinned another page, the gate is open, fork copies. Slower, and correct.

    Digest 000: Peter L4430, Linus L4656-4683; O7.
    """
    kernel, pinned_other = policy
    m = Machine(w, kernel)
    watch(m, "O2")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    w.run(user_write(m, parent, 0, "data"))
    page.refcount += 1023
    parent.has_pinned = int(pinned_other)

    def cheap() -> None:
        if m.counters.get("copied by fork") and not parent.has_pinned:
            w.fail("O7", "fork copied a page of a process that never pinned one")

    def relative() -> Op[None]:
        yield "one of the older children exits"
        page.put()

    w.task("parent", fork(m, parent, child))
    w.task("relative", relative())
    w.final.append(cheap)


S19 = Scenario(
    "S19",
    "false-positive-of-maybe-pinned",
    "a page with many references is taken for pinned",
    _s19,
    (
        Variant("no-gate", (K2.but("no gate", gate=False), False), "O7"),
        Variant("gate", (K2, False), HOLDS),
        Variant("gate-open", (K2, True), HOLDS),
    ),
    bad="no-gate",
    good="gate",
)


def _flagged(w: World, disturb: Op[None], m: Machine, parent: Mm) -> None:
    child = m.mm("C", alive=False)
    pin = m.pin("dev", parent, 0)
    watch(m, "O1", "O4")

    def run() -> Op[None]:
        yield from gup_slow(m, pin, longterm=True)
        yield from fork(m, parent, child)
        yield from user_write(m, parent, 0, "1")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("other", disturb)


def _s20(w: World, where: str) -> None:
    """has_pinned shares a word with another bit: a store of the other bit puts the old flag back.

    fork does not see the pin and shares the page. A byte or an atomic of its own cannot be lost.

    Digest 000: Linus L5116, I12.
    """
    m = Machine(w, K2)
    parent = m.mm("P")
    m.anon(parent, 0)

    def neighbour_bit() -> Op[None]:
        yield "load the flag word"
        word = parent.has_pinned
        yield "store the flag word with the other bit"
        if where == "bitfield":
            parent.has_pinned = word
        w.facts["other bit"] = True

    _flagged(w, neighbour_bit(), m, parent)


S20 = Scenario(
    "S20",
    "pin-flag-in-bitfield",
    "the pin flag is lost to a store of its neighbour bit",
    _s20,
    choices(bitfield="O1", own_int=HOLDS),
    bad="bitfield",
    good="own-int",
)


def _s22(w: World, kernel: Kernel) -> None:
    """The child's mm starts with the flag of its parent: its own forks copy pages nobody pinned.

    A child holds no pins; mm_init clears the flag.

    Digest 000: Linus L5766.
    """
    m = Machine(w, kernel)
    parent, child, grandchild = m.mm("P"), m.mm("C", alive=False), m.mm("G", alive=False)
    page = m.anon(parent, 0)
    parent.has_pinned = 1
    w.run(fork(m, parent, child))
    page.refcount += 1023

    def relative() -> Op[None]:
        yield "one of the older children exits"
        page.put()

    def cheap() -> None:
        if m.counters.get("copied by fork"):
            w.fail("O7", "the child's fork copied a page that the child never pinned")

    w.task("child", fork(m, child, grandchild))
    w.task("relative", relative())
    w.final.append(cheap)


S22 = Scenario(
    "S22",
    "pin-flag-inherited",
    "a child inherits the flag that its parent has pinned",
    _s22,
    (Variant("inherited", K2.but("inherited", flag_reset=False), "O7"), Variant("cleared", K2, HOLDS)),
    bad="inherited",
    good="cleared",
)


def _s25(w: World, policy: tuple[Kernel, str]) -> None:
    """A rule that only the slow path of GUP knows is no rule: the fast path goes round it.

    Arm a: forced COW for pins in the slow path only, and a fast read-only pin (S2 again). Arm b: the flag in the mm
    is set in the slow path only, and a fast pin before fork (S1 again).

    Digest 000: Jason L2258; I13, I25. That the huge levels of v2 keep the hole is our reading of PB.
    """
    kernel, arm = policy
    m = Machine(w, kernel)
    watch(m, "O1", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)
    if arm == "cow":
        settled_fork(m, parent, child)

    def run() -> Op[None]:
        yield from gup_fast(m, pin, write=arm == "flag")
        if arm == "flag":
            yield from fork(m, parent, child)
        yield from user_write(m, parent, 0, "1")
        yield after(m, "dma")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("device", device(m, pin))


S25 = Scenario(
    "S25",
    "fast-gup-goes-round-the-rule",
    "a protection exists in slow GUP and not in fast GUP",
    _s25,
    (
        Variant("cow in slow path only", (K1PIN.but("v1", gup_break_fast=False), "cow"), FAIL),
        Variant("cow in both", (K1PIN, "cow"), HOLDS),
        Variant("flag in slow path only", (K2.but("slow flag", flag_fast=False), "flag"), FAIL),
        Variant("flag in both", (K2, "flag"), HOLDS),
    ),
    bad="cow in slow path only",
    good="cow in both",
)


def _s27(w: World, policy: tuple[Kernel, bool]) -> None:
    """S2 on hugetlb: forced COW for pins leaves hugetlb out, so a read-only pin of it is not protected.

    Digest 000: L1962 (PA excludes it), Jason L2266 (RDMA uses it).
    """
    S2.build(w, policy)


S27 = Scenario(
    "S27",
    "hugetlb-left-out-of-forced-cow",
    "the repair for pins does not cover hugetlb",
    _s27,
    (
        Variant("hugetlb", (K1PIN.but("K1pin on hugetlb", gup_break="none"), False), FAIL),
        Variant("base page", (K1PIN, False), HOLDS),
        Variant("hugetlb+FOLL_WRITE", (K1, True), HOLDS),
    ),
    bad="hugetlb",
    good="base page",
)


def _s29(w: World, kernel: Kernel) -> None:
    """Copies made by fork are charged to the parent's group, and the charge goes when the page goes.

    An uncharged copy escapes the limit: the fork that should have failed succeeds.

    Digest 000: L6585-7290, I28.
    """
    m = Machine(w, kernel)
    watch(m, "O1", "complete", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)
    w.run(gup_fast(m, pin, longterm=True))
    m.memory.limit["P"] = 1

    def run() -> Op[None]:
        if not (yield from fork(m, parent, child)):
            w.mark("fork returned ENOMEM")
        yield after(m, "dma")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("device", device(m, pin))


_UNCHARGED = K2.but("early", fork="early-copy", copy_gfp="atomic")
S29 = Scenario(
    "S29",
    "fork-copy-uncharged",
    "the pages that fork copies are charged to nobody",
    _s29,
    (
        Variant("uncharged", _UNCHARGED.but("uncharged", copy_steps=K2.copy_steps - {"charge"}), "O4"),
        Variant("charged", _UNCHARGED, HOLDS),
        Variant("K2", K2, HOLDS),
    ),
    bad="uncharged",
    good="K2",
    sometimes=("fork returned ENOMEM",),
)


def _s30(w: World, when: str) -> None:
    """MADV_DONTFORK before the fork keeps the page out of the child; after the fork that shared it, it is too late.

    It is an optimisation, and depends on the program knowing of every fork.

    Digest 000: L2276-2309, L2360-2425, L4997.
    """
    m = Machine(w, K1)
    watch(m, "O1", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)

    def advise() -> None:
        parent.vmas = {0: parent.vmas[0]._replace(dontcopy=True)}

    def run() -> Op[None]:
        yield from gup_fast(m, pin)
        if when == "before":
            advise()
        yield from fork(m, parent, child)
        if when == "after":
            advise()
        yield after(m, "child gone")
        yield from user_write(m, parent, 0, "1")
        yield from unpin(m, pin)

    w.task("parent", run())
    w.task("child", exiting_child(m, child))
    w.task("device", reader(m))


def reader(m: Machine) -> Op[None]:
    """Some other thread of the machine that takes a step."""
    yield "another CPU works"
    m.w.mark("another CPU worked")


S30 = Scenario(
    "S30",
    "dontfork-too-late",
    "MADV_DONTFORK is not there when the fork comes",
    _s30,
    choices(never="O1", before=HOLDS, after="O1"),
    bad="after",
    good="before",
)


def _s31(w: World, kernel: Kernel) -> None:
    """A kernel that leaves pinned pages out of the child: a neighbour on the page is gone, and the child faults.

    "Maybe pinned" may select only what is right for an unpinned page too.

    Digest 000: L6421, I9: must stay rejected.
    """
    m = Machine(w, kernel)
    watch(m, "O1", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)

    def run() -> Op[None]:
        yield from gup_fast(m, pin)
        yield from fork(m, parent, child)
        yield after(m, "dma")
        yield from unpin(m, pin)

    def other() -> Op[None]:
        yield after(m, "dma")
        if child.alive and (yield from user_read(m, child, 0, "b")) is None:
            w.fail("O6", "the child gets SIGSEGV on data its parent never pinned")

    w.task("parent", run())
    w.task("device", device(m, pin))
    w.task("child", other())


S31 = Scenario(
    "S31",
    "pinned-page-left-out-of-child",
    "fork skips pinned pages and the child lacks innocent data",
    _s31,
    (Variant("skip", K2.but("skip", fork="skip"), "O6"), Variant("K2", K2, HOLDS)),
    bad="skip",
    good="K2",
)


def _s34(w: World, flag: str) -> None:
    """The flag is a counter, and the unpin in interrupt context decrements the counter of whoever is running.

    While a pin remains the counter of its mm goes to zero, and fork shares the page. A sticky flag has no such end.

    Digest 000: Jan Kara L5239, L5300; I11.
    """
    m = Machine(w, K2)
    parent = m.mm("P")
    m.anon(parent, 0)

    def interrupt() -> Op[None]:
        yield "unpin in interrupt context, for another mm"
        if flag == "counter":
            parent.has_pinned = max(0, parent.has_pinned - 1)

    _flagged(w, interrupt(), m, parent)


S34 = Scenario(
    "S34",
    "pin-counter-decremented-elsewhere",
    "an unpin without its mm decrements the wrong counter",
    _s34,
    choices(counter="O1", sticky=HOLDS),
    bad="counter",
    good="sticky",
)


def _s36(w: World, kernel: Kernel) -> None:
    """Fast GUP against fork: the pin comes after fork has looked and before fork write-protects.

    Fork reads "not pinned", fast GUP reads a writable entry and pins, fork write-protects it: a write pin on a
    write-protected page, S1 from then on. fork runs inside the write side of write_protect_seq, fast GUP compares
    the sequence, lets go and takes the slow path, which mmap_lock orders.

    57efa1fe5957 (not in the thread of digest 000; its section 7).
    """
    m = Machine(w, kernel)
    watch(m, "O1", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    pin = m.pin("dev", parent, 0)

    def forking() -> Op[None]:
        yield from fork(m, parent, child)
        yield from user_write(m, parent, 0, "1")

    def driver() -> Op[None]:
        yield from gup_fast(m, pin, longterm=True)
        yield from dma_write(m, pin, "2")
        yield from unpin(m, pin)

    w.task("parent", forking())
    w.task("driver", driver())


S36 = Scenario(
    "S36",
    "fork-against-fast-gup",
    "fast GUP pins between fork's look and fork's write-protection",
    _s36,
    (
        Variant("K2", K2, FAIL),
        Variant("K2+seqcount", K2.but("K2 seq", seqcount=True), HOLDS),
        Variant("upstream", UPSTREAM, HOLDS),
    ),
    bad="K2",
    good="K2+seqcount",
    sometimes=("seqcount retry",),
)


def _s37(w: World, kernel: Kernel) -> None:
    """The posted helper cow_needed unlocks the page when it says copy, and do_wp_page unlocks it again.

    The second unlock comes when a transient reference changed the count between the two looks.

    Digest 000: PC (L3814-3877); Jason at L4041.
    """
    m = Machine(w, kernel)
    watch(m, "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0, write=False)

    def transient() -> Op[None]:
        yield "folio_try_get"
        if page.try_get():
            w.mark("transient reference")
            yield "folio_put"
            page.put()

    w.task("writer", user_write(m, mm, 0, "1"))
    w.task("scanner", transient())


S37 = Scenario(
    "S37",
    "cow-helper-unlocks-for-its-caller",
    "a COW helper drops the page lock that its caller drops too",
    _s37,
    (Variant("unlocks", K1WP.but("PC", cow_needed="unlocks"), "O15"), Variant("keeps-lock", K1WP, HOLDS)),
    bad="unlocks",
    good="keeps-lock",
    sometimes=("transient reference",),
)
