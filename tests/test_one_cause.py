"""A rule on the state of the code that stands in for comparing rules: one cause, one finding."""

from __future__ import annotations

import json
from difflib import unified_diff
from pathlib import Path

import pytest
from mmlint.cli import app
from mmlint.rule import load
from typer.testing import CliRunner

FIXTURES = Path(__file__).parent.parent / "fixtures"
CASES = {
    "PTL107": ("\tif (prealloc)\n\t\tput_page(prealloc);\n", ""),
    "PTL108": (
        "\t\tunlock_page(vmf->page);\n\t\twp_page_reuse(vmf);\n",
        "\t\twp_page_reuse(vmf);\n\t\tunlock_page(vmf->page);\n",
    ),
    "MIG102": ("pte_dirty(pteval))\n\t\tfolio_mark_dirty(folio);\n", "pte_dirty(pteval))\n\t\tcount_vm_event(1);\n"),
    "MIG103": ("\tif (pte_swp_soft_dirty(old_pte))\n\t\tpte = pte_mksoft_dirty(pte);\n", ""),
}


@pytest.mark.parametrize("code", CASES)
def test_a_removed_step_is_reported_once(code: str, tmp_path: Path) -> None:
    rule = next(rule for rule in load() if rule.code == code)
    good = (FIXTURES / f"{rule.code}-{rule.name}" / "good.c").read_text(encoding="utf-8")
    old, new = CASES[code]
    assert old in good
    tree = tmp_path / "mm"
    tree.mkdir()
    (tree / "x.c").write_text(good, encoding="utf-8")
    lines = good.splitlines(True), good.replace(old, new, 1).splitlines(True)
    diff = "".join(unified_diff(*lines, "a/mm/x.c", "b/mm/x.c"))
    words = ["patch", "-", "--tree", str(tmp_path), "--isolated", "--output", "json"]
    result = CliRunner().invoke(app, words, input=f"diff --git a/mm/x.c b/mm/x.c\n{diff}")
    found = [f["code"] for f in json.loads(result.stdout)["findings"] if f["origin"] == "new"]
    assert found == [code]


SECTION = """
static void refile(struct block_list *list, struct block *block)
{
	block->spare = kmalloc(64, GFP_KERNEL);
}

void refile_all(struct block_list *list, struct block *a, struct block *b)
{
	spin_lock(&list->lock);
	refile(list, a);
%s	spin_unlock(&list->lock);
}
"""


def findings_of(old: str, new: str, tmp_path: Path, code: str = "PTL101") -> list[tuple[str, int, list[str]]]:
    """Code, line and last steps of what a patch from one text to another brings."""
    tree = tmp_path / "mm"
    tree.mkdir()
    (tree / "x.c").write_text(old, encoding="utf-8")
    diff = "".join(unified_diff(old.splitlines(True), new.splitlines(True), "a/mm/x.c", "b/mm/x.c"))
    words = ["patch", "-", "--tree", str(tmp_path), "--isolated", "--select", code, "--output", "json"]
    result = CliRunner().invoke(app, words, input=f"diff --git a/mm/x.c b/mm/x.c\n{diff}")
    found = [f for f in json.loads(result.stdout)["findings"] if f["origin"] == "new"]
    return [(f["severity"], f["line"], [s["message"] for s in f["steps"]]) for f in found]


def test_two_calls_in_one_section_are_one_finding_with_both_places(tmp_path: Path) -> None:
    new = SECTION % "\trefile(list, b);\n"
    found = findings_of(SECTION.replace("\trefile(list, a);\n%s", ""), new, tmp_path)
    assert [(severity, line) for severity, line, _ in found] == [("error", 10)]
    assert found[0][2][-1].startswith("the same here: `refile` may sleep")


def test_a_second_call_is_new_where_the_first_was_there_before(tmp_path: Path) -> None:
    found = findings_of(SECTION % "", SECTION % "\trefile(list, b);\n", tmp_path)
    assert [(severity, line) for severity, line, _ in found] == [("error", 11)]


def test_a_sleep_that_is_certain_now_is_new_where_it_was_only_possible(tmp_path: Path) -> None:
    sure = SECTION % ""
    possible = sure.replace("\tblock->spare", "\tif (slab_is_available())\n\t\tblock->spare")
    assert [(severity, line) for severity, line, _ in findings_of(possible, sure, tmp_path)] == [("error", 10)]


def test_rules_stand_in_for_comparing_rules_only() -> None:
    rules = {rule.code: rule for rule in load()}
    for rule in rules.values():
        assert rule.code not in rule.instead_of
        assert [code for code in rule.instead_of if rules[code].compare is None] == [], rule.code


PINNED = """
int grab(unsigned long addr, unsigned long nr, struct page **pages)
{
	return %s(addr, nr, %s, pages);
}
"""


@pytest.mark.parametrize(("flags", "count"), [("FOLL_TOUCH | FOLL_WRITE", 0), ("FOLL_WRITE", 1)])
def test_a_flag_that_goes_over_to_another_entry_point_is_no_new_one(flags: str, count: int, tmp_path: Path) -> None:
    old = PINNED % ("get_user_pages_fast", flags)
    new = PINNED % ("pin_user_pages_fast", "FOLL_TOUCH | FOLL_WRITE")
    assert len(findings_of(old, new, tmp_path, "GUP104")) == count


KEPT = """
struct buffers {
	struct page **pages;
	int nr;
};

static void buffers_drop(struct buffers *buffers, int nr)
{
	while (nr--)
		%s(buffers->pages[nr]);
}

static int buffers_fill(struct buffers *buffers, unsigned long addr)
{
	int ret = %s(addr, buffers->nr, FOLL_WRITE, buffers->pages);

	if (ret < 0)
		return ret;
	if (ret != buffers->nr) {
		buffers_drop(buffers, ret);
		return -ENOMEM;
	}
	return 0;
}

void buffers_close(struct buffers *buffers)
{
	buffers_drop(buffers, buffers->nr);
}
"""
GOT = KEPT % ("put_page", "get_user_pages_fast")
TAKEN = KEPT % ("unpin_user_page", "pin_user_pages_fast")


@pytest.mark.parametrize(("old", "new"), [(GOT, TAKEN), (TAKEN, GOT)], ids=["pinned", "got"])
def test_pages_that_stay_and_are_taken_in_another_way_are_nothing_new(old: str, new: str, tmp_path: Path) -> None:
    assert findings_of(old, new, tmp_path, "GUP101") == []


def test_pages_that_stay_now_are_new(tmp_path: Path) -> None:
    old = TAKEN.replace("FOLL_WRITE", "FOLL_WRITE | FOLL_LONGTERM")
    assert [(severity, line) for severity, line, _ in findings_of(old, TAKEN, tmp_path, "GUP101")] == [("warning", 15)]


TRIED = """
int peek(struct queue *queue, unsigned long addr, struct page **page)
{
	int ret;

	spin_lock(&queue->lock);
	ret = get_user_pages_fast(addr, 1, FOLL_WRITE, page);
	if (ret < 0)
		ret = get_user_pages_fast(addr, 1, 0, page);
	spin_unlock(&queue->lock);
	return ret;
}
"""


def test_pages_that_are_tried_twice_in_one_section_are_one_finding(tmp_path: Path) -> None:
    unlocked = "".join(line for line in TRIED.splitlines(True) if "queue->lock" not in line)
    [found] = findings_of(unlocked, TRIED, tmp_path, "GUP105")
    assert found[:2] == ("error", 7)
    assert found[2][-1].startswith("the same here: `get_user_pages_fast` may fault and sleep")
