"""The HMM migration draft (v13), read line by line: locks, counts, flushes, and bits that get lost on the way."""

from __future__ import annotations

from mmlint.sim.build import after, choices, done
from mmlint.sim.model.fault import user_read, user_write
from mmlint.sim.model.fork import zap
from mmlint.sim.model.gup import dma_write, gup_fast, unpin
from mmlint.sim.model.kernel import UPSTREAM
from mmlint.sim.model.lru import isolate, putback
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.migrate import CORRECT, Migration, migrate
from mmlint.sim.model.mm import Mm
from mmlint.sim.model.page import Page
from mmlint.sim.model.reclaim import shrink_page
from mmlint.sim.model.tlb import removal_done
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, World


def share(mm: Mm, other: Mm, addr: int, at: int) -> Page:
    """Setup: map the page of `mm` at `addr` also in `other` at `at`, as after a fork or by shared memory."""
    page = mm.pte(addr).page
    assert page is not None
    page.refcount += 1
    page.mapcount += 1
    page.exclusive = False
    other.vmas[at] = mm.vmas[addr]
    other.set(at, mm.pte(addr))
    return page


def holding_lock(page: Page) -> Op[None]:
    """Somebody who holds the page lock, and a reference, for a while for reasons of his own."""
    yield "folio_try_get"
    if not page.try_get():
        return
    yield from page.lock.lock()
    yield "work under the page lock"
    page.lock.unlock()
    page.put()


def _hm2(w: World, h: Migration) -> None:
    """The collect pass takes the page lock by sleeping while it holds the page-table lock.

    lock_page may sleep; and who holds the page lock may be waiting for this very table. Under a PTL only trylock.

    Digest 001-004: Jerome Glisse 003:L125, J32.
    """
    m = Machine(w)
    watch(m, "O4", "O13")
    mm = m.mm("P")
    page = m.anon(mm, 0)
    w.task("migrate", migrate(m, mm, [0], h))
    w.task("owner", holding_lock(page))
    w.task("kswapd", shrink_page(m, page))


HM2 = Scenario(
    "HM2",
    "page-lock-under-ptl",
    "the page lock is taken by sleeping under the page-table lock",
    _hm2,
    (Variant("lock-page", CORRECT.but(collect_lock="sleep"), "O3"), Variant("trylock", CORRECT, HOLDS)),
    bad="lock-page",
    good="trylock",
)


def _hm3(w: World, h: Migration) -> None:
    """Two migrations lock the same two pages in opposite order.

    Each has one lock from the first pass and blocks on the other in the second. Take further page locks by trylock
    only, or in a fixed order.

    Digest 001-004: our reading of 003:L92-159, HM3, J40; a comment in mm/migrate_device.c gives the reason.
    """
    m = Machine(w)
    watch(m, "O4", "O13")
    first, second = m.mm("P"), m.mm("Q")
    m.anon(first, 0, "A")
    m.anon(first, 1, "B")
    share(first, second, 1, 0)
    share(first, second, 0, 1)
    pages = [w.objects["A"], w.objects["B"]]

    def lock_all(order: list[Page]) -> Op[None]:
        held: list[Page] = []
        for page in order:
            if held and h.second_lock == "trylock":
                yield f"trylock {page.name}"
                if not page.lock.trylock():
                    w.mark("skipped")
                    continue
            else:
                yield from page.lock.lock()
            held.append(page)
        yield "migrate what is locked"
        for page in held:
            page.lock.unlock()

    a, b = (page for page in pages if isinstance(page, Page))
    w.task("mig1", lock_all([a, b]))
    w.task("mig2", lock_all([b, a]))


HM3 = Scenario(
    "HM3",
    "page-locks-in-opposite-order",
    "two migrations block on each other's page lock",
    _hm3,
    (Variant("block", CORRECT.but(second_lock="block"), "deadlock"), Variant("trylock", CORRECT, HOLDS)),
    bad="block",
    good="trylock",
    sometimes=("skipped",),
)


