"""Leaks that only hunks show: two jumps to a label that is not among the shown lines."""

from __future__ import annotations

import pytest
from mmlint.facts.owners.leaks import leaks
from mmlint.facts.program import Program
from mmlint.inputs.tree import EmptyTree, OverlayTree

PATH = "mm/hunk.c"
HUNK = """static int region_register(struct region *region, unsigned long start)
{
	struct page **pages = region_pin(start, region->nr);
	int err = -ENOMEM;

	if (IS_ERR(pages))
		return PTR_ERR(pages);
	region->map = region_map(region->nr);
	if (!region->map)
		goto done;
	err = region_account(region);
	if (err) {
		unpin_user_pages(pages, region->nr);
		goto done;
	}
	region_fill(region->map, pages);
	return 0;
}
"""


def found(text: str, *, partial: bool = True) -> list[tuple[int, str]]:
    program = Program(OverlayTree(EmptyTree(), {PATH: text.encode()}), partial=partial)
    (function,) = program.functions(PATH)
    return [(leak.exit.line, leak.resource) for leak in leaks(function)]


def test_a_jump_that_keeps_what_the_other_one_gives_back_is_a_leak() -> None:
    assert found(HUNK) == [(9, "page pin")]


@pytest.mark.parametrize(
    ("shown", "other"),
    [
        ("goto done;\n\terr", "goto unpin;\n\terr"),
        ("\t\tunpin_user_pages(pages, region->nr);\n", ""),
        ("\tregion->map = ", "\tmmlint_not_shown();\n\tregion->map = "),
        ("if (!region->map)\n", "region_keep(region, pages);\n\tif (!region->map)\n"),
        ("\t\tgoto done;\n\terr", "\t\tregion->map = region_spare(pages);\n\terr"),
    ],
)
def test_other_labels_hidden_lines_and_pins_handed_on_are_none(shown: str, other: str) -> None:
    text = HUNK.replace(shown, other, 1)
    assert text != HUNK
    assert found(text) == []


def test_a_whole_function_has_no_hidden_labels() -> None:
    assert found(HUNK, partial=False) == []
