"""COW broken by a reader (FOLL_PIN, FAULT_FLAG_BREAK_COW): what must be carried over and what must not be touched."""

from __future__ import annotations

from mmlint.sim.build import after, done, monitor
from mmlint.sim.model.fault import user_read, user_write
from mmlint.sim.model.gup import gup_slow, unpin
from mmlint.sim.model.kernel import K1PIN, Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm, Vma
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, World


def _watched_and_shared(m: Machine) -> Mm:
    """A process with a page that a monitor has write-protected and that another process maps too."""
    mm, other = m.mm("P"), m.mm("C")
    page = m.anon(mm, 0, write=False, vma=Vma(uffd_wp=True), uffd_wp=True)
    page.refcount, page.mapcount, page.exclusive = 2, 2, False
    other.vmas[0] = Vma()
    other.set(0, mm.pte(0)._replace(uffd_wp=False))
    return mm


def _s23(w: World, kernel: Kernel) -> None:
    """A pin for reading breaks COW on a userfaultfd write-protected entry and forgets the protection bit.

    The new entry is writable at once; the process writes and the monitor never hears of it.

    Digest 000: PA (L1934-2194) carries the bit in wp_page_copy; the cover letter L25-60 names the breakage.
    """
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    mm = _watched_and_shared(m)
    pin = m.pin("dev", mm, 0)

    def reader() -> Op[None]:
        if (yield from gup_slow(m, pin, write=False)):
            yield from unpin(m, pin)

    def writer() -> Op[None]:
        if (yield from user_write(m, mm, 0, "1")) and not w.facts.get("monitor heard"):
            w.fail("O16", "P wrote to a write-protected range and the monitor was not told")
        done(m, "no more writes")

    w.task("reader", reader())
    w.task("writer", writer())
    w.task("monitor", monitor(m, 0))


S23 = Scenario(
    "S23",
    "uffd-wp-lost-in-forced-cow",
    "a COW broken for a reader drops the userfaultfd write protection",
    _s23,
    (Variant("bit-dropped", K1PIN.but("bit dropped", uffd_carry=False), "O16"), Variant("bit-carried", K1PIN, HOLDS)),
    bad="bit-dropped",
    good="bit-carried",
)


def _s26(w: World, kernel: Kernel) -> None:
    """COW is broken for a pin in a MAP_SHARED mapping that is read-only: a private page appears in it.

    The shared branch of do_wp_page needs VM_WRITE, so the fault falls through to the copy. From then on this mapping
    no longer sees what others write to the file. The gate is is_cow_mapping.

    Digest 000: our reading of PA and PB; the older helper had the test.
    """
    m = Machine(w, kernel)
    watch(m, "O4")
    reader, writer = m.mm("P"), m.mm("Q")
    page = m.file("F")
    m.map_file(reader, 0, page, write=False)
    m.map_file(writer, 0, page, write=True)
    writer.set(0, writer.pte(0)._replace(write=False))
    pin = m.pin("dev", reader, 0)

    def pinning() -> Op[None]:
        if (yield from gup_slow(m, pin, write=False)):
            yield from unpin(m, pin)
        yield after(m, "written")
        seen = yield from user_read(m, reader, 0)
        if seen != "Q:1":
            w.fail("O2", f"the shared mapping of P reads {seen}, the file holds Q:1")

    def writing() -> Op[None]:
        yield from user_write(m, writer, 0, "1")
        done(m, "written")

    w.task("pin", pinning())
    w.task("writer", writing())


S26 = Scenario(
    "S26",
    "forced-cow-in-shared-mapping",
    "a reader's forced COW puts a private page into a shared mapping",
    _s26,
    (Variant("no-cow-test", K1PIN.but("no cow test", cow_check=False), "O2"), Variant("is-cow-mapping", K1PIN, HOLDS)),
    bad="no-cow-test",
    good="is-cow-mapping",
)


def _s24(w: World, kernel: Kernel) -> None:
    """A read that only has to break COW raises a userfaultfd write event, and the reader is the monitor itself.

    It waits for itself. The event is for real writes only (FAULT_FLAG_WRITE). The page is shared, or a kernel with
    exclusive pages has nothing to break.

    Digest 000: PA (L1934-2194), cover letter L25-60.
    """
    m = Machine(w, kernel)
    watch(m, "O4")
    mm = _watched_and_shared(m)
    pin = m.pin("dump", mm, 0)

    def monitor_that_reads() -> Op[None]:
        if (yield from gup_slow(m, pin, write=False)):
            yield from unpin(m, pin)
        yield from monitor(m, 0)

    def writer() -> Op[None]:
        yield from user_write(m, mm, 0, "1")
        done(m, "no more writes")

    w.task("monitor", monitor_that_reads())
    w.task("writer", writer())


S24 = Scenario(
    "S24",
    "uffd-event-for-a-read",
    "a read that breaks COW is reported as a write",
    _s24,
    (
        Variant("all-faults", K1PIN.but("event for all", uffd_event="all"), "deadlock"),
        Variant("writes-only", K1PIN, HOLDS),
    ),
    bad="all-faults",
    good="writes-only",
)
