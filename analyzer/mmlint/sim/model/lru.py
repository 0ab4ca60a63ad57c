"""LRU isolation: a page is taken off the list with a reference, and only who took it may put it back."""

from __future__ import annotations

from mmlint.sim.model.page import Page


def isolate(page: Page) -> bool:
    """folio_isolate_lru; false when somebody else has it. On a device page the list links overwrite pgmap (O10)."""
    if page.zone == "device":
        page.w.fail("O10", f"{page} is a device page: its lru links overwrite pgmap")
    if not page.lru:
        return False
    page.lru = False
    page.isolated = page.w.current.name
    page.get()
    return True


def putback(page: Page) -> None:
    """folio_putback_lru: only for a page this path isolated."""
    if page.isolated != page.w.current.name:
        page.w.fail("O4", f"{page.w.current.name} puts back {page}, which it has not isolated")
    page.isolated = None
    page.lru = True
    page.put()
