"""Locks and contexts by themselves: left held, taken in the wrong order, dropped twice, slept under."""

from __future__ import annotations

from mmlint.sim.build import choices
from mmlint.sim.locks import Mutex, Spin, preempt_off
from mmlint.sim.model.fault import alloc_page, user_write
from mmlint.sim.model.fork import zap
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm
from mmlint.sim.model.reclaim import shrink_page
from mmlint.sim.model.walk import collapse, pte_offset_map_lock
from mmlint.sim.scenario import HOLDS, Scenario
from mmlint.sim.world import Op, World


def _lk1(w: World, exit_path: str) -> None:
    """A walker finds its entry gone and returns; on that exit the page-table lock stays held.

    Whether the exit is taken depends on MADV_DONTNEED in another thread. The next fault in the address space waits
    for a lock whose owner is long back in user space.

    Generic form of the lock-balance rules; review practice RR-8, RR-34.
    """
    m = Machine(w)
    w.strict = False
    mm = m.mm("P")
    m.anon(mm, 0)

    def walker() -> Op[None]:
        yield from mm.ptl.lock()
        if not mm.pte(0).present:
            w.mark("early exit")
            if exit_path == "unlock":
                mm.ptl.unlock()
            return
        yield "use the entry"
        mm.ptl.unlock()

    def other() -> Op[None]:
        yield from zap(m, mm, 0)
        yield from user_write(m, mm, 0, "1")

    w.task("walker", walker())
    w.task("thread", other())


LK1 = Scenario(
    "LK1",
    "lock-left-held-on-one-exit",
    "one way out of a function keeps the lock and the next CPU waits for ever",
    _lk1,
    choices(keep="deadlock", unlock=HOLDS),
    bad="keep",
    good="unlock",
    sometimes=("early exit",),
)


def _lk2(w: World, order: str) -> None:
    """Truncation takes the folio lock and then i_mmap; a walker takes i_mmap and then blocks on the folio lock.

    Each holds what the other wants. The documented order (comment on top of mm/rmap.c) has the folio lock first; who
    comes from the other side uses trylock and gives up.

    Review practice RR-25.
    """
    m = Machine(w)
    page = m.file("F")
    i_mmap = Mutex(w, "i_mmap_rwsem")

    def truncate() -> Op[None]:
        yield from page.lock.lock()
        yield from i_mmap.lock()
        yield "unmap_mapping_range"
        i_mmap.unlock()
        page.lock.unlock()

    def walker() -> Op[None]:
        yield from i_mmap.lock()
        if order == "trylock":
            yield "folio_trylock"
            if not page.lock.trylock():
                w.mark("gave up")
                i_mmap.unlock()
                return
        else:
            yield from page.lock.lock()
        yield "work on the folio"
        page.lock.unlock()
        i_mmap.unlock()

    w.task("truncate", truncate())
    w.task("walker", walker())


LK2 = Scenario(
    "LK2",
    "lock-rank-inversion",
    "two locks are taken in both orders",
    _lk2,
    choices(inverted="deadlock", trylock=HOLDS),
    bad="inverted",
    good="trylock",
    sometimes=("gave up",),
)


def _lk3(w: World, caller: str) -> None:
    """A helper unlocks the folio when it fails, and its caller unlocks it again.

    Between the two another CPU may have taken the lock: it loses it without knowing.

    Digest 000: PC (L3814-3877), where cow_needed unlocks and do_wp_page unlocks again.
    """
    m = Machine(w)
    page = m.file("F")

    def helper() -> Op[bool]:
        yield "helper looks at the folio"
        if page.dirty:
            w.mark("helper failed")
            page.lock.unlock()
            return False
        return True

    def run() -> Op[None]:
        yield from page.lock.lock()
        ok = yield from helper()
        yield "caller looks at the result"
        if ok or caller == "always":
            page.lock.unlock()

    def other() -> Op[None]:
        yield "the folio becomes dirty"
        page.dirty = True
        yield from page.lock.lock()
        yield "change the folio under the lock"
        page.lock.unlock()

    w.task("caller", run())
    w.task("other", other())


