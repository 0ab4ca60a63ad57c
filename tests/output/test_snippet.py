"""Where carets go, and how foreign source is shown."""

from __future__ import annotations

import pytest
from mmlint.finding import Step
from mmlint.output.hunks import hunks
from mmlint.output.snippet import MAX_WIDTH, blocks, extent
from mmlint.output.text import Style

from tests.output.sample import DIFF, sleeping


@pytest.mark.parametrize(
    ("text", "column", "marked"),
    [
        ("\tpage = alloc_page(GFP_KERNEL);", 9, "alloc_page(GFP_KERNEL)"),
        ("\tif (f(g(a), b)) {", 6, "f(g(a), b)"),
        ("\tpage = alloc_page(GFP_KERNEL);", 1, "page = alloc_page(GFP_KERNEL)"),
        ("\tpage->_refcount = 1; /* why */", 2, "page->_refcount = 1"),
        ("\tfoo(a,", 2, "foo(a,"),
        ("\tx = y;", 99, "x = y"),
    ],
)
def test_extent_is_the_call_or_the_statement(text: str, column: int, marked: str) -> None:
    start, end = extent(text, column)
    assert text[start:end] == marked


def test_extent_of_an_empty_line_is_one_column() -> None:
    assert extent("", 1) == (0, 1)


def test_tabs_keep_carets_below_their_text() -> None:
    rows = blocks(sleeping(line=1, column=6, steps=()), {"mm/demo.c": ["\tint\tx = f(1);"]}, Style(False))
    text, caret = rows[2].split("| ", 1)[1], rows[3].split("| ", 1)[1]
    assert text[caret.index("^") : caret.rindex("^") + 1] == "x = f(1)"


def test_very_long_lines_are_cut() -> None:
    rows = blocks(sleeping(line=1, column=1, steps=()), {"mm/demo.c": ["x" * 10_000]}, Style(False))
    assert max(map(len, rows)) < MAX_WIDTH + 10


def test_places_in_the_order_of_lines_and_other_files_after() -> None:
    steps = (Step("b.c", 2, "there"), Step("mm/demo.c", 1, "above"))
    rows = blocks(
        sleeping(line=3, column=1, steps=steps), {"mm/demo.c": ["a;", "b;", "c;"], "b.c": ["d;", "e;"]}, Style(False)
    )
    text = "\n".join(rows)
    assert text.index("above") < text.index("...") < text.index("c;") < text.index("b.c:2") < text.index("there")


def test_a_place_beyond_the_source_is_still_named() -> None:
    rows = blocks(sleeping(line=50, column=1, steps=(Step("b.c", 2, "there"),)), {}, Style(False))
    assert "  --> mm/demo.c:50:1".strip() in rows[0]
    assert any("line 2: there" in row for row in rows)


def test_hunks_number_the_new_file_and_stop_at_the_signature() -> None:
    [hunk] = hunks(DIFF)
    assert hunk.path == "mm/demo.c"
    assert hunk.lines[-1] == " }"
    assert [number for number in hunk.numbers if number] == list(range(3, 12))
    position = hunk.find("mm/demo.c", 8)
    assert position is not None
    assert "folio_alloc" in hunk.lines[position]
    assert hunk.find("linux/mm/demo.c", 8) == position
    assert hunk.find("mm/other.c", 8) is None


def test_hunks_of_a_cut_diff() -> None:
    cut = DIFF[: DIFF.index("+\tfolio")]
    [hunk] = hunks(cut)
    assert hunk.find("mm/demo.c", 8) is None
