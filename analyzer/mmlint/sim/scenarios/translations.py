"""Translations that outlive their entry: a second MMU, and TLB flushes that reclaim has put off."""

from __future__ import annotations

from mmlint.sim.build import choices
from mmlint.sim.model.fault import user_write
from mmlint.sim.model.fork import zap
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import NONE, Mm
from mmlint.sim.model.tlb import Secondary, flush_batched_pending, removal_done, unmap_batched
from mmlint.sim.scenario import HOLDS, Scenario
from mmlint.sim.world import Op, World


def _notif1(w: World, how: str) -> None:
    """An entry is taken away while a second MMU (KVM, GPU) is resolving a fault on the same page.

    Without the notifier, or without the retry test after taking the lock, the second MMU keeps a translation to a
    page that is free. With a start that has no end it tries again for ever.

    Review practice RR-24, RR-73; Documentation/mm/mmu_notifier.rst.
    """
    m = Machine(w)
    mm = m.mm("P")
    m.anon(mm, 0)
    second = Secondary(m, mm)

    def write_protect(space: Mm) -> Op[None]:
        yield from space.ptl.lock()
        space.set(0, space.pte(0)._replace(write=False))
        space.ptl.unlock()

    def munmap() -> Op[None]:
        if how != "no-notifier":
            yield from second.invalidate_start(0)
        if how == "no-end":
            yield from write_protect(mm)
        else:
            yield from zap(m, mm, 0)
        if how not in ("no-notifier", "no-end"):
            yield from second.invalidate_end()

    def guest() -> Op[None]:
        yield from second.fault(0, retry=how != "no-retry")
        yield from second.access(0)

    w.task("munmap", munmap())
    w.task("guest", guest())


NOTIF1 = Scenario(
    "NOTIF1",
    "notifier-missing-or-unpaired",
    "a second MMU keeps a translation that the first has given up",
    _notif1,
    choices(no_notifier="O18", no_end="livelock", no_retry="O18", paired=HOLDS),
    bad="no-notifier",
    good="paired",
    sometimes=("secondary retries",),
)


def _batch1(w: World, relock: str) -> None:
    """A walker drops and retakes the PTL and forgets flush_tlb_batched_pending the second time.

    Reclaim has cleared an entry and put the flush off. The walker finds the entry empty, has nothing to flush and
    returns to user space, where another thread still writes through its old translation.

    Review practice RR-12; flush_tlb_batched_pending in mm/rmap.c.
    """
    m = Machine(w)
    m.tlb = {}
    mm = m.mm("P")
    m.anon(mm, 0)
    m.anon(mm, 1, "B")

    def madvise() -> Op[None]:
        for addr in (0, 1):
            yield from mm.ptl.lock()
            if addr == 0 or relock == "flush":
                flush_batched_pending(m, mm)
            pte = mm.pte(addr)
            if pte.page is not None:
                mm.set(addr, NONE)
                m.tlb = {key: v for key, v in (m.tlb or {}).items() if key[2] != addr}
                pte.page.mapcount -= 1
                pte.page.put()
            elif addr == 1:
                w.mark("entry was cleared by reclaim")
            mm.ptl.unlock()
        removal_done(m, mm, 1)

    def thread() -> Op[None]:
        yield from user_write(m, mm, 1, "1")
        yield from user_write(m, mm, 1, "2")

    w.task("madvise", madvise())
    w.task("thread", thread())
    w.task("kswapd", unmap_batched(m, mm, 1))


BATCH1 = Scenario(
    "BATCH1",
    "batched-flush-missed-after-relock",
    "the flush that reclaim put off is not made after retaking the lock",
    _batch1,
    choices(first_time_only="O18", flush=HOLDS),
    bad="first-time-only",
    good="flush",
    sometimes=("entry was cleared by reclaim",),
)
