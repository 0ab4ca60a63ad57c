"""Reference counts: raw updates, leaks, double puts, use after put, doors mixed up, counts of zero, tails."""

from __future__ import annotations

from mmlint.sim.build import after, choices, done
from mmlint.sim.model.fault import alloc_page, user_read, user_write
from mmlint.sim.model.fork import zap
from mmlint.sim.model.gup import dma_write, gup_fast, gup_slow, unpin
from mmlint.sim.model.kernel import K2, UPSTREAM, Kernel
from mmlint.sim.model.lru import isolate, putback
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Pte
from mmlint.sim.model.page import Page
from mmlint.sim.model.reclaim import shrink_page, truncate
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, World


def _raw1(w: World, how: str) -> None:
    """A count is changed by load, add, store instead of page_ref_inc, while another CPU takes and drops a reference.

    One update is lost. The page is freed while its owner still holds it, and the owner's put meets a count of zero.
    A raw atomic operation would not lose the update, but it would miss the tracepoint and any hook of page_ref.h
    (see ZD1).

    Digest 001-004: J1, J2, Kirill 004:L1334-1342 and L1657-1658.
    """
    m = Machine(w)
    page = m.memory.take("X")
    assert page is not None

    def raw() -> Op[None]:
        yield "load _refcount"
        count = page.refcount
        if how == "raw":
            yield "store _refcount + 1"
        page.refcount = count + 1
        yield "use the page"
        page.touch("use")
        yield "put_page"
        page.put()

    def other() -> Op[None]:
        yield "get_page"
        page.get()
        yield "put_page"
        page.put()

    def owner_leaves() -> None:
        page.put()
        if not page.freed:
            w.fail("O4", f"X is leaked: refcount {page.refcount} with no holder")

    w.task("raw", raw())
    w.task("other", other())
    w.final.append(owner_leaves)


RAW1 = Scenario(
    "RAW1",
    "raw-refcount-update-lost",
    "a non-atomic change of _refcount loses a concurrent get",
    _raw1,
    choices(raw="O5", page_ref_inc=HOLDS),
    bad="raw",
    good="page-ref-inc",
)


