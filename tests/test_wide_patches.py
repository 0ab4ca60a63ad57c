"""Patches that no person writes: functions shuffled as a whole, hundreds of functions renamed. They end soon."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mmlint import api
from mmlint.changes.change import FunctionChange
from mmlint.finding import Report
from mmlint.inputs.tree import FolderTree
from mmlint.patches import PatchRun, check_inputs
from mmlint.settings import Settings

ATOMIC = "\tspin_lock(ptl);\n\tq = kmalloc(8, GFP_KERNEL);\n\tspin_unlock(ptl);"
PIECES: dict[str, Callable[[int], str]] = {
    "puts": lambda i: f"\tif (c{i})\n\t\tput_page(p{i});",
    "flags": lambda i: f"\tif (vma->vm_flags & VM_F{i})\n\t\tset_bit(MMF_X{i}, &mm->flags);",
    "locks": lambda i: f"\tspin_lock(&l{i});\n\tv = read{i}(p);\n\tspin_unlock(&l{i});",
    "loads": lambda i: f"\tuse(v{i});\n\tspin_lock(&l{i % 9});\n\tv{i} = load{i}(p);\n\tspin_unlock(&l{i % 9});",
    "exits": lambda i: f"\tif (bad{i}(p))\n\t\tgoto out{i % 5};",
}
SECONDS = 10


def whole(pieces: list[str]) -> str:
    labels = "\n".join(f"out{i}:\n\tput_page(p);" for i in range(5))
    body = "\n".join(pieces)
    head = "static int big(struct page *p, struct vm_area_struct *vma, spinlock_t *ptl)\n{\n\tint v, *q;\n"
    return f"{head}{body}\n{labels}\n\treturn 0;\n}}\n"


def checked(tmp_path: Path, before: str, after: str) -> tuple[Report, float]:
    """The report on the patch between two states of one file, and the seconds of CPU it took."""
    tree = tmp_path / "tree"
    (tree / "mm").mkdir(parents=True)
    (tree / "mm" / "a.c").write_text(after)
    (tmp_path / "old.c").write_text(before)
    words = ["git", "diff", "--no-index", "--no-prefix", str(tmp_path / "old.c"), str(tree / "mm" / "a.c")]
    text = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    hunks = text[text.index("@@ ") :]
    patch = tmp_path / "wide.patch"
    patch.write_text(f"diff --git a/mm/a.c b/mm/a.c\n--- a/mm/a.c\n+++ b/mm/a.c\n{hunks}")
    (tree / "mm" / "a.c").write_text(before)
    report = Report()
    rules = api.selected(Settings())
    began = time.process_time()
    tuple(check_inputs(PatchRun(rules, report), [str(patch)], FolderTree(str(tree))))
    return report, time.process_time() - began


@pytest.mark.parametrize("kind", sorted(PIECES))
def test_a_shuffled_function_ends_soon_and_its_new_state_is_checked(kind: str, tmp_path: Path) -> None:
    pieces = [PIECES[kind](i) for i in range(600)]
    before = whole(pieces)
    random.Random(1).shuffle(pieces)
    report, seconds = checked(tmp_path, before, whole([*pieces[:300], ATOMIC, *pieces[300:]]))
    assert seconds < SECONDS
    assert not report.errors
    assert any("only its new state was checked" in note and "big()" in note for note in report.notes)
    assert "PTL101" in {finding.code for finding in report.findings}


def test_hundreds_of_renamed_functions_end_soon(tmp_path: Path) -> None:
    def text(word: str) -> str:
        return "\n".join(
            f"static int {word}{i}(struct page *p)\n{{\n\tif (c{i})\n\t\tput_page(p);\n\treturn {i} * q{i};\n}}\n"
            for i in range(400)
        )

    report, seconds = checked(tmp_path, text("old_"), text("new_"))
    assert seconds < SECONDS
    assert not report.errors
    assert report.stats.functions == 400


@pytest.mark.parametrize("kind", sorted(PIECES))
def test_what_a_person_may_write_is_compared(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[FunctionChange] = []
    monkeypatch.setattr(PatchRun, "_sources", lambda run, view, found: seen.extend(view.changes))
    pieces = [PIECES[kind](i) for i in range(60)]
    before = whole(pieces)
    random.Random(1).shuffle(pieces)
    report, seconds = checked(tmp_path, before, whole(pieces))
    assert [change.name for change in seen] == ["big"]
    assert not any(change.wide for change in seen)
    assert seconds < SECONDS
    assert not report.notes
