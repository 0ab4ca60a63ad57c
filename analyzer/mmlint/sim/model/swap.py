"""The swap cache: pages that stand for a swap entry, found by entry."""

from __future__ import annotations

from mmlint.sim.model.machine import Machine
from mmlint.sim.model.page import Page


def swap_entry_of(m: Machine, page: Page) -> int:
    """The swap entry a swap-cache page stands for (0: none)."""
    entry: int = m.w.facts.get(f"entry of {page.name}", 0)
    return entry


def find_in_swap_cache(m: Machine, entry: int) -> Page | None:
    """swap_cache_get_folio without the reference."""
    return next((page for page in m.w.pages() if page.swapcache and swap_entry_of(m, page) == entry), None)


def delete_from_swap_cache(page: Page) -> None:
    """The cache gives up its reference."""
    page.swapcache = False
    page.put()


def try_to_free_swap(m: Machine, page: Page) -> None:
    """folio_free_swap: out of the swap cache, unless some entry still refers to the slot."""
    free_swap_entry(m, swap_entry_of(m, page))


def free_swap_entry(m: Machine, entry: int) -> None:
    """An entry loses its last page-table reference: its slot is free again, and the page cached for it goes."""
    if any(pte.kind == "swap" and pte.entry == entry for mm in m.mms.values() for pte in mm.ptes.values()):
        return
    m.swap = {key: value for key, value in m.swap.items() if key != entry}
    page = find_in_swap_cache(m, entry)
    if page is not None and page.lock.owner in (None, m.w.current):
        delete_from_swap_cache(page)
