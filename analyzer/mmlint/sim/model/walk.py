"""Page tables as things that come and go: mapping one, taking one away."""

from __future__ import annotations

from mmlint.sim.model.mm import Mm
from mmlint.sim.world import Op


def pte_offset_map_lock(mm: Mm) -> Op[bool]:
    """True with the PTL held; false, holding nothing, when the table is gone (NULL)."""
    yield from mm.ptl.lock()
    if mm.pgtable:
        return True
    mm.ptl.unlock()
    return False


def collapse(mm: Mm) -> Op[None]:
    """Khugepaged or retract_page_tables: under the PTL the table is taken out; its pages stay with the huge mapping."""
    yield from mm.ptl.lock()
    mm.pgtable = False
    mm.ptl.unlock()
