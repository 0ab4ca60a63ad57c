"""The lockless walk of fast GUP: what it may look at, what it may take, and how it gets out again."""

from __future__ import annotations

from mmlint.sim.build import choices
from mmlint.sim.locks import irq_disable, irq_enable, others_irqs_on
from mmlint.sim.model.fault import user_write
from mmlint.sim.model.fork import zap
from mmlint.sim.model.gup import gup_fast, unpin
from mmlint.sim.model.kernel import UPSTREAM
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Pin, Pte
from mmlint.sim.model.page import Page
from mmlint.sim.model.zonedev import V0, V5, DevicePage, Pagemap, references_match
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.scenarios.pins import numa_scan
from mmlint.sim.world import Obj, Op, Wait, World


class Upper(Obj):
    """A PMD (or PUD) entry: none, a table, or a leaf (huge, devmap, migration)."""

    __slots__ = ("kind",)
    FIELDS = ("kind",)

    def __init__(self, w: World, kind: str) -> None:
        super().__init__(w, "pmd")
        self.kind = kind


def _fg1(w: World, policy: tuple[str, frozenset[str]]) -> None:
    """A walker takes a devmap leaf (or one that is not present) for a table and reads the device as entries.

    The leaf test asks for trans_huge and hugetlb only. The mapping becomes a leaf while the walker runs.

    Digest 001-004: Dan Williams 004:L95-123; FG1. The arm for !pmd_present is our observation.
    """
    becomes, leaf = policy
    pmd = Upper(w, "table")

    def walker() -> Op[None]:
        yield "READ_ONCE(*pmdp)"
        kind = pmd.kind
        if kind == "none" or kind in leaf:
            w.mark("leaf recognised")
            return
        yield "descend to the entries"
        if kind != "table":
            w.fail("O5", f"walker reads a {kind} leaf as a page table")

    def fault() -> Op[None]:
        yield "the table is taken out"
        pmd.kind = "none"
        yield f"a {becomes} leaf is put in"
        pmd.kind = becomes

    w.task("gup", walker())
    w.task("fault", fault())


_LEAVES = frozenset({"huge", "devmap", "migration"})
FG1 = Scenario(
    "FG1",
    "devmap-leaf-not-recognised",
    "a lockless walker descends into a devmap leaf",
    _fg1,
    (
        Variant("no-devmap-test", ("devmap", frozenset({"huge", "migration"})), "O5"),
        Variant("no-present-test", ("migration", frozenset({"huge", "devmap"})), "O5"),
        Variant("all-leaves", ("devmap", _LEAVES), HOLDS),
    ),
    bad="no-devmap-test",
    good="all-leaves",
    sometimes=("leaf recognised",),
)


def _fg2(w: World, style: str) -> None:
    """The loop keeps the pagemap across entries and puts it for every entry, also for those that took none.

    A range with a device page first and a normal page after it takes one reference too many off the pagemap.

    Digest 001-004: our reading of 004:L830-871, FG2; linux 6.1 puts once at the exit.
    """
    pgmap = Pagemap(w, V0)
    w.checks.append(references_match(pgmap))
    held: list[DevicePage] = []

    def walker() -> Op[None]:
        pgmap.busy += 1
        have = False
        for page in (pgmap.pages[0], None):
            yield "next entry"
            if page is not None and pgmap.tryget_live():
                have = True
                page.refcount += 1
                pgmap.sum += 1
                held.append(page)
            if have and (page is not None or style == "each-entry"):
                pgmap.put()
        pgmap.busy -= 1
        for page in held:
            yield from page.put()

    def user() -> Op[None]:
        if (yield from pgmap.pages[1].get_fast()):
            yield from pgmap.pages[1].put()

    w.task("gup", walker())
    w.task("user", user())


FG2 = Scenario(
    "FG2",
    "pagemap-put-for-every-entry",
    "a reference kept across a loop is put in every turn",
    _fg2,
    choices(each_entry="O8", once=HOLDS),
    bad="each-entry",
    good="once",
)


