"""insert_pfn: putting a device or DAX page into an entry that may not be empty."""

from __future__ import annotations

from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm, Pte
from mmlint.sim.model.page import Page
from mmlint.sim.world import Op

EBUSY = -16


def insert_pfn(m: Machine, mm: Mm, addr: int, page: Page, mkwrite: bool, check: str = "pfn") -> Op[int]:
    """0 when the entry maps `page` afterwards, -EBUSY when somebody else's entry is there.

    `check`: `pfn` compares the pfn of a present entry (the repair), `none` upgrades whatever is there (v3),
    `warn` compares and warns, `no-present-test` compares any entry, `mkwrite` ignores VM_WRITE, `overwrite` looks at
    nothing.
    """
    yield from mm.ptl.lock()
    pte = mm.pte(addr)
    vma = mm.vmas[addr]
    result = 0
    if pte.kind == "none":
        write = mkwrite and vma.write
        mm.set(addr, Pte("special", page, write=write, dirty=mkwrite, young=True))
    elif check == "overwrite":
        mm.set(addr, Pte("special", page, write=mkwrite and vma.write, young=True))
    elif not mkwrite:
        result = EBUSY
    elif check != "none" and not ((pte.present or check == "no-present-test") and pte.page is page):
        m.w.mark("backed out")
        if check == "warn":
            m.event("WARN_ON_ONCE in insert_pfn")
        result = EBUSY
    else:
        mm.set(addr, pte._replace(write=vma.write or check == "mkwrite", dirty=True, young=True))
    mm.ptl.unlock()
    return result
