"""TLBs with pending flushes, and mmu notifiers: translations that outlive the entry they came from."""

from __future__ import annotations

from mmlint.sim.locks import Spin, others_irqs_on
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import NONE, Mm
from mmlint.sim.model.page import Page
from mmlint.sim.world import Obj, Op, Wait


def flush_tlb(m: Machine, mm: Mm, addr: int) -> Op[None]:
    """flush_tlb_range by IPI: a CPU with interrupts off delays it, unless the architecture broadcasts in hardware."""
    me = m.w.current
    yield Wait(f"flush_tlb({addr})", lambda: not m.kernel.ipi_flush or others_irqs_on(m.w, me))
    drop_translations(m, mm, addr)


def drop_translations(m: Machine, mm: Mm, addr: int) -> None:
    """What the IPI does on every CPU."""
    if m.tlb is not None:
        m.tlb = {key: value for key, value in m.tlb.items() if key[1:] != (mm.name, addr)}


def removal_done(m: Machine, mm: Mm, addr: int) -> None:
    """munmap, madvise or mprotect returns: whatever still translates `addr` the old way is stale from here (O18)."""
    now = mm.pte(addr).page
    stale = [key for key, (page, _) in (m.tlb or {}).items() if key[1:] == (mm.name, addr) and page is not now]
    m.removed = [*m.removed, *stale]


def unmap_batched(m: Machine, mm: Mm, addr: int) -> Op[None]:
    """Reclaim with TTU_BATCH_FLUSH: the entry goes now, the flush comes later, for many pages at once."""
    yield from mm.ptl.lock()
    pte = mm.pte(addr)
    page = pte.page
    if pte.present and page is not None:
        page.get()
        mm.set(addr, NONE)
        m.pending = [*m.pending, (mm.name, addr)]
        page.mapcount -= 1
        page.put()
    mm.ptl.unlock()
    yield "try_to_unmap_flush"
    flush_batched_pending(m, mm)
    if page is not None:
        page.put()


def flush_batched_pending(m: Machine, mm: Mm) -> None:
    """flush_tlb_batched_pending: who finds cleared entries under the PTL makes sure their flush has happened."""
    for name, addr in m.pending:
        if name == mm.name:
            drop_translations(m, mm, addr)
    m.pending = [item for item in m.pending if item[0] != mm.name]


class Secondary(Obj):
    """A second MMU (KVM, IOMMU, a GPU): its own translations, kept right by notifiers and a sequence count."""

    __slots__ = ("lock", "machine", "map", "mm", "running", "seq")
    FIELDS = ("map", "seq", "running")

    def __init__(self, m: Machine, mm: Mm) -> None:
        super().__init__(m.w, "spt")
        self.machine = m
        self.mm = mm
        self.lock = Spin(m.w, "mmu_lock")
        self.map: dict[int, Page] = {}
        self.seq = 0
        self.running = 0

    def invalidate_start(self, addr: int) -> Op[None]:
        """mmu_notifier_invalidate_range_start: may sleep; the secondary drops its entry and keeps out until the end."""
        self.w.might_sleep("mmu_notifier_invalidate_range_start")
        yield from self.lock.lock()
        self.running += 1
        self.map = {key: page for key, page in self.map.items() if key != addr}
        self.lock.unlock()

    def invalidate_end(self) -> Op[None]:
        """mmu_notifier_invalidate_range_end."""
        yield from self.lock.lock()
        self.seq += 1
        self.running -= 1
        self.lock.unlock()

    def fault(self, addr: int, retry: bool = True) -> Op[bool]:
        """Capture the sequence, resolve through the primary entry, take the lock, check retry, install."""
        while True:
            yield "read the notifier sequence"
            seq = self.seq
            yield "resolve the primary entry"
            page = self.mm.pte(addr).page
            if page is None:
                return False
            yield from self.lock.lock()
            if retry and (self.running or self.seq != seq):
                self.w.mark("secondary retries")
                self.lock.unlock()
                continue
            self.map = {**self.map, addr: page}
            self.lock.unlock()
            return True

    def access(self, addr: int) -> Op[None]:
        """The guest or device uses its translation: O18 if the primary has been changed to something else for good."""
        yield "secondary access"
        page = self.map.get(addr)
        if page is not None and (page.freed or (self.name, self.mm.name, addr) in self.machine.removed):
            self.w.fail("O18", f"the secondary MMU still maps {page} at {addr}, which was unmapped")
