"""A folder of a tree: audited alone, as the part of the tree that it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mmlint.cli import app
from mmlint.finding import Finding
from typer.testing import CliRunner, Result

from tests.audit.conftest import BAD, Run
from tests.audit.test_history import git

DIRECT = "void drop(struct page *page)\n{\n\tif (page_ref_dec_and_test(page))\n\t\t__put_page(page);\n}\n"
COMMON = ("-j", "1", "--isolated", "--select", "PTL101", "-o", "concise", "-q")


@pytest.fixture
def tree(tree: Path) -> Path:
    """A tree that knows that it is one, and in which mm may do what others may not."""
    (tree / "Makefile").touch()
    (tree / "mm/core.c").write_text(DIRECT, encoding="utf-8")
    return tree


def command(*words: str) -> Result:
    return CliRunner().invoke(app, ["audit", *words, *COMMON])


def findings(run: Run, root: Path) -> list[Finding]:
    return run(root=root, select=("ALL",)).report.findings


def test_a_folder_has_the_findings_that_it_has_in_its_tree(run: Run, tree: Path) -> None:
    whole = findings(run, tree)
    for part in ("mm", "fs", "drivers/gpu"):
        assert findings(run, tree / part) == [f for f in whole if f.path.startswith(f"{part}/")] != []


def test_tree_and_folder_share_what_is_kept(run: Run, tree: Path) -> None:
    assert run().analysed > 0
    assert run(root=tree / "mm").analysed == 0


def test_a_folder_named_is_read_though_an_audit_leaves_it_out(run: Run, tree: Path) -> None:
    paths = {f.path for f in run(root=tree / "tools/testing/selftests").report.findings}
    assert paths == {"tools/testing/selftests/mm/bad.c"}


def test_a_folder_against_the_same_one_of_another_tree(tree: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(tree, old)
    (old / "mm/bad.c").unlink()
    for other in (old, old / "mm"):
        told = command(str(tree / "mm"), "--against", str(other), "--html", str(tmp_path / "page.html"))
        assert (told.exit_code, told.stderr) == (1, "")
        assert {line.partition(":")[0] for line in told.stdout.splitlines() if "[PTL101]" in line} == {"mm/bad.c"}
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("linux/mm" in page, "old/mm" in page) == (True, True)
    wrong = command(str(tree / "mm"), "--against", str(old / "fs"))
    assert (wrong.exit_code, wrong.stderr.count("\n"), "fs of --against is not what" in wrong.stderr) == (2, 1, True)


def test_the_commits_of_a_folder(tree: Path) -> None:
    git(tree, "init")
    git(tree, "add", "-A")
    git(tree, "commit", "-m", "begin")
    git(tree, "tag", "first")
    (tree / "mm/core.c").write_text(BAD.replace("wake_", "rouse_"), encoding="utf-8")
    git(tree, "commit", "-am", "mm: rouse")
    for name in ("mm/bad.c", "fs/proc/bad.c"):
        (tree / name).write_text("int nothing;\n", encoding="utf-8")
    git(tree, "commit", "-am", "mm, fs: clean up")
    told = CliRunner().invoke(app, ["audit", str(tree / "mm"), "--git", "first..HEAD", *COMMON[:-3]])
    assert told.exit_code == 1
    assert "in first..HEAD: 9 findings removed, 9 brought" in told.stdout
    assert "fs/proc" not in told.stdout