def _hm4(w: World, h: Migration) -> None:
    """Isolation from the LRU fails; the branch puts the reference and falls through to the check and the restore.

    Restore then puts the page back on the LRU, which it never left through this path, and drops a reference that
    belongs to somebody else. The page may go while it is mapped.

    Digest 001-004: our reading of 003:L143-157, HM4, J38, J39.
    """
    m = Machine(w)
    watch(m, "O4", "O13")
    mm = m.mm("P")
    page = m.anon(mm, 0)

    def compaction() -> Op[None]:
        yield "folio_isolate_lru"
        if isolate(page):
            yield "folio_putback_lru"
            putback(page)

    w.task("migrate", migrate(m, mm, [0], h))
    w.task("compaction", compaction())


HM4 = Scenario(
    "HM4",
    "isolate-failure-falls-through",
    "after a failed isolate the error branch goes on as if it had worked",
    _hm4,
    (Variant("fall-through", CORRECT.but(isolate_fail="fall-through"), "O5"), Variant("continue", CORRECT, HOLDS)),
    bad="fall-through",
    good="continue",
    sometimes=("isolate failed",),
)


def _hm5(w: World, h: Migration) -> None:
    """The restore loop advances the address by PAGE_SHIFT and the index by one.

    The index leaves its range long before the address does: a page of the next range is unlocked and forgotten while
    its migration entry stays. Faulting threads wait for ever. The ranges are two pages here, and PAGE_SIZE is 4.
    The enclosing code is not in the mail, so the symptom is a hypothesis; the stride is on the page.

    Digest 001-004: 003:L169, HM5.
    """
    m = Machine(w)
    watch(m, "O13", "O4")
    mm = m.mm("P")
    for addr in range(4):
        m.anon(mm, addr, f"X{addr}").get()
    pages = [mm.pte(addr).page for addr in range(4)]

    def run() -> Op[None]:
        yield from migrate(m, mm, [0, 1, 2, 3], h)
        for page in pages:
            assert page is not None
            page.put()

    w.task("migrate", run())
    w.task("thread", user_write(m, mm, 2, "1"))


HM5 = Scenario(
    "HM5",
    "restore-loop-wrong-stride",
    "the restore loop steps by PAGE_SHIFT and loses migration entries",
    _hm5,
    (Variant("page-shift", CORRECT.but(stride="shift"), "O13"), Variant("page-size", CORRECT, HOLDS)),
    bad="page-shift",
    good="page-size",
    sometimes=("page is pinned",),
    hypothesis=True,
)


def _hm6(w: World, h: Migration) -> None:
    """The TLB is flushed after the page-table lock was dropped.

    MADV_DONTNEED takes the lock in between, sees an entry that is not present, has nothing to flush, and returns.
    Another thread still writes through the old translation after the call is over.

    Digest 001-004: our reading of 003:L72-77, HM6, J41; 60bae7370896.
    """
    m = Machine(w)
    m.tlb = {}
    mm = m.mm("P")
    m.anon(mm, 0)

    def madvise() -> Op[None]:
        yield from zap(m, mm, 0)
        removal_done(m, mm, 0)

    def thread() -> Op[None]:
        yield from user_write(m, mm, 0, "1")
        yield from user_write(m, mm, 0, "2")

    w.task("migrate", migrate(m, mm, [0], h))
    w.task("thread", thread())
    w.task("madvise", madvise())


HM6 = Scenario(
    "HM6",
    "tlb-flush-after-ptl",
    "the TLB is flushed only after the page-table lock was dropped",
    _hm6,
    (Variant("after-unlock", CORRECT.but(flush="after-unlock"), "O18"), Variant("before-unlock", CORRECT, HOLDS)),
    bad="after-unlock",
    good="before-unlock",
    sometimes=("zap met a migration entry",),
)


