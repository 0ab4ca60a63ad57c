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
