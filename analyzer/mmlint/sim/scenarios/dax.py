"""insert_pfn with mkwrite: what may be upgraded."""

from __future__ import annotations

from mmlint.sim.build import choices, settled_fork
from mmlint.sim.model.dax import insert_pfn
from mmlint.sim.model.fault import user_read, user_write
from mmlint.sim.model.fork import zap
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Pte, Vma
from mmlint.sim.model.page import Page
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario
from mmlint.sim.world import Op, World


def pfn_page(m: Machine, name: str = "B") -> Page:
    """A block of the DAX device: a page that belongs to no allocator."""
    page = Page(m, name)
    page.zone = "device"
    return page


def _dx2(w: World, check: str) -> None:
    """insert_pfn(mkwrite) meets a read-only anonymous page that is shared with a child, and upgrades it.

    The parent's next write goes into the page the child reads. The entry must map the expected pfn, or -EBUSY.
    Upstream uses mkwrite for shared mappings only, so this is about the contract of the function.

    Digest 001-004: Jan Kara 001:L79-84; DX2 is our reading of it.
    """
    m = Machine(w)
    watch(m, "O2", "O4")
    parent, child = m.mm("P"), m.mm("C", alive=False)
    m.anon(parent, 0)
    w.run(user_write(m, parent, 0, "before"))
    settled_fork(m, parent, child, child_exits=False)
    block = pfn_page(m)

    def fault() -> Op[None]:
        yield from insert_pfn(m, parent, 0, block, mkwrite=True, check=check)
        yield from user_write(m, parent, 0, "after")

    w.task("parent", fault())
    w.task("child", user_read(m, child, 0))


DX2 = Scenario(
    "DX2",
    "insert-pfn-upgrades-foreign-entry",
    "insert_pfn makes an entry writable that maps another page",
    _dx2,
    choices(none="O2", pfn=HOLDS),
    bad="none",
    good="pfn",
    sometimes=("backed out",),
)


def _dx3(w: World, check: str) -> None:
    """The global zero page becomes writable.

    A hole of a DAX file is mapped with the zero page. write(2) allocates the block and is about to unmap the zero
    page; a write fault finds the block already there and lets insert_pfn upgrade the entry, which still maps the
    zero page. Every user of the zero page sees the data. With the pfn test the fault backs out and runs again.

    Digest 001-004: 001:L81-84 and L137-149; DX3.
    """
    m = Machine(w)
    watch(m, "O2")
    mm, innocent = m.mm("P"), m.mm("Q")
    zero = pfn_page(m, "zero_page")
    block = pfn_page(m)
    for user in (mm, innocent):
        user.vmas[0] = Vma(shared=user is mm)
        user.set(0, Pte("zero", zero))
    m.expect(innocent, 0, "0")
    state = {"block": False}
    w.facts["file"] = state

    def write_fault() -> Op[None]:
        while True:
            yield "P writes 1 at 0"
            pte = mm.pte(0)
            if pte.present and pte.write and pte.page is not None:
                pte.page.write("P:1")
                return
            yield "dax fault: look up or allocate the block"
            if state["block"]:
                w.mark("block was there")
            else:
                state["block"] = True
                yield from zap(m, mm, 0)
            yield from insert_pfn(m, mm, 0, block, mkwrite=True, check=check)

    def write_call() -> Op[None]:
        yield "write(2) allocates the block"
        state["block"] = True
        yield from zap(m, mm, 0)

    w.task("fault", write_fault())
    w.task("write", write_call())
    w.task("other", user_read(m, innocent, 0))


DX3 = Scenario(
    "DX3",
    "writable-zero-page",
    "insert_pfn upgrades an entry that maps the global zero page",
    _dx3,
    choices(none="O2", pfn=HOLDS),
    bad="none",
    good="pfn",
    sometimes=("backed out", "block was there"),
)


def _dx1(w: World, check: str) -> None:
    """A read fault arrives in insert_pfn when a write fault of the same private mapping has already put its copy there.

    The entry is not none: -EBUSY, and both use the copy. An insert that looks at nothing throws the written copy
    away. Either order may come.

    Digest 001-004: Ross Zwisler 001:L572-587.
    """
    m = Machine(w)
    watch(m, "O2")
    mm = m.mm("P")
    block = pfn_page(m)
    mm.vmas[0] = Vma()

    def read_fault() -> Op[None]:
        yield from insert_pfn(m, mm, 0, block, mkwrite=False, check=check)

    w.task("write", user_write(m, mm, 0, "1"))
    w.task("read", read_fault())


DX1 = Scenario(
    "DX1",
    "read-fault-against-write-fault",
    "insert_pfn replaces the entry that another fault has installed",
    _dx1,
    choices(overwrite="O14", pfn=HOLDS),
    bad="overwrite",
    good="pfn",
)