def _fg3(w: World, undo: str) -> None:
    """get_dev_pagemap fails on the second page of a range because the driver is going.

    The pages taken before have to be put again, and no others. Without it the unbind waits for ever.

    Digest 001-004: 004:L847-861, J10, FG3.
    """
    pgmap = Pagemap(w, V5)
    first, second = pgmap.pages

    def walker() -> Op[None]:
        if not (yield from first.get_fast()):
            return
        if not (yield from second.get_fast()):
            w.mark("second page refused")
            if undo != "none":
                yield from first.put()
            if undo == "too-much":
                yield from second.put()
            return
        yield from second.put()
        yield from first.put()

    w.task("gup", walker())
    w.task("unbind", pgmap.teardown())


FG3 = Scenario(
    "FG3",
    "range-not-undone",
    "a range is given up in the middle and its first pages stay referenced",
    _fg3,
    choices(none="deadlock", too_much="O4", undo=HOLDS),
    bad="none",
    good="undo",
    sometimes=("second page refused",),
)


def _fg4(w: World, policy: tuple[str, bool]) -> None:
    """A page-table page is freed while fast GUP walks it.

    The walk is safe with interrupts off, if the table is freed after an IPI to all CPUs or after an RCU grace
    period, and with nothing else.

    Digest 001-004: comments of the generic code 004:L1250-1257, J17, FG4.
    """
    freeing, irqs_off = policy
    m = Machine(w, UPSTREAM)
    table = m.memory.take("table")
    assert table is not None
    pmd = Upper(w, "table")

    def walker() -> Op[None]:
        yield "local_irq_disable" if irqs_off else "walk with interrupts on"
        if irqs_off:
            irq_disable(w)
            m.rcu.read_lock()
        kind = pmd.kind
        yield "pte_offset_map"
        if kind == "table":
            yield "read the entry"
            if table.freed:
                w.fail("O5", "gup reads a page table that was freed")
        if irqs_off:
            m.rcu.read_unlock()
            irq_enable(w)

    def unmap() -> Op[None]:
        yield "pmd_clear"
        pmd.kind = "none"
        me = w.current
        if freeing == "ipi":
            yield Wait("IPI to all CPUs", lambda: others_irqs_on(w, me))
        elif freeing == "rcu":
            yield from m.rcu.synchronize()
        yield "free the table"
        table.put()

    w.task("gup", walker())
    w.task("munmap", unmap())


FG4 = Scenario(
    "FG4",
    "page-table-freed-under-walker",
    "a page table is freed while fast GUP reads it",
    _fg4,
    (
        Variant("free-at-once", ("none", True), "O5"),
        Variant("irqs-on", ("ipi", False), "O5"),
        Variant("ipi", ("ipi", True), HOLDS),
        Variant("rcu", ("rcu", True), HOLDS),
    ),
    bad="free-at-once",
    good="ipi",
)


def _fg5(w: World, policy: tuple[str, str]) -> None:
    """A data page is freed and allocated to somebody else between the read of the entry and the reference.

    Where the TLB flush is an IPI the unmapper waits for the walker and any get will do. Where only tables are
    protected (RCU), get_page meets a count of zero, and a speculative get may take the page of the new owner: the
    entry has to be read again.

    Digest 001-004: table FG5, J18.
    """
    flush, getter = policy
    m = Machine(w, UPSTREAM)
    mm = m.mm("P")
    page = m.anon(mm, 0)
    owner = w.facts
    owner["owner of X"] = "P"

    def walker() -> Op[None]:
        yield "local_irq_disable, read the entry"
        irq_disable(w)
        pte = mm.pte(0)
        if pte.page is not None:
            yield f"{getter}"
            got = page.try_get() if getter != "get_page" else _plain_get(page)
            if got and getter == "recheck":
                yield "read the entry again"
                if mm.pte(0) != pte:
                    w.mark("entry had changed")
                    page.put()
                    got = False
            if got and owner["owner of X"] != "P":
                w.fail("O2", f"gup of P took a page of {owner['owner of X']}")
        irq_enable(w)

    def unmap() -> Op[None]:
        yield "ptep_clear"
        mm.set(0, Pte())
        me = w.current
        if flush == "ipi":
            yield Wait("flush_tlb: IPI", lambda: others_irqs_on(w, me))
        yield "put_page"
        page.mapcount -= 1
        page.refcount -= 1
        if page.refcount == 0:
            yield "the page is allocated to Q"
            if page.refcount == 0:
                page.refcount = 1
                owner["owner of X"] = "Q"

    w.task("gup", walker())
    w.task("munmap", unmap())