def _leak1(w: World, exit_path: str) -> None:
    """A folio is looked up with a reference; when the entry has changed meanwhile the function returns without put.

    The page is never freed. Only the race takes that exit.

    Review practice RR-33, RR-34.
    """
    m = Machine(w)
    watch(m, "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0)

    def lookup() -> Op[None]:
        yield from mm.ptl.lock()
        found = mm.pte(0).page
        if found is not None:
            found.get()
        mm.ptl.unlock()
        if found is None:
            return
        yield "look again"
        if mm.pte(0).page is not found:
            w.mark("raced")
            if exit_path == "put":
                found.put()
            return
        yield "use and put"
        found.put()

    w.task("lookup", lookup())
    w.task("madvise", zap(m, mm, 0))
    assert page.refcount == 1


LEAK1 = Scenario(
    "LEAK1",
    "reference-leaked-on-one-exit",
    "one way out of a function keeps the reference and the page is never freed",
    _leak1,
    choices(forget="O4", put=HOLDS),
    bad="forget",
    good="put",
    sometimes=("raced",),
)


def _leak2(w: World, exit_path: str) -> None:
    """Two pages are to be pinned, the second cannot be: the first pin stays behind on the error exit.

    The page can never be freed, migrated or written back cleanly again.

    Digest 001-004: FG10; get_user_pages documentation: partial results have to be released by the caller.
    """
    m = Machine(w)
    watch(m, "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    m.anon(mm, 1, "B")
    pins = [m.pin("dev0", mm, 0), m.pin("dev1", mm, 1)]

    def driver() -> Op[None]:
        got = []
        for pin in pins:
            if not (yield from gup_slow(m, pin, longterm=True)):
                break
            got.append(pin.name)
        if len(got) < 2:
            w.mark("partial")
        if len(got) == 2 or exit_path == "unpin":
            for pin in pins[: len(got)]:
                yield from unpin(m, pin)

    def unmap() -> Op[None]:
        yield from mm.mmap_lock.write_lock()
        mm.vmas = {0: mm.vmas[0]}
        yield from zap(m, mm, 1)
        mm.mmap_lock.write_unlock()

    w.task("driver", driver())
    w.task("munmap", unmap())


LEAK2 = Scenario(
    "LEAK2",
    "pin-leaked-on-error",
    "the pins taken before an error are not released",
    _leak2,
    choices(keep="O4", unpin=HOLDS),
    bad="keep",
    good="unpin",
    sometimes=("partial",),
)


def _uaf1(w: World, order: str) -> None:
    """The page is looked at after the put; the other holder drops the last reference in between.

    Digest 001-004: ZD18, R-RC6; review practice RR-36 and RR-37.
    """
    m = Machine(w)
    watch(m, "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0)
    page.get()

    def user() -> Op[None]:
        if order == "look-first":
            yield "look at the flags"
            page.touch("PageDirty")
        yield "put_page"
        page.put()
        if order == "put-first":
            yield "look at the flags"
            page.touch("PageDirty")

    w.task("user", user())
    w.task("munmap", zap(m, mm, 0))


UAF1 = Scenario(
    "UAF1",
    "page-used-after-put",
    "a page is looked at after the put that may have freed it",
    _uaf1,
    choices(put_first="O5", look_first=HOLDS),
    bad="put-first",
    good="look-first",
)


def _put1(w: World, handler: str) -> None:
    """The reference is put in the loop that failed and again at the error label.

    The second put takes the reference of somebody else: the page goes while it is mapped.

    Digest 001-004: HM4 has the pattern; review practice RR-33.
    """
    m = Machine(w)
    watch(m, "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0)
    page.get()

    def run() -> Op[None]:
        failed = False
        yield "work on the page"
        if page.dirty:
            failed = True
            w.mark("failed")
            page.put()
        yield "out:"
        if not failed or handler == "both":
            page.put()

    def other() -> Op[None]:
        yield "the page becomes dirty"
        page.dirty = True

    w.task("run", run())
    w.task("other", other())


PUT1 = Scenario(
    "PUT1",
    "page-put-twice",
    "the same reference is put in the error branch and at the label",
    _put1,
    choices(both="O5", once=HOLDS),
    bad="both",
    good="once",
    sometimes=("failed",),
)


def _mix1(w: World, door: str) -> None:
    """A page pinned with pin_user_pages is released with put_page: 1023 references stay for ever.

    page_maybe_dma_pinned goes on saying yes, and the page is never freed.

    Digest 000 I34; review practice RR-67; Documentation/core-api/pin_user_pages.rst.
    """
    m = Machine(w)
    watch(m, "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    pin = m.pin("dev", mm, 0)

    def driver() -> Op[None]:
        yield from gup_fast(m, pin)
        if door == "put-page":
            yield "put_page"
            pin.active = False
            assert pin.page is not None
            pin.page.put()
        else:
            yield from unpin(m, pin)

    w.task("driver", driver())
    w.task("thread", user_write(m, mm, 0, "1"))


MIX1 = Scenario(
    "MIX1",
    "pin-released-by-put-page",
    "a pin is dropped as if it were a plain reference",
    _mix1,
    choices(put_page="O4", unpin=HOLDS),
    bad="put-page",
    good="unpin",
)


def _zero1(w: World, getter: str) -> None:
    """A page found without a lock (page cache under RCU, a pfn walk) is taken with get_page.

    Its last reference may just have gone: the count is raised from zero, and the page is in two hands.

    Review practice RR-40; digest 001-004 FG5.
    """
    m = Machine(w)
    watch(m, "O4")
    page = m.file("F")

    def lookup() -> Op[None]:
        yield "rcu_read_lock, find the page"
        if page.cached is None:
            return
        yield f"{getter}"
        if getter == "folio-try-get":
            if not page.try_get():
                w.mark("count was zero")
                return
        else:
            page.get()
        yield "use and put"
        page.touch("use")
        page.put()

    def truncate() -> Op[None]:
        yield "remove from the page cache"
        page.cached = None
        yield "put the cache's reference"
        page.put()

    w.task("lookup", lookup())
    w.task("truncate", truncate())


ZERO1 = Scenario(
    "ZERO1",
    "get-from-count-zero",
    "a page whose count may be zero is taken with get_page",
    _zero1,
    choices(get_page="O5", folio_try_get=HOLDS),
    bad="get-page",
    good="folio-try-get",
    sometimes=("count was zero",),
)


def _frz1(w: World, result: str) -> None:
    """page_ref_freeze fails because of a speculative reference, its result is ignored, unfreeze overwrites the count.

    Digest 000: I21, the pair in reuse_ksm_page (P2).
    """
    m = Machine(w)
    watch(m, "O4")
    page = m.file("F")

    def split() -> Op[None]:
        yield "page_ref_freeze(1)"
        frozen = page.freeze(1)
        if not frozen:
            w.mark("freeze failed")
        if frozen or result == "ignored":
            yield "rearrange the page"
            yield "page_ref_unfreeze(1)"
            page.unfreeze(1)

    def reader() -> Op[None]:
        yield "folio_try_get"
        if page.try_get():
            yield "folio_put"
            page.put()

    w.task("split", split())
    w.task("reader", reader())


FRZ1 = Scenario(
    "FRZ1",
    "freeze-result-ignored",
    "the count was not frozen and is overwritten all the same",
    _frz1,
    choices(ignored="O4", tested=HOLDS),
    bad="ignored",
    good="tested",
    sometimes=("freeze failed",),
)


def _dirty1(w: World, release: str) -> None:
    """A device has written to a pinned file page whose PTE is clean; the pin is dropped without dirtying the page.

    Reclaim takes the page for clean and drops it. The next read comes from disk: the data is lost.

    Documentation/core-api/pin_user_pages.rst (unpin_user_pages_dirty_lock); digest 000 S38 names the file side.
    """
    m = Machine(w, K2)
    watch(m, "O4")
    mm = m.mm("P")
    page = m.file("F")
    m.map_file(mm, 0, page, write=True)
    pin = m.pin("dev", mm, 0)
    w.run(gup_slow(m, pin))

    def driver() -> Op[None]:
        yield from dma_write(m, pin, "data")
        yield from unpin(m, pin, dirty=release == "dirty-lock")
        done(m, "released")

    def process() -> Op[None]:
        yield after(m, "released")
        seen = yield from user_read(m, mm, 0)
        if seen != "P:data":
            w.fail("O14", f"P reads {seen}, the device wrote data")

    w.task("driver", driver())
    w.task("process", process())
    w.task("kswapd", shrink_page(m, page))


DIRTY1 = Scenario(
    "DIRTY1",
    "written-pin-released-clean",
    "a page written by a device is released without being dirtied",
    _dirty1,
    choices(plain="O14", dirty_lock=HOLDS),
    bad="plain",
    good="dirty-lock",
    sometimes=(("the page was dropped", lambda w: any(p.freed for p in w.pages())),),
)


def _dirty2(w: World, kernel: Kernel) -> None:
    """Munmap of a shared file mapping drops the dirty bit of the entry instead of moving it to the page.

    Reclaim takes the page for clean and drops it; the next reader gets the old content from disk.

    Digest 001-004: J42; zap_present_folio_ptes in mm/memory.c marks the folio dirty.
    """
    m = Machine(w, kernel)
    watch(m, "O4")
    mm, later = m.mm("P"), m.mm("Q")
    page = m.file("F")
    m.map_file(mm, 0, page, write=True)
    later.vmas[0] = mm.vmas[0]

    def process() -> Op[None]:
        yield from user_write(m, mm, 0, "data")
        yield from zap(m, mm, 0)
        done(m, "unmapped")

    def reader() -> Op[None]:
        yield after(m, "unmapped")
        seen = yield from user_read(m, later, 0)
        if seen != "P:data":
            w.fail("O14", f"Q reads {seen} from the file, P had written data")

    w.task("process", process())
    w.task("reader", reader())
    w.task("kswapd", shrink_page(m, page))


DIRTY2 = Scenario(
    "DIRTY2",
    "dirty-bit-dropped-at-unmap",
    "an unmapped entry was dirty and its page is not told",
    _dirty2,
    (Variant("dropped", UPSTREAM.but("dropped", zap_dirty=False), "O14"), Variant("moved", UPSTREAM, HOLDS)),
    bad="dropped",
    good="moved",
    sometimes=(("the page was dropped", lambda w: any(p.freed for p in w.pages())),),
)


def _tail1(w: World, which: str) -> None:
    """A reference is taken on a tail page: the head's count does not know of it and the folio is freed.

    References of a large folio live in its head (compound_head, page_folio).

    Digest 001-004: FG12, J20, R-RC11.
    """
    m = Machine(w)
    head = m.memory.take("head")
    assert head is not None
    tail = Page(m, "tail", refcount=0)
    tail.zone = "tail"

    def user() -> Op[None]:
        yield "folio_try_get" if which == "head" else "page_ref_inc(tail)"
        target = head if which == "head" else tail
        if which == "head" and not head.try_get():
            return
        if which == "tail":
            tail.refcount += 1
        yield "use the second page"
        head.touch("use of its second page")
        yield "put"
        target.refcount -= which == "tail"
        if which == "head":
            head.put()

    def owner() -> Op[None]:
        yield "folio_put"
        if head.refcount == 1 and tail.refcount:
            w.fail("O5", "the folio is freed while its tail page has a reference (Bad page state)")
        head.put()

    w.task("user", user())
    w.task("owner", owner())


TAIL1 = Scenario(
    "TAIL1",
    "reference-on-tail-page",
    "a count is raised on a tail page that nobody looks at",
    _tail1,
    choices(tail="O5", head=HOLDS),
    bad="tail",
    good="head",
)


def lookup_or_error(page: Page) -> Op[Page | int]:
    """__filemap_get_folio: a folio with a reference, or an errno in the pointer (ERR_PTR)."""
    yield "__filemap_get_folio"
    return page if page.cached is not None and page.try_get() else -2


def _errp1(w: World, test: str) -> None:
    """A lookup that answers with an error pointer is tested for NULL: the errno is used as a folio.

    Which answer comes depends on truncation.

    Review practice RR-32 (__filemap_get_folio since 6.4).
    """
    m = Machine(w)
    watch(m, "O4")
    page = m.file("F")

    def reader() -> Op[None]:
        found = yield from lookup_or_error(page)
        failed = isinstance(found, int)
        if failed:
            w.mark("error pointer")
        if failed and test == "is-err":
            return
        yield "folio_put"
        if isinstance(found, int):
            w.fail("O5", f"folio_put of the error pointer {found}")
        found.put()

    def truncate() -> Op[None]:
        yield "remove from the page cache"
        page.cached = None
        page.put()

    w.task("reader", reader())
    w.task("truncate", truncate())


ERRP1 = Scenario(
    "ERRP1",
    "error-pointer-used-as-folio",
    "a result that may be an error pointer is tested for NULL only",
    _errp1,
    choices(null_test="O5", is_err=HOLDS),
    bad="null-test",
    good="is-err",
    sometimes=("error pointer",),
)


def _retry1(w: World, recheck: str) -> None:
    """Fast GUP takes its speculative reference and does not look at the entry again.

    Meanwhile the page was unmapped and another one faulted in: the caller pins a page the process no longer has.

    Digest 001-004: FG5, J18.
    """
    m = Machine(w, UPSTREAM)
    watch(m, "O1", "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    pin = m.pin("dev", mm, 0)

    def pinner() -> Op[None]:
        if (yield from gup_fast(m, pin, recheck=recheck == "recheck")):
            yield from unpin(m, pin)

    def thread() -> Op[None]:
        yield from zap(m, mm, 0)
        yield from user_write(m, mm, 0, "1")

    w.task("gup", pinner())
    w.task("thread", thread())


RETRY1 = Scenario(
    "RETRY1",
    "speculative-reference-unchecked",
    "a lockless reference is taken and the entry is not looked at again",
    _retry1,
    choices(no_recheck="O1", recheck=HOLDS),
    bad="no-recheck",
    good="recheck",
)


def _charge1(w: World, charge: str) -> None:
    """A new anonymous page is mapped uncharged, or charged by its helper and once more by the caller.

    Uncharged memory escapes the limit; a double charge never comes back. The other thread faults at the same place,
    so the page may also be thrown away unmapped.

    Digest 000: S17, S29; review practice RR-57.
    """
    m = Machine(w)
    watch(m, "complete", "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    w.run(zap(m, mm, 0))

    def fault() -> Op[None]:
        page = yield from alloc_page(m, mm, "N", charge=charge != "missing")
        if page is None:
            return
        if charge == "twice":
            m.memory.charge(page, mm.name)
        yield from mm.ptl.lock()
        if mm.pte(0) != Pte():
            w.mark("lost the race")
            mm.ptl.unlock()
            page.put()
            return
        page.anon = page.uptodate = page.lru = True
        page.mapcount = 1
        mm.set(0, Pte("page", page, write=True))
        mm.ptl.unlock()

    w.task("fault", fault())
    w.task("thread", user_write(m, mm, 0, "1"))


CHARGE1 = Scenario(
    "CHARGE1",
    "page-charged-wrongly",
    "a mapped page is not charged, or charged twice",
    _charge1,
    choices(missing="O4", twice="O4", once=HOLDS),
    bad="missing",
    good="once",
    sometimes=("lost the race",),
)


def _iso1(w: World, style: str) -> None:
    """Two CPUs isolate the same page; one fails, and puts it back all the same, or forgets to put back what it has.

    Putting back without isolating drops a reference of somebody else; forgetting leaves the page off the LRU, where
    reclaim never finds it.

    Digest 001-004: HM4, J39; review practice RR-81.
    """
    m = Machine(w)
    watch(m, "O4")
    mm = m.mm("P")
    page = m.anon(mm, 0)

    def compaction() -> Op[None]:
        yield "folio_isolate_lru"
        got = isolate(page)
        if not got:
            w.mark("isolate failed")
        yield "migrate fails"
        if (got and style != "forget") or (not got and style == "putback-always"):
            putback(page)

    def reclaim() -> Op[None]:
        yield "folio_isolate_lru"
        if isolate(page):
            yield "folio_putback_lru"
            putback(page)

    def on_lru() -> None:
        if not page.lru:
            w.fail("O4", f"{page} was isolated by {page.isolated} and never put back")

    w.task("compaction", compaction())
    w.task("reclaim", reclaim())
    w.final.insert(0, on_lru)


ISO1 = Scenario(
    "ISO1",
    "putback-without-isolate",
    "a page is put back that was not isolated, or isolated and not put back",
    _iso1,
    choices(putback_always="O4", forget="O4", matched=HOLDS),
    bad="putback-always",
    good="matched",
    sometimes=("isolate failed",),
)


def _trunc1(w: World, recheck: str) -> None:
    """A page-cache folio is locked, and folio->mapping is used without a look whether truncation came first.

    Review practice RR-41, RR-42.
    """
    m = Machine(w)
    watch(m, "O4")
    page = m.file("F")

    def writer() -> Op[None]:
        yield "find and get"
        if page.cached is None or not page.try_get():
            return
        yield from page.lock.lock()
        if page.cached is None:
            w.mark("truncated")
        if recheck == "no-test" or page.cached is not None:
            yield "folio->mapping->a_ops"
            if page.cached is None:
                w.fail("O5", "writer dereferences folio->mapping, which truncation has set to NULL")
        page.lock.unlock()
        yield "folio_put"
        page.put()

    w.task("writer", writer())
    w.task("truncate", truncate(page))


TRUNC1 = Scenario(
    "TRUNC1",
    "folio-lock-without-mapping-test",
    "a locked folio is taken for one that is still in the page cache",
    _trunc1,
    choices(no_test="O5", mapping_test=HOLDS),
    bad="no-test",
    good="mapping-test",
    sometimes=("truncated",),
)