LK3 = Scenario(
    "LK3",
    "lock-dropped-twice",
    "a callee drops the lock on failure and the caller drops it again",
    _lk3,
    choices(always="O15", if_ok=HOLDS),
    bad="always",
    good="if-ok",
    sometimes=("helper failed",),
)


def _lk4(w: World, context: str) -> None:
    """kmalloc(GFP_KERNEL) where nothing may sleep: under a spinlock, in an RCU section, with preemption off.

    The generic form of S12: no memory shortage and no reclaim is needed, might_sleep() complains every time.

    Documentation/core-api/memory-allocation.rst; digest 000 I14.
    """
    m = Machine(w)
    mm = m.mm("P")
    m.anon(mm, 0)

    def kmalloc() -> Op[None]:
        w.might_sleep("kmalloc(GFP_KERNEL)")
        yield "kmalloc(GFP_KERNEL)"

    def run() -> Op[None]:
        if context == "outside":
            yield from kmalloc()
        if context == "rcu":
            yield "rcu_read_lock"
            m.rcu.read_lock()
        elif context == "preempt-off":
            yield "preempt_disable"
            w.current.atomic.append("preempt off")
        else:
            yield from mm.ptl.lock()
        if context != "outside":
            yield from kmalloc()
        yield "leave the critical section"
        mm.ptl.unlock()

    w.task("walker", run())
    w.task("thread", zap(m, mm, 0))


LK4 = Scenario(
    "LK4",
    "sleep-in-atomic-context",
    "an allocation that may sleep inside a spinlock, RCU or preempt-off section",
    _lk4,
    choices(spinlock="O3", rcu="O3", preempt_off="O3", outside=HOLDS),
    bad="spinlock",
    good="outside",
)


def _lk5(w: World, kind: str) -> None:
    """A spinlock_t inside a preempt-off or raw section: on PREEMPT_RT that lock sleeps.

    Per-cpu code disables preemption (or holds a raw_spinlock_t) and takes a normal spinlock. Without RT nothing
    happens. The repair takes the lock first, or uses a raw lock.

    Documentation/locking/locktypes.rst.
    """
    lock = Spin(w, "lruvec.lock", sleeping=kind not in ("not-rt", "raw-lock"))

    def run() -> Op[None]:
        if kind == "lock-first":
            yield from lock.lock()
            yield "per-cpu work"
            lock.unlock()
            return
        with preempt_off(w):
            yield "preempt_disable"
            yield from lock.lock()
            yield "per-cpu work"
            lock.unlock()

    def other() -> Op[None]:
        yield from lock.lock()
        yield "other CPU works"
        lock.unlock()

    w.task("drain", run())
    w.task("reclaim", other())


LK5 = Scenario(
    "LK5",
    "spinlock-under-raw-lock-on-rt",
    "a lock that sleeps on PREEMPT_RT is taken where nothing may sleep",
    _lk5,
    choices(preempt_off="O3", raw_lock=HOLDS, lock_first=HOLDS, not_rt=HOLDS),
    bad="preempt-off",
    good="raw-lock",
)


