"""The patches of the ZONE_DEVICE reference thread (2017): what each brings in, mends and leaves alone.

Nothing of the thread is kept here: the tests read it where it is at hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.api import check_patches
from mmlint.finding import Finding, Report
from mmlint.inputs.model import Patch
from mmlint.inputs.read import read_patches
from mmlint.settings import Settings

from tests.inputs.mails import shared

THREAD = "seeds/004_8fba58e87e42f2ed.txt"
REVERT, HOOKS, WARNS = 478, 1689, 1990
MERGED = (2261, 3057, 3295, 4605)
"""Where the diffs begin: x86's own walker back, hooks in page_ref.h, a warning at release, one reference instead."""
ENDS = {
    WARNS: "\tarch_remove_memory(align_start, align_size);\n}",
    MERGED[0]: "\t\tpercpu_ref_put(pgmap->ref);\n\t}\n\tarch_remove_memory(res->start, resource_size(res));\n}",
}
"""How the release function goes on behind the lines that the hunks show: it takes the memory map away."""
SETTINGS = Settings(select=("REF", "GUP", "DEV"), preview=True, show_preexisting=True)
Found = set[tuple[str, str]]


def diff(start: int, tmp_path: Path) -> Path:
    """The diff that begins on a line of the thread, as a file."""
    lines = shared(THREAD).read_text(encoding="utf-8").splitlines(keepends=True)[start - 1 :]
    end = next(i for i, line in enumerate(lines) if "^ permalink" in line)
    path = tmp_path / f"{start}.diff"
    path.write_text("".join(lines[:end]), encoding="utf-8")
    return path


def places(findings: list[Finding]) -> Found:
    return {(f.code, f.function) for f in findings}


def new(report: Report) -> Found:
    return places([f for f in report.findings if f.origin == "new"])


def by_hunks(start: int, tmp_path: Path) -> Report:
    report = check_patches([str(diff(start, tmp_path))], SETTINGS)
    assert not report.errors
    return report


def on_a_tree(start: int, tmp_path: Path) -> Report:
    """The same on a tree in which the function that takes the memory map away is whole."""
    path = diff(start, tmp_path)
    (patch,) = read_patches(path.read_bytes(), path.name).patches
    tree = tmp_path / "tree"
    (tree / "kernel").mkdir(parents=True)
    (tree / "kernel/memremap.c").write_text(whole(patch, ENDS.get(start, ENDS[MERGED[0]])), encoding="utf-8")
    return check_patches([str(path)], SETTINGS, tree=str(tree))


def whole(patch: Patch, end: str) -> str:
    """The lines of kernel/memremap.c that the hunks show, with the release function brought to its end."""
    change = next(c for c in patch.changes if c.path == "kernel/memremap.c")
    lines = [""] * 500
    for hunk in change.hunks:
        shown = [text.decode() for tag, text in hunk.lines if tag != "+"]
        after = hunk.source_start - 1 + len(shown)
        lines[hunk.source_start - 1 : after] = shown
        if "devm_memremap_pages_release" in hunk.heading:
            lines[hunk.source_start - 2] = f"{hunk.heading}\n{{"
            lines[after] = end
        elif shown[-1].endswith("align_end;"):
            lines[after] = "}"
    return "\n".join(lines)


def test_the_walker_that_comes_back_puts_a_stale_pagemap_in_each_pass_and_reads_entries_plainly(tmp_path: Path) -> None:
    report = by_hunks(REVERT, tmp_path)
    levels = ("gup_pmd_range", "gup_pud_range", "gup_p4d_range", "__get_user_pages_fast", "get_user_pages_fast")
    assert new(report) == {("REF107", "gup_pte_range"), *(("GUP118", level) for level in levels)}


def test_hooks_inside_the_primitives_are_no_hooks_beside_them_but_have_faults_of_their_own(tmp_path: Path) -> None:
    report = by_hunks(HOOKS, tmp_path)
    assert new(report) == {
        ("REF105", "page_ref_dec"),  # R-RC6: the kind of a page is asked after its reference went
        ("REF117", "page_ref_add"),  # R-RC5: what sets the count has no hook
        ("REF118", "page_ref_add"),  # R-RC8: the pagemap's reference may be dead
        ("DEV107", "page_ref_inc"),  # R-DV7: every reference of every page pays
    }
    assert {f.path for f in report.findings} == {"include/linux/page_ref.h"}
    assert ("DEV106", "get_page") in places(report.fixed)


@pytest.mark.parametrize("start", [WARNS, *MERGED])
def test_one_reference_takes_the_hook_and_the_look_after_the_put_away(start: int, tmp_path: Path) -> None:
    report = by_hunks(start, tmp_path)
    assert not report.findings
    assert {("DEV106", "get_page"), ("REF105", "put_page"), ("DEV107", "put_page")} <= places(report.fixed)


def test_a_warning_about_users_does_not_wait_for_them(tmp_path: Path) -> None:
    found = new(on_a_tree(WARNS, tmp_path))
    assert found == {("DEV103", "devm_memremap_pages_release")}


@pytest.mark.parametrize("start", MERGED)
def test_the_merged_fix_takes_the_memory_map_away_before_anyone_waits(start: int, tmp_path: Path) -> None:
    found = new(on_a_tree(start, tmp_path))
    assert found == {("DEV102", "devm_memremap_pages_release")}