def _plain_get(page: Page) -> bool:
    page.get()
    return True


FG5 = Scenario(
    "FG5",
    "page-reused-before-reference",
    "the page of an entry is freed and reused before fast GUP takes it",
    _fg5,
    tuple(
        Variant(f"{flush} {getter}", (flush, getter), e)
        for flush, getter, e in (
            ("rcu", "get_page", "O5"),
            ("rcu", "try_get", "O2"),
            ("rcu", "recheck", HOLDS),
            ("ipi", "get_page", HOLDS),
            ("ipi", "try_get", HOLDS),
            ("ipi", "recheck", HOLDS),
        )
    ),
    bad="rcu try_get",
    good="rcu recheck",
    sometimes=("entry had changed",),
)


def _fg6(w: World, policy: tuple[str, str]) -> None:
    """A 32-bit PAE entry is two words; a reader without protection puts together halves of two values.

    Set: high, then low. Clear: low, then high. Reader: low, high, and low once more. Sound only because no other
    present entry can appear without a TLB flush, which the walk with interrupts off holds up.

    Digest 001-004: 004:L746-777, FG6.
    """
    reader, writer = policy
    words = {"low": 1, "high": 1}
    w.facts["pte"] = words

    def read() -> Op[None]:
        while True:
            if reader == "high-first":
                yield "read high"
                high = words["high"]
                yield "read low"
                low = words["low"]
            else:
                yield "read low"
                low = words["low"]
                yield "read high"
                high = words["high"]
            if reader == "recheck":
                yield "read low again"
                if words["low"] != low:
                    w.mark("reader tries again")
                    continue
            if low and not high:
                w.fail("O14", f"the reader saw low {low} with high {high}, which was never stored")
            return

    def write() -> Op[None]:
        yield "clear low"
        words["low"] = 0
        yield "clear high"
        words["high"] = 0
        if writer == "replace":
            yield "set high"
            words["high"] = 2
            yield "set low"
            words["low"] = 1

    w.task("reader", read())
    w.task("writer", write())


FG6 = Scenario(
    "FG6",
    "two-word-entry-torn",
    "an entry of two words is read in halves",
    _fg6,
    (
        Variant("no-recheck", ("plain", "clear"), "O14"),
        Variant("recheck", ("recheck", "clear"), HOLDS),
        Variant("replaced-under-recheck", ("recheck", "replace"), "O14"),
    ),
    bad="no-recheck",
    good="recheck",
    sometimes=("reader tries again",),
)


def _gup_test(w: World, test: str, how: str, change: str) -> None:
    """Fast GUP with one test left out, while another CPU makes the entry one that it must not take."""
    kernel = UPSTREAM.but(f"without {test}", gup_tests=UPSTREAM.gup_tests - {test})
    m = Machine(w, kernel)
    mm = m.mm("P")
    m.anon(mm, 0)
    pin = m.pin("dev", mm, 0)

    def pinner() -> Op[None]:
        got = yield from gup_fast(m, pin, write=how == "write", irqs="save")
        pte = mm.pte(0)
        if got and (pte.protnone or not pte.user or pte.kind == "special" or (how == "write" and not pte.write)):
            w.fail("O17", f"fast GUP took a page through the entry {pte}")
        if got:
            yield from unpin(m, pin)

    def changer() -> Op[None]:
        yield from mm.ptl.lock()
        yield f"the entry becomes {change}"
        pte = mm.pte(0)
        changed = {
            "kernel-only": pte._replace(user=False),
            "read-only": pte._replace(write=False),
            "special": pte._replace(kind="special"),
        }[change]
        mm.set(0, changed)
        w.mark("entry changed")
        mm.ptl.unlock()

    w.task("gup", pinner())
    w.task("other", numa_scan(m, mm, 0, "mapcount") if change == "protnone" else changer())


