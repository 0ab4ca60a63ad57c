"""Callers of GUP: without mmap_lock, with FOLL_FORCE, dirtying what truncation has taken; and the gate of fork."""

from __future__ import annotations

from mmlint.sim.build import choices
from mmlint.sim.model.fork import fork, zap
from mmlint.sim.model.gup import dma_write, gup_slow, unpin
from mmlint.sim.model.kernel import K2, UPSTREAM, Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Vma
from mmlint.sim.model.reclaim import truncate
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, World


def _guplock1(w: World, lock: str) -> None:
    """get_user_pages is called without mmap_lock: munmap frees the vma it is looking at.

    Documentation/core-api/pin_user_pages.rst and the lockdep assertion in __get_user_pages; review practice RR-68.
    """
    m = Machine(w, UPSTREAM)
    watch(m, "O1", "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    pin = m.pin("dev", mm, 0)

    def driver() -> Op[None]:
        if (yield from gup_slow(m, pin, lock=lock == "mmap-lock")):
            yield from unpin(m, pin)
        else:
            w.mark("got EFAULT")

    def munmap() -> Op[None]:
        yield from mm.mmap_lock.write_lock()
        mm.vmas = {}
        yield from zap(m, mm, 0)
        mm.mmap_lock.write_unlock()

    w.task("driver", driver())
    w.task("munmap", munmap())


GUPLOCK1 = Scenario(
    "GUPLOCK1",
    "gup-without-mmap-lock",
    "get_user_pages runs without mmap_lock against munmap",
    _guplock1,
    choices(unlocked="O5", mmap_lock=HOLDS),
    bad="unlocked",
    good="mmap-lock",
    sometimes=("got EFAULT",),
)


def _force1(w: World, kernel: Kernel) -> None:
    """FOLL_FORCE|FOLL_WRITE on a private read-only file mapping, against MADV_DONTNEED (CVE-2016-5195).

    GUP breaks COW and then asks for the page without FOLL_WRITE. The private copy is thrown away in between, the
    page-cache page is mapped again, and the forced write lands in the file. The present code remembers that COW was
    broken and insists on a dirty private page.

    19be0eaffa3a, 5535be309971; digest 000 section 1.4 (can_follow_write_pte, Oleg and Linus).
    """
    m = Machine(w, kernel)
    watch(m, "O4")
    mm = m.mm("P")
    page = m.file("F")
    mm.vmas[0] = Vma(write=False, file="file")
    ref = m.pin("ptrace", mm, 0)

    def poke() -> Op[None]:
        if (yield from gup_slow(m, ref, write=True, how="get", force=True)):
            yield from dma_write(m, ref, "poke")
            yield from unpin(m, ref)

    def file_unchanged() -> None:
        if page.data:
            w.fail("O2", f"the forced write of P is in the file: {page.data}")

    w.task("ptrace", poke())
    w.task("madvise", zap(m, mm, 0))
    w.checks.append(file_unchanged)


FORCE1 = Scenario(
    "FORCE1",
    "forced-write-reaches-file",
    "a forced write through a read-only private mapping reaches the page cache",
    _force1,
    (
        Variant("drop-write", UPSTREAM.but("drop FOLL_WRITE", foll_cow="drop-write"), "O2"),
        Variant("dirty-anon", UPSTREAM, HOLDS),
    ),
    bad="drop-write",
    good="dirty-anon",
)


def _gate1(w: World, kernel: Kernel) -> None:
    """A page of a process that never pinned anything has 1024 references (many children); fork copies it.

    page_maybe_dma_pinned cannot tell. With the flag in the mm asked first, processes that never pin pay nothing.

    Digest 000: Peter L4430, Linus L4656-4683 and L4769; S19.
    """
    m = Machine(w, kernel)
    parent, child = m.mm("P"), m.mm("C", alive=False)
    page = m.anon(parent, 0)
    page.refcount += 1023

    def cheap() -> None:
        if m.counters.get("copied by fork"):
            w.fail("O7", "fork copied a page of a process that never pinned one")

    def relative() -> Op[None]:
        yield "one of the older children exits"
        page.put()

    w.task("parent", fork(m, parent, child))
    w.task("relative", relative())
    w.final.append(cheap)


GATE1 = Scenario(
    "GATE1",
    "no-pin-gate-in-fork",
    "fork copies pages of processes that never pinned",
    _gate1,
    (Variant("no-gate", K2.but("no gate", gate=False), "O7"), Variant("gate", K2, HOLDS)),
    bad="no-gate",
    good="gate",
)


def _trunc2(w: World, mark: str) -> None:
    """A driver marks a page of a file dirty that GUP gave it, and truncation takes the page out of the file.

    The reference keeps the page, not its mapping: folio_mark_dirty() reads folio->mapping and calls into it.

    mm/page-writeback.c, set_page_dirty_lock and the comment above folio_mark_dirty; Documentation/core-api/
    pin_user_pages.rst; review practice RR-41.
    """
    m = Machine(w)
    watch(m, "O4")
    page = m.file("F")

    def driver() -> Op[None]:
        yield "get_user_pages_fast"
        if page.cached is None or not page.try_get():
            return
        yield "the device writes to the page"
        if mark == "locked":
            yield from page.lock.lock()
        yield "mapping = folio->mapping"
        mapping = page.cached
        if mapping is None:
            w.mark("truncated")
        else:
            yield "mapping->a_ops->dirty_folio"
            if page.cached is None:
                w.fail("O5", "the driver calls into the mapping of a file that may be gone")
        if mark == "locked":
            page.lock.unlock()
        yield "put_page"
        page.put()

    w.task("driver", driver())
    w.task("truncate", truncate(page))


TRUNC2 = Scenario(
    "TRUNC2",
    "user-page-dirtied-unlocked",
    "a page that GUP gave is marked dirty without its lock while the file is truncated",
    _trunc2,
    choices(unlocked="O5", locked=HOLDS),
    bad="unlocked",
    good="locked",
    sometimes=("truncated",),
)