def _lk6(w: World, where: str) -> None:
    """A mapping is changed under i_mmap_rwsem, and the node that it needs is allocated there with GFP_KERNEL.

    While there is memory nothing happens. Once another task took the last page the allocation reclaims; the rmap walk
    of try_to_unmap waits for the lock that the allocating task holds. GFP_NOWAIT fails instead, and the caller gives
    up; an allocation before the lock may wait as it likes.

    Lock order on top of mm/rmap.c; dma_resv_lockdep() in drivers/dma-buf/dma-resv.c teaches it to lockdep;
    split_huge_page_to_list_to_order() allocates before it takes the lock.
    """
    m = Machine(w)
    mm = m.mm("P")
    cold = m.file("F")
    m.memory.free = 1
    i_mmap = Mutex(w, "i_mmap_rwsem")

    def direct_reclaim() -> Op[None]:
        w.mark("direct reclaim")
        yield from i_mmap.lock()
        yield from shrink_page(m, cold)
        i_mmap.unlock()

    m.reclaim = direct_reclaim

    def mapper() -> Op[None]:
        if where == "before":
            yield from alloc_page(m, mm, "node", charge=False)
        yield from i_mmap.lock()
        if where != "before":
            yield from alloc_page(m, mm, "node", gfp="kernel" if where == "inside" else "nowait", charge=False)
        yield "insert into the interval tree"
        i_mmap.unlock()

    w.task("mapper", mapper())
    w.task("other", alloc_page(m, mm, "H", gfp="nowait", charge=False))


LK6 = Scenario(
    "LK6",
    "alloc-under-rmap-lock-reclaims-into-it",
    "an allocation under i_mmap_rwsem reclaims, and reclaim waits for that lock",
    _lk6,
    choices(inside="deadlock", nowait=HOLDS, before=HOLDS),
    bad="inside",
    good="before",
    sometimes=("direct reclaim",),
)


def _nul1(w: World, check: str) -> None:
    """The page table goes between the walk and pte_offset_map_lock: the result is NULL and is used.

    Since 6.5 khugepaged may take a table away under a walker that holds mmap_lock for reading; the map function
    answers NULL and holds nothing.

    Review practice RR-4; pte_offset_map_lock in mm/pgtable-generic.c.
    """
    m = Machine(w)
    mm = m.mm("P")
    m.anon(mm, 0)

    def walker() -> Op[None]:
        yield "pmd_none_or_clear_bad: there is a table"
        mapped = yield from pte_offset_map_lock(mm)
        if not mapped:
            w.mark("table was gone")
            if check == "null-test":
                return
        yield "read the entry"
        if not mm.pgtable:
            w.fail("O5", "walker dereferences a NULL page-table pointer")
        mm.ptl.unlock()

    w.task("walker", walker())
    w.task("khugepaged", collapse(mm))


NUL1 = Scenario(
    "NUL1",
    "null-page-table-used",
    "pte_offset_map_lock answered NULL because the table was taken away",
    _nul1,
    choices(no_test="O5", null_test=HOLDS),
    bad="no-test",
    good="null-test",
    sometimes=("table was gone",),
)


def _walk1(w: World, leave: str) -> None:
    """page_vma_mapped_walk is left by return, without page_vma_mapped_walk_done: the PTL stays locked.

    Running the walk to its end releases by itself, leaving in the middle does not.

    Review practice RR-6; folio_referenced_one in mm/rmap.c does it right.
    """
    m = Machine(w)
    w.strict = False
    first, second = m.mm("P"), m.mm("Q")
    page = m.anon(first, 0)
    page.get()
    page.mapcount += 1
    second.vmas[0] = first.vmas[0]
    second.set(0, first.pte(0))

    def walk() -> Op[None]:
        for mm in (first, second):
            yield from mm.ptl.lock()
            if mm.pte(0).page is page and mm.pte(0).young:
                w.mark("left in the middle")
                if leave == "walk-done":
                    mm.ptl.unlock()
                return
            mm.ptl.unlock()

    def ageing(mm: Mm) -> Op[None]:
        yield from mm.ptl.lock()
        mm.set(0, mm.pte(0)._replace(young=False))
        mm.ptl.unlock()

    w.task("rmap", walk())
    w.task("aging", ageing(first))


WALK1 = Scenario(
    "WALK1",
    "mapped-walk-left-locked",
    "page_vma_mapped_walk is left early with the page-table lock held",
    _walk1,
    choices(just_return="deadlock", walk_done=HOLDS),
    bad="just-return",
    good="walk-done",
    sometimes=("left in the middle",),
)

__all__ = ["LK1", "LK2", "LK3", "LK4", "LK5", "LK6", "NUL1", "WALK1"]