def _dx4(w: World, check: str) -> None:
    """The same pfn is upgraded: young and dirty, but writable only if the vma is (maybe_mkwrite).

    mprotect takes VM_WRITE away while the fault is on its way.

    Digest 001-004: DX4, R-PI4.
    """
    m = Machine(w)
    mm = m.mm("P")
    block = pfn_page(m)
    mm.vmas[0] = Vma(shared=True)
    mm.set(0, Pte("special", block))

    def protect() -> Op[None]:
        yield from mm.ptl.lock()
        mm.vmas = {0: mm.vmas[0]._replace(write=False)}
        mm.set(0, mm.pte(0)._replace(write=False))
        mm.ptl.unlock()

    def allowed() -> None:
        if mm.pte(0).write and not mm.vmas[0].write:
            w.fail("O17", "an entry is writable in a vma that is not")

    w.checks.append(allowed)
    w.task("fault", insert_pfn(m, mm, 0, block, mkwrite=True, check=check))
    w.task("mprotect", protect())


DX4 = Scenario(
    "DX4",
    "mkwrite-without-vma-permission",
    "an upgraded entry is writable though its vma is not",
    _dx4,
    choices(mkwrite="O17", pfn=HOLDS),
    bad="mkwrite",
    good="pfn",
)


def _dx5(w: World, how: str) -> None:
    """No special bit on this architecture: a valid pfn goes in without a reference, and zap takes it for a normal page.

    The count goes below what the owner holds. Such pfns have to go in by insert_page.

    Digest 001-004: comment of the patch 001:L793-807, J25.
    """
    m = Machine(w)
    mm = m.mm("P")
    page = m.file("F")
    mm.vmas[0] = Vma(shared=True)

    def install() -> Op[None]:
        yield from mm.ptl.lock()
        page.mapcount += 1
        if how == "insert-page":
            page.get()
        mm.set(0, Pte("page", page))
        mm.ptl.unlock()
        yield from zap(m, mm, 0)

    def owner() -> Op[None]:
        yield "the owner uses its page"
        page.touch("use")

    w.task("fault", install())
    w.task("owner", owner())


DX5 = Scenario(
    "DX5",
    "pfn-inserted-without-reference",
    "zap puts a page that was inserted without a reference",
    _dx5,
    choices(insert_pfn="O5", insert_page=HOLDS),
    bad="insert-pfn",
    good="insert-page",
)


def _dx6(w: World, check: str) -> None:
    """The entry is a migration or swap entry: neither none nor present, and its pfn field means something else.

    Bits are flipped in the entry; when the page comes back the mapping is writable though it was read-only.

    Digest 001-004: DX6, R-PI2 (our observation).
    """
    m = Machine(w)
    mm = m.mm("P")
    block = pfn_page(m)
    mm.vmas[0] = Vma(shared=True)
    mm.set(0, Pte("special", block))

    def migration() -> Op[None]:
        yield from mm.ptl.lock()
        if mm.pte(0).write:
            mm.ptl.unlock()
            return
        mm.set(0, Pte("migration", block))
        mm.ptl.unlock()
        yield from mm.ptl.lock()
        if mm.pte(0).write:
            w.fail("O17", "a read-only mapping comes back from migration writable")
        mm.set(0, Pte("special", block))
        mm.ptl.unlock()

    w.task("migration", migration())
    w.task("fault", insert_pfn(m, mm, 0, block, mkwrite=True, check=check))


DX6 = Scenario(
    "DX6",
    "pfn-of-non-present-entry",
    "the pfn of an entry that is not present is compared",
    _dx6,
    choices(no_present_test="O17", pfn=HOLDS),
    bad="no-present-test",
    good="pfn",
    sometimes=("backed out",),
)


def _dx7(w: World, check: str) -> None:
    """WARN_ON_ONCE on a pfn mismatch that another fault can legally cause.

    Digest 001-004: 001:L131-134, generic/437 at L200-207, withdrawn at L572-587.
    """
    m = Machine(w)
    mm = m.mm("P")
    block, other = pfn_page(m), pfn_page(m, "A")
    mm.vmas[0] = Vma(shared=True)

    def quiet() -> None:
        if m.events:
            w.fail("O19", f"{m.events[0]} in a legal interleaving")

    def first() -> Op[None]:
        yield from mm.ptl.lock()
        if mm.pte(0).kind == "none":
            mm.set(0, Pte("special", other))
        mm.ptl.unlock()

    w.checks.append(quiet)
    w.task("copy", first())
    w.task("fault", insert_pfn(m, mm, 0, block, mkwrite=True, check=check))


DX7 = Scenario(
    "DX7",
    "warning-on-a-legal-race",
    "a fault path warns about what another fault may do",
    _dx7,
    choices(warn="O19", pfn=HOLDS),
    bad="warn",
    good="pfn",
    sometimes=("backed out",),
)
