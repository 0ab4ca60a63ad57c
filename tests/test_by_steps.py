"""A comparison by steps is told at info in a patch that changes a lot or reverts another; what code shows is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.changes.change import FileText, PatchView, pair_functions
from mmlint.engine import check_patch
from mmlint.facts.program import Program
from mmlint.finding import Severity
from mmlint.inputs.tree import EmptyTree, OverlayTree
from mmlint.patches import changed_lines
from mmlint.rule import load

BEFORE = """
int drop_it(struct folio *folio)
{
	if (!folio_isolate_lru(folio)) {
		folio_unlock(folio);
		folio_put(folio);
		return -EBUSY;
	}
	return 0;
}
"""
MORE = "".join(f"#define DEMO_{i} {i}\n" for i in range(60))
CODES = ("PAT110", "PAT115")


def severities(
    before: str,
    after: str,
    body: str = "",
    codes: tuple[str, ...] = CODES,
    elsewhere: int = 0,
    path: str = "mm/demo.c",
) -> list[Severity]:
    old = Program(OverlayTree(EmptyTree(), {path: before.encode()}))
    new = Program(OverlayTree(EmptyTree(), {path: after.encode()}), old, frozenset((path,)))
    added, removed = changed_lines(before.encode(), after.encode())
    file = FileText(path, path, path, before.encode(), after.encode(), added, removed)
    view = PatchView("demo", body, old, new, (file,), elsewhere=elsewhere)
    view.changes.extend(pair_functions(file, view))
    return [f.severity for f in check_patch(view, [rule for rule in load() if rule.code in codes])[0]]


@pytest.mark.parametrize(("lines", "severity"), [(20, Severity.WARNING), (45, Severity.INFO)])
def test_a_lost_step_counts_less_in_a_large_patch(lines: int, severity: Severity) -> None:
    more = "".join(MORE.splitlines(True)[:lines])
    found = severities(BEFORE, more + BEFORE.replace("\t\tfolio_put(folio);\n", ""))
    assert found
    assert set(found) == {severity}


def test_comments_do_not_make_a_patch_large() -> None:
    note = "".join(f" * Why this is so, part {i}.\n" for i in range(45))
    found = severities(BEFORE, f"/*\n{note} */\n\n" + BEFORE.replace("\t\tfolio_put(folio);\n", ""))
    assert set(found) == {Severity.WARNING}


def test_a_lost_step_counts_less_in_a_revert() -> None:
    body = "This reverts commit 0123456789ab.\n\nIt put the folio twice.\n"
    assert set(severities(BEFORE, BEFORE.replace("\t\tfolio_put(folio);\n", ""), body)) == {Severity.INFO}


def test_a_fix_that_only_takes_away_means_what_it_takes() -> None:
    fix = 'The folio is put twice.\n\nFixes: 0123456789ab ("demo: put it")\n'
    less = BEFORE.replace("\t\tfolio_put(folio);\n", "")
    assert set(severities(BEFORE, less, fix)) == {Severity.INFO}
    assert set(severities(BEFORE, less + "int drops;\n", fix)) == {Severity.WARNING}


@pytest.mark.parametrize(
    ("body", "severity"), [("Spare the pages a second count.", "warning"), ("Drop publish_mm_pages().", "info")]
)
def test_a_lost_effect_counts_less_where_the_changelog_names_it(body: str, severity: str) -> None:
    before = """
int count_it(struct mm_struct *mm, struct folio *folio)
{
	folio_mark_accessed(folio);
	publish_mm_pages(mm);
	return note_folio(mm, folio);
}
"""
    found = severities(before, before.replace("\tpublish_mm_pages(mm);\n", ""), body, ("PAT132",))
    assert [each.value for each in found] == [severity]


def test_only_rules_that_compare_go_by_steps() -> None:
    assert [rule.code for rule in load() if rule.by_steps and rule.compare is None] == []


def test_the_page_of_such_a_rule_says_so() -> None:
    pages = Path(__file__).parent.parent / "docs" / "rules"
    told = {rule.code: "changes a lot" in (pages / f"{rule.name}.md").read_text("utf-8") for rule in load()}
    assert told == {rule.code: rule.by_steps for rule in load()}


EXIT = """
int scan_it(struct scan *scan)
{
	if (scan->seen)
		return -EPERM;
	if (scan->flags & SCAN_PROTECT)
		return 1;
	return scan_range(scan);
}

void protect_it(struct scan *scan)
{
	scan->flags |= SCAN_PROTECT;
}
"""


@pytest.mark.parametrize(("elsewhere", "found"), [(0, [Severity.WARNING]), (3, [])])
def test_an_exit_that_is_gone_counts_where_all_of_the_patch_is_seen(elsewhere: int, found: list[Severity]) -> None:
    less = EXIT.replace("\tif (scan->flags & SCAN_PROTECT)\n\t\treturn 1;\n", "")
    assert severities(EXIT, less, codes=("PAT133",), elsewhere=elsewhere) == found


@pytest.mark.parametrize(("elsewhere", "told"), [(0, [Severity.WARNING]), (1, [])])
def test_half_of_a_pair_of_files_that_does_not_fit_is_not_missed(elsewhere: int, told: list[Severity]) -> None:
    before = "enum vm_event_item { PGPGIN,\n\tPGPGOUT,\n\tNR_VM_EVENT_ITEMS\n};\n"
    after = before.replace("PGPGOUT,", "PGPGOUT,\n\tPGDEMO,")
    path = "include/linux/vm_event_item.h"
    assert severities(before, after, codes=("PAT104",), elsewhere=elsewhere, path=path) == told