def _fg7(w: World, test: str) -> None:
    """Fast GUP takes a page through a PROT_NONE entry: the NUMA hinting fault is lost.

    At PMD level it also races with the migration of a huge page. Such entries go to the slow path.

    Digest 001-004: 004:L847-861, J19, FG7.
    """
    _gup_test(w, test, "write", "protnone")


FG7 = Scenario(
    "FG7",
    "fast-gup-through-protnone",
    "fast GUP ignores a PROT_NONE entry",
    _fg7,
    (Variant("no-test", "protnone", "O17"), Variant("test", "nothing", HOLDS)),
    bad="no-test",
    good="test",
    sometimes=("protnone set",),
)


def _fg8(w: World, policy: tuple[str, str]) -> None:
    """An entry that user space may not use, or not write, is taken by fast GUP.

    The permission test (user bit, write bit, protection key) comes before the reference.

    Digest 001-004: 1.6 and J19, FG8.
    """
    test, change = policy
    _gup_test(w, test, "write", change)


FG8 = Scenario(
    "FG8",
    "fast-gup-without-permission-test",
    "fast GUP takes a page that the entry does not permit",
    _fg8,
    (
        Variant("no-user-test", ("user", "kernel-only"), "O17"),
        Variant("no-write-test", ("write", "read-only"), "O17"),
        Variant("tests", ("nothing", "kernel-only"), HOLDS),
    ),
    bad="no-user-test",
    good="tests",
    sometimes=("entry changed",),
)


def _fg9(w: World, check: str) -> None:
    """Start + len wraps around: the walk goes over kernel addresses, or over nothing.

    The end has to be above the start and below the limit of user space.

    Digest 001-004: gup_fast_permitted in 1.6, FG9. Addresses are 0..7 for the user, 8..15 for the kernel.
    """
    m = Machine(w, UPSTREAM)
    mm = m.mm("P")
    m.anon(mm, 7)
    mm.set(8, Pte("page", m.memory.take("K"), write=True, user=False))

    def walker() -> Op[None]:
        yield "get_user_pages_fast(start=7, nr=2)"
        start, end = 7, (7 + 2) % 16
        if check == "limit" and not start < end <= 8:
            w.mark("refused")
            return
        for addr in range(start, end):
            yield f"take the page at {addr}"
            if addr >= 8:
                w.fail("O17", f"fast GUP walks to the kernel address {addr}")

    w.task("gup", walker())
    w.task("thread", user_write(m, mm, 7, "1"))


FG9 = Scenario(
    "FG9",
    "gup-range-not-checked",
    "a range that leaves user space is walked",
    _fg9,
    choices(no_check="O17", limit=HOLDS),
    bad="no-check",
    good="limit",
    sometimes=("refused",),
)


