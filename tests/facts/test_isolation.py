"""Folios that a function failed to take off their list, where the call tells so by an error code (until 6.3)."""

from __future__ import annotations

import pytest
from mmlint.facts.owners.isolation import unisolated
from mmlint.facts.program import Program
from mmlint.inputs.tree import EmptyTree, OverlayTree

PATH = "mm/demo.c"
MAKEFILE = b"VERSION = 6\nPATCHLEVEL = 1\n"
TEXT = """static int queue_one(struct page *page, struct list_head *list)
{
	if (isolate_lru_page(page)%s)
		return -EBUSY;
	list_add_tail(&page->lru, list);
	return 0;
}
"""


@pytest.mark.parametrize(("asked", "lines"), [("", []), (" < 0", []), (" != 0", []), (" == 0", [5]), (" > 0", [5])])
def test_an_error_code_is_below_zero(asked: str, lines: list[int]) -> None:
    files = {PATH: (TEXT % asked).encode(), "Makefile": MAKEFILE}
    (function,) = Program(OverlayTree(EmptyTree(), files)).functions(PATH)
    assert [found.call.line for found in unisolated(function)] == lines
