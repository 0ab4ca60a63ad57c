"""The patches of the fork and COW thread (2020), read by their hunks alone: what each brings in, and what is mended.

Nothing of the thread is kept here: the tests read it where it is at hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.api import check_patches
from mmlint.settings import Settings

from tests.inputs.mails import shared

THREAD = "seeds/000_5e583eaf19bbf35a.txt"
SKETCH, DRAFT = (4536, 4622), (5454, 5740)
"""The early copy of pinned pages in fork: a sketch that a reviewer sent, and the patch drafted after it."""
QUIET = {"PB": (2786, 3079), "PD": (4050, 4110)}
"""Second versions, whose changes their reviewers found no fault with that hunks can show."""
Found = set[tuple[str, str, str]]


def reported(lines: tuple[int, int], tmp_path: Path) -> Found:
    """Code, function and severity of what is new in the diff that stands between two lines of the thread."""
    text = shared(THREAD).read_text(encoding="utf-8").splitlines(keepends=True)[lines[0] - 1 : lines[1]]
    start = next(i for i, line in enumerate(text) if line.startswith("diff "))
    path = tmp_path / "thread.diff"
    path.write_text("".join(text[start:]), encoding="utf-8")
    report = check_patches([str(path)], Settings(preview=True))
    assert not report.errors
    return {(f.code, f.function, f.severity.value) for f in report.findings if f.origin == "new"}


def test_the_sketch_sleeps_under_the_lock_and_keeps_the_parents_reference(tmp_path: Path) -> None:
    assert reported(SKETCH, tmp_path) >= {
        ("PTL101", "duplicate_page", "error"),
        ("COW112", "duplicate_page", "warning"),
        ("COW109", "copy_one_pte", "error"),
    }


def test_the_draft_sleeps_under_the_lock_and_falls_through_when_the_copy_fails(tmp_path: Path) -> None:
    assert reported(DRAFT, tmp_path) >= {
        ("PTL101", "duplicate_page", "error"),
        ("COW112", "duplicate_page", "warning"),
        ("COW102", "copy_one_pte", "error"),
    }


@pytest.mark.parametrize("name", QUIET)
def test_corrections_bring_nothing(name: str, tmp_path: Path) -> None:
    assert reported(QUIET[name], tmp_path) == set()
