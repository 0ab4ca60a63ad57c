"""A tree against another, commit by commit, and by subsystem."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mmlint.audit.history import against, tell_commits
from mmlint.audit.maintainers import Subsystems
from mmlint.audit.page import render
from mmlint.cli import app
from mmlint.finding import Origin
from mmlint.output import WRITERS, Context
from mmlint.settings import Settings
from typer.testing import CliRunner

from tests.audit.conftest import BAD, GOOD, Run

MAINTAINERS = """\
Descriptions of section entries

	F:	not/a/section

Maintainers List
----------------

DRM DRIVERS
M:	Some One <one@example.org>
F:	drivers/gpu/
X:	drivers/gpu/other/

MEMORY MANAGEMENT
F:	include/linux/mm_*.h
F:	mm/

MEMORY MANAGEMENT - SWAP
F:	mm/swap*.c

THE REST
F:	*
F:	*/
"""


@pytest.mark.parametrize(
    ("path", "subsystem"),
    [
        ("mm/memory.c", "MEMORY MANAGEMENT"),
        ("mm/damon/core.c", "MEMORY MANAGEMENT"),
        ("mm/swapfile.c", "MEMORY MANAGEMENT - SWAP"),
        ("include/linux/mm_types.h", "MEMORY MANAGEMENT"),
        ("include/linux/sub/mm_types.h", "include/linux"),
        ("drivers/gpu/drm/a.c", "DRM DRIVERS"),
        ("drivers/gpu/other/a.c", "drivers/gpu"),
        ("mmu.c", "."),
        ("not/a/section", "not/a"),
    ],
)
def test_the_subsystem_of_a_file(path: str, subsystem: str) -> None:
    assert Subsystems(MAINTAINERS).of(path) == subsystem


def test_a_tree_against_another(run: Run, tree: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(tree, old)
    (old / "mm/bad.c").write_text(GOOD)
    (old / "fs/proc/good.c").write_text(BAD)
    (old / "fs/proc/bad.c").write_text("\n\n" + BAD)
    done, past = run(), run(root=old)
    against(done.report, past.report, "old")
    at = {finding.path: finding.origin for finding in done.report.findings}
    assert at["fs/proc/bad.c"] is at["drivers/gpu/drm/bad.c"] is Origin.PRE_EXISTING
    gone, new = {f.path for f in done.report.fixed}, {path for path, origin in at.items() if origin is Origin.NEW}
    assert (gone, new) == (set(), set()), "the same text in another file has moved"
    assert done.report.notes[-1].endswith(f"0 gone, 0 new, {3 * BAD.count('want ')} the same")
    (old / "fs/proc/good.c").write_text(GOOD)
    done, past = run(), run(root=old)
    against(done.report, past.report, "old")
    assert {f.path for f in done.report.findings if f.origin is Origin.NEW} == {"mm/bad.c"}
    text = render(done.report, Context("audit"), MAINTAINERS, ("new tree", "old tree"))
    assert 'data-subsystem="MEMORY MANAGEMENT"' in text
    assert '<svg class="plot"' in text
    assert "old tree" in text


def git(repo: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(repo), *who, *words], check=True, capture_output=True)


def test_commits_that_brought_and_removed(run: Run, tree: Path) -> None:
    git(tree, "init")
    git(tree, "add", "-A")
    git(tree, "commit", "-m", "begin")
    git(tree, "tag", "first")
    (tree / "fs/proc/good.c").write_text(BAD.replace("wake_", "rouse_"))
    git(tree, "commit", "-am", "fs/proc: rouse")
    (tree / "mm/bad.c").write_text("int nothing;\n")
    git(tree, "commit", "-am", "mm: clean up")
    done = run()
    tell_commits(done.report, str(tree), "first..HEAD", Settings(jobs=1, isolated=True, select=("PTL101",)))
    brought = [f for f in done.report.findings if f.origin is Origin.NEW]
    assert {(f.path, f.notes[-1]) for f in brought} == {("fs/proc/good.c", "brought by fs/proc: rouse")}
    assert {(f.path, f.notes[-1]) for f in done.report.fixed} == {("mm/bad.c", "removed by mm: clean up")}
    assert {f.path for f in done.report.findings if f.origin is Origin.PRE_EXISTING} == {
        "drivers/gpu/drm/bad.c",
        "fs/proc/bad.c",
    }


def test_commits_that_cannot_be_read_make_no_finding_an_old_one(run: Run, tree: Path) -> None:
    done = run()
    tell_commits(done.report, str(tree), "first..HEAD", Settings(jobs=1, isolated=True, select=("PTL101",)))
    assert done.report.errors
    assert {f.origin for f in done.report.findings} == {Origin.PRESENT}
    assert "not told apart by commit" in done.report.notes[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--git", "BAD"), "--git BAD: "),
        (("--git", "first..first"), "no commits in first..first"),
        (("--git", "--all"), "is no revision"),
        (("--against", "BAD"), "--against BAD: no such folder; name a kernel tree"),
        (("--against", "."), "--against .: no C files in this tree; name a kernel tree"),
    ],
)
def test_what_to_compare_with_is_looked_at_first(
    words: tuple[str, str], says: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tree, "init")
    git(tree, "commit", "--allow-empty", "-m", "begin")
    git(tree, "tag", "first")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr("mmlint.audit.run.audit", lambda *_, **__: pytest.fail("the audit was begun"))
    result = CliRunner().invoke(app, ["audit", str(tree), "=".join(words), "--isolated"])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert says in result.stderr


def test_a_table_for_spreadsheets(run: Run) -> None:
    report = run().report
    rows = list(csv.DictReader(io.StringIO(WRITERS["csv"].render(report, Context("audit")))))
    assert [(row["path"], int(row["line"]), row["code"]) for row in rows] == [
        (f.path, f.line, f.code) for f in report.findings
    ]


def test_the_command_compares(tree: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(tree, old)
    (old / "fs/proc/bad.c").unlink()
    common = ["-j", "1", "--isolated", "--select", "PTL101"]
    page = tmp_path / "page.html"
    result = CliRunner().invoke(app, ["audit", str(tree), "--against", str(old), "--html", str(page), *common])
    assert result.exit_code == 1, result.output
    assert "linux" in page.read_text(encoding="utf-8")
    result = CliRunner().invoke(app, ["audit", str(old), "--against", str(tree), *common])
    assert result.exit_code == 0, "what was there before does not count"
    assert "fixed[PTL101]" in result.stdout
    assert re.search(r"^\d+ findings there before$", result.stdout, re.MULTILINE)
    assert "before the patch" not in result.stdout
    result = CliRunner().invoke(app, ["audit", str(old), "--against", str(tree), "--git", "a..b", *common])
    assert (result.exit_code, "give one of them" in result.stderr) == (2, True)