def _hm8(w: World, policy: tuple[Migration, bool]) -> None:
    """Migration against a fast pin: the check for extra references, and the entry recheck of fast GUP.

    A pin taken before the check must stop the migration; a fast GUP that read the entry before it was replaced must
    find that out and let go. (Where the TLB flush is an IPI, interrupts off alone would protect fast GUP; this is an
    architecture that broadcasts.) Without either the device writes to a page that is not mapped any more.

    Digest 001-004: 003:L51 and L66, HM8; FG5.
    """
    h, recheck = policy
    m = Machine(w, UPSTREAM.but("upstream, no IPI", ipi_flush=False))
    watch(m, "O1", "O4", "O13")
    mm = m.mm("P")
    page = m.anon(mm, 0)
    pin = m.pin("dev", mm, 0)

    def driver() -> Op[None]:
        if (yield from gup_fast(m, pin, recheck=recheck)):
            yield from dma_write(m, pin, "1")
            yield from unpin(m, pin)

    w.task("migrate", migrate(m, mm, [0], h))
    w.task("gup", driver())
    w.task("owner", holding_lock(page))


HM8 = Scenario(
    "HM8",
    "pinned-page-migrated",
    "a page is migrated although a device holds it",
    _hm8,
    (
        Variant("no-pin-check", (CORRECT.but(check_pins=False), True), "O1"),
        Variant("no-gup-recheck", (CORRECT, False), "O1"),
        Variant("both-checks", (CORRECT, True), HOLDS),
    ),
    bad="no-pin-check",
    good="both-checks",
    sometimes=("page is pinned",),
)


def _hm9(w: World, h: Migration) -> None:
    """The dirty bit of the entry is dropped when the migration entry goes in.

    The migration is given up because of a reference, the page comes back clean, and reclaim throws it away without
    writing it: the next read gets the old content from disk. The lines that might do it earlier are missing from the
    mail; the pattern is the point.

    Digest 001-004: 003:L24-45, HM9, J42.
    """
    m = Machine(w)
    watch(m, "O4", "O13")
    mm = m.mm("P")
    page = m.file("F")
    m.map_file(mm, 0, page, write=True)
    w.run(user_write(m, mm, 0, "data"))
    page.get()

    def holder() -> Op[None]:
        yield "put the extra reference"
        page.put()

    def run() -> Op[None]:
        if (yield from migrate(m, mm, [0], h)):
            return
        w.mark("migration given up")
        yield from shrink_page(m, page)
        seen = yield from user_read(m, mm, 0)
        if seen != "P:data":
            w.fail("O14", f"P reads {seen}, it had written data")

    w.task("migrate", run())
    w.task("holder", holder())


HM9 = Scenario(
    "HM9",
    "dirty-bit-lost-in-migration",
    "the dirty bit of a cleared entry does not reach the page",
    _hm9,
    (Variant("dropped", CORRECT.but(dirty=False), "O14"), Variant("moved-to-page", CORRECT, HOLDS)),
    bad="dropped",
    good="moved-to-page",
    sometimes=("migration given up",),
    hypothesis=True,
)


def _hm10(w: World, h: Migration) -> None:
    """The migration entry does not carry soft-dirty (or uffd-wp): the tracker misses a write.

    Digest 001-004: 003:L36-39, HM10, J36.
    """
    m = Machine(w)
    watch(m, "O4", "O13")
    mm = m.mm("P")
    m.anon(mm, 0)
    mm.set(0, mm.pte(0)._replace(soft_dirty=False))

    def tracker() -> None:
        if not mm.pte(0).soft_dirty:
            w.fail("O16", "P wrote to the page and its entry is not soft-dirty")

    w.task("migrate", migrate(m, mm, [0], h))
    w.task("writer", user_write(m, mm, 0, "1"))
    w.final.insert(0, tracker)


HM10 = Scenario(
    "HM10",
    "entry-bits-lost-in-migration",
    "a migration entry drops the soft-dirty bit",
    _hm10,
    (Variant("dropped", CORRECT.but(bits=False), "O16"), Variant("carried", CORRECT, HOLDS)),
    bad="dropped",
    good="carried",
)


