"""Anchors, the two renderings, and what they must never do: move a line or touch another function."""

from __future__ import annotations

import pytest

from tests.lab.edits import HEADER, Edit, EditError, plain, switched

FILE = """\
// SPDX

#include <linux/mm.h>

static int first(struct folio *folio)
{
\tif (pinned(folio))
\t\treturn 1;
\tfolio_put(folio);
\treturn 0;
}

int second(struct folio *folio)
{
\tfirst(folio);
\tif (pinned(folio) &&
\t    shared(folio))
\t\treturn 1;
\tfolio_put(folio);
\treturn 0;
}
"""
ASK = Edit("mm/x.c", "first", "pinned(folio)", "false")
PUT = Edit("mm/x.c", "second", "folio_put(folio);", ";", "statement")
BOTH = Edit("mm/x.c", "second", "pinned(folio) && shared(folio)", "true")


def changed(before: str, after: str) -> list[tuple[int, str]]:
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return [(number, new.strip()) for number, (old, new) in enumerate(pairs, 1) if old != new]


def test_plain_is_what_a_developer_would_have_written() -> None:
    assert changed(FILE, plain(FILE, [ASK])) == [(7, "if (false)")]
    assert changed(FILE, plain(FILE, [PUT])) == [(19, ";")]


def test_an_edit_over_two_lines_keeps_both() -> None:
    assert changed(FILE, plain(FILE, [BOTH])) == [(16, "if (true"), (17, ")")]


def test_switched_keeps_the_whole_behind_the_switch_and_every_line_in_place() -> None:
    lines = changed(FILE, switched(FILE, [("ask", ASK), ("put", PUT)]))
    assert lines == [
        (2, f"#include <linux/{HEADER}>"),
        (7, 'if ((lab_on("ask") ? (false) : (pinned(folio))))'),
        (19, 'if (lab_on("put")) { ; } else { folio_put(folio); }'),
    ]


def test_two_mutations_of_one_place_are_chained() -> None:
    twice = Edit("mm/x.c", "second", "folio_put(folio);", "folio_put(folio); folio_put(folio);", "statement")
    text = switched(FILE, [("put", PUT), ("twice", twice)])
    assert 'if (lab_on("twice")) {' in text
    assert 'if (lab_on("put")) { ; } else { folio_put(folio); }' in text


def test_a_window_is_in_the_whole_kernel_and_not_in_the_patch() -> None:
    raced = Edit("mm/x.c", "first", "folio_put(folio);", "lab_window(addr); raw_put(folio);", "statement")
    assert (
        'if (lab_on("r")) { lab_window(addr); raw_put(folio); } else { lab_window(addr); folio_put(folio); }'
        in switched(FILE, [("r", raced)])
    )
    assert changed(FILE, plain(FILE, [raced])) == [(9, "raw_put(folio);")]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit("mm/x.c", "third", "x", "y"), "mm/x.c: no function third; the lab knows the trees named in docs/lab.md"),
        (Edit("mm/x.c", "first", "shared(folio)", "y"), "mm/x.c: first has no `shared(folio)` number 1"),
        (Edit("mm/x.c", "first", "pinned(folio)", "y", nth=1), "mm/x.c: first has no `pinned(folio)` number 2"),
    ],
)
def test_an_edit_that_does_not_fit_says_so(edit: Edit, said: str) -> None:
    with pytest.raises(EditError) as caught:
        plain(FILE, [edit])
    assert str(caught.value) == said


def test_overlapping_edits_are_refused() -> None:
    part = Edit("mm/x.c", "second", "shared(folio)", "false")
    with pytest.raises(EditError, match="two edits overlap"):
        switched(FILE, [("both", BOTH), ("part", part)])


def test_an_anchor_is_a_whole_word() -> None:
    text = "void f(void)\n{\n\tClearPageX(page);\n\tPageX(page);\n}\n"
    assert changed(text, plain(text, [Edit("x.c", "f", "PageX(page)", "0")])) == [(4, "0;")]