def _fg10(w: World, caller: str) -> None:
    """Two pages are asked for, one is pinned; the caller takes any other number for failure, or any number for success.

    Failure without release leaks the first pin; success without a look uses a slot that was never filled.

    Digest 001-004: 004:L1202-1218, J21, FG10.
    """
    m = Machine(w, UPSTREAM)
    watch(m, "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    m.anon(mm, 1, "B")
    pins = [m.pin("dev0", mm, 0), m.pin("dev1", mm, 1)]

    def driver() -> Op[None]:
        got = 0
        for pin in pins:
            if not (yield from gup_fast(m, pin)):
                break
            got += 1
        if got < 2:
            w.mark("partial")
            if caller == "not-all-is-failure":
                return
        wanted: list[Pin] = pins if caller == "any-is-success" else pins[:got]
        for pin in wanted:
            if pin.page is None:
                w.fail("O5", "the driver uses a slot that get_user_pages has not filled")
            yield from unpin(m, pin)

    def munmap() -> Op[None]:
        yield from mm.mmap_lock.write_lock()
        mm.vmas = {0: mm.vmas[0]}
        yield from zap(m, mm, 1)
        mm.mmap_lock.write_unlock()

    w.task("driver", driver())
    w.task("munmap", munmap())


FG10 = Scenario(
    "FG10",
    "partial-gup-result",
    "get_user_pages gives fewer pages than asked for",
    _fg10,
    choices(not_all_is_failure="O4", any_is_success="O5", counted=HOLDS),
    bad="not-all-is-failure",
    good="counted",
    sometimes=("partial",),
)


def _fg11(w: World, test: str) -> None:
    """Fast GUP takes a reference through a special entry (zero page, raw pfn), whose page nobody counts.

    Digest 001-004: J19, FG11.
    """
    _gup_test(w, test, "write", "special")


FG11 = Scenario(
    "FG11",
    "fast-gup-on-special-entry",
    "fast GUP takes a page through a special entry",
    _fg11,
    (Variant("no-test", "special", "O17"), Variant("test", "nothing", HOLDS)),
    bad="no-test",
    good="test",
    sometimes=("entry changed",),
)


def _fg12(w: World, where: str) -> None:
    """Two subpages of a large folio are taken: two references on the head in one step, or one on each tail.

    A tail's count is zero, so a speculative get on it always fails; a plain one is lost.

    Digest 001-004: 004:L879-885, J20, FG12.
    """
    m = Machine(w, UPSTREAM)
    head = m.memory.take("head")
    assert head is not None
    tail = Page(m, "tail", refcount=0)
    tail.zone = "tail"

    def walker() -> Op[None]:
        yield "take two subpages"
        if where == "head":
            if head.refcount <= 0:
                return
            head.refcount += 2
            taken = 2
        else:
            taken = sum(page.try_get() for page in (head, tail))
        yield "use them"
        if head.freed and taken:
            w.fail("O5", "a subpage is used after the folio was freed")
        if taken == 1:
            w.fail("O4", "one of two subpages was refused though the folio is alive")
        if taken:
            head.put(taken)

    def owner() -> Op[None]:
        yield "folio_put"
        head.put()

    w.task("gup", walker())
    w.task("owner", owner())


FG12 = Scenario(
    "FG12",
    "speculative-get-on-tail",
    "a speculative reference is tried on a tail page",
    _fg12,
    choices(each_page="O4", head=HOLDS),
    bad="each-page",
    good="head",
)


def _fg13(w: World, irqs: str) -> None:
    """get_user_pages_fast is called with interrupts off and turns them on at its end.

    The caller's critical section is open: an interrupt, or the sleeping slow path, comes into it. The form that saves
    and restores, and has no slow path, is meant for such callers.

    Digest 001-004: FG13, our reading of 004:L1166-1221.
    """
    m = Machine(w, UPSTREAM)
    mm = m.mm("P")
    m.anon(mm, 0)
    pin = m.pin("perf", mm, 0)

    def caller() -> Op[None]:
        yield "local_irq_disable"
        irq_disable(w)
        got = yield from gup_fast(m, pin, write=False, how="get", irqs=irqs)
        if not w.current.irqs_off:
            w.fail("O3", "the caller's critical section runs with interrupts on")
        yield "per-cpu work"
        irq_enable(w)
        if got:
            yield from unpin(m, pin)

    w.task("perf", caller())
    w.task("munmap", zap(m, mm, 0))


FG13 = Scenario(
    "FG13",
    "gup-fast-with-interrupts-off",
    "get_user_pages_fast enables interrupts in its caller's critical section",
    _fg13,
    choices(disable="O3", save=HOLDS),
    bad="disable",
    good="save",
)