def _hm1(w: World, h: Migration) -> None:
    """The happy path with exact counts: collect takes a reference of its own before the mapping's one goes.

    Without it the page is freed in the middle of the pass.

    Digest 001-004: 003:L27 and L42, J35, HM1.
    """
    m = Machine(w)
    watch(m, "O2", "O4", "O13")
    mm = m.mm("P")
    m.anon(mm, 0)
    w.run(user_write(m, mm, 0, "earlier", "b"))
    w.task("migrate", migrate(m, mm, [0], h))
    w.task("writer", user_write(m, mm, 0, "1"))


HM1 = Scenario(
    "HM1",
    "collect-without-own-reference",
    "the mapping's reference is dropped while no other is held",
    _hm1,
    (Variant("no-own-reference", CORRECT.but(own_reference=False), "O5"), Variant("own-reference", CORRECT, HOLDS)),
    bad="no-own-reference",
    good="own-reference",
)


def _hm7(w: World, h: Migration) -> None:
    """The page is copied while a second address space still maps it writable: that one's write is lost.

    An entry in one mm stops nobody in another. (The look for extra references would stop this case too, so the bad
    variant lacks both.) Copy only when the page is locked and mapped nowhere.

    Digest 001-004: 003:L202-211, J33, HM7.
    """
    m = Machine(w)
    watch(m, "O13", "O4")
    first, second = m.mm("P"), m.mm("Q")
    page = m.file("F")
    m.map_file(first, 0, page, write=True)
    m.map_file(second, 0, page, write=True)

    def writer() -> Op[None]:
        yield from user_write(m, second, 0, "1")
        done(m, "written")

    def mover() -> Op[None]:
        yield from migrate(m, first, [0], h)
        yield after(m, "written")
        seen = yield from user_read(m, first, 0)
        if seen != "Q:1":
            w.fail("O14", f"P reads {seen} from shared memory where Q wrote 1")

    w.task("migrate", mover())
    w.task("writer", writer())


HM7 = Scenario(
    "HM7",
    "copy-before-unmapped-everywhere",
    "the page is copied while another process still writes it",
    _hm7,
    (Variant("one-mm", CORRECT.but(unmap="one", check_pins=False), "O14"), Variant("all-mms", CORRECT, HOLDS)),
    bad="one-mm",
    good="all-mms",
    sometimes=("page moved",),
)


def _hm11(w: World, h: Migration) -> None:
    """A device page goes through the LRU steps of migration (ZD13 in this code).

    Digest 001-004: 003:L132, HM11.
    """
    m = Machine(w)
    mm = m.mm("P")
    page = m.anon(mm, 0)
    page.zone, page.lru = "device", False
    w.task("migrate", migrate(m, mm, [0], h))
    w.task("thread", user_write(m, mm, 0, "1"))


HM11 = Scenario(
    "HM11",
    "device-page-in-lru-steps",
    "migration isolates a device page from an LRU it is not on",
    _hm11,
    (Variant("no-zone-test", CORRECT.but(zone_test=False), "O10"), Variant("zone-test", CORRECT, HOLDS)),
    bad="no-zone-test",
    good="zone-test",
)


def _hm12(w: World, retry: str) -> None:
    """The page is still in a per-cpu batch: drain all of them once and try the same page again, without locking again.

    Digest 001-004: HM12; 003:L92-159.
    """
    m = Machine(w)
    watch(m, "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0)
    page.lru = False
    m.batch(page)

    def drain() -> Op[None]:
        yield "lru_add_drain_all"
        m.drain(page)
        page.lru = True

    def run() -> Op[None]:
        locked = drained = False
        while True:
            if not locked or retry == "lock-again":
                yield from page.lock.lock()
                locked = True
            yield "folio_isolate_lru"
            if isolate(page):
                putback(page)
                break
            if drained:
                break
            w.mark("page was in a batch")
            yield from drain()
            drained = True
        page.lock.unlock()

    w.task("migrate", run())
    w.task("cpu1", drain())


HM12 = Scenario(
    "HM12",
    "drain-retry-locks-again",
    "the retry after a drain locks a page that is locked already",
    _hm12,
    choices(lock_again="deadlock", keep_lock=HOLDS),
    bad="lock-again",
    good="keep-lock",
    sometimes=("page was in a batch",),
)
