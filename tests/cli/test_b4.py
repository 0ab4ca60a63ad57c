"""b4 itself with the check commands of docs/tour.md, and the workflow file's command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.transcript import ROOT, setting

TOUR = (ROOT / "docs/tour.md").read_text(encoding="utf-8")
FOUND = (
    "mmlint: mm/fill.c:13: ERROR:PTL101: `vma_alloc_folio` may sleep inside the page-table lock"
    " (from `pte_offset_map_lock`, line 10)"
)


@pytest.fixture
def linux(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The tour's repository, with the tour's b4 settings, and the environment to use there."""
    environment = setting(tmp_path)
    if (b4 := shutil.which("b4")) is not None:
        environment["PATH"] += os.pathsep + str(Path(b4).parent)
    commands = re.findall(r"^  (\w+-perpatch-check-cmd) = (.+)$", TOUR, re.M)
    assert [name.partition("-")[0] for name, _ in commands] == ["prep", "am", "review"]
    settings = [("user.name", "Ann"), ("user.email", "ann@example.org"), *((f"b4.{name}", v) for name, v in commands)]
    for name, value in settings:
        subprocess.run(["git", "config", name, value], cwd=tmp_path / "linux", env=environment, check=True)
    return tmp_path / "linux", environment


def run(where: tuple[Path, dict[str, str]], *words: str) -> str:
    done = subprocess.run(
        words, cwd=where[0], env=where[1], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    return re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)


@pytest.mark.skipif(shutil.which("b4") is None, reason="b4 is not installed")
def test_b4_am_shows_what_a_mailed_patch_brings_in(linux: tuple[Path, dict[str, str]]) -> None:
    b4 = ("b4", "--offline-mode", "-n", "am", "--check", "-o", "-")
    shown = run(linux, *b4, "-m", "../v1.patch", "fill-v1@example.org")
    assert f"  [PATCH v1] mm: fill with a folio of its own\n    ● {FOUND}\n" in shown
    assert "● mmlint: passed all checks" in run(linux, *b4, "-m", "../v2.patch", "fill-v2@example.org")


@pytest.mark.skipif(shutil.which("b4") is None, reason="b4 is not installed")
def test_b4_prep_checks_commits_that_the_tree_has_already(linux: tuple[Path, dict[str, str]]) -> None:
    run(linux, "b4", "--offline-mode", "-n", "prep", "-n", "topic", "-f", "master")
    run(linux, "git", "am", "-q", "../v1.patch")
    shown = run(linux, "b4", "--offline-mode", "-n", "prep", "--check")
    assert re.search(r"^● [0-9a-f]{12}: mm: fill with a folio of its own$", shown, re.M)
    assert f"\n  ● {FOUND}\n" in shown
    assert f"  ● {FOUND}\n" in TOUR


def test_the_workflow_runs_the_command_that_the_tour_shows() -> None:
    [command] = re.findall(r"^ +- run: (mmlint .+)$", TOUR, re.M)
    assert f"\n$ {command.replace('${{ github.base_ref }}', 'master')}\n::error " in TOUR
    assert re.search(r"^ +sarif_file: (.+)$", TOUR, re.M)[1] == re.search(r"sarif:(\S+)", command)[1]  # type: ignore[index]
