"""Patches and the trees that they belong on: a revision alone, misfits in one line a patch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import BAD, GOOD, Run
from tests.inputs.mails import make_diff, make_mail

CALLED = GOOD.replace("kmalloc(12, GFP_ATOMIC)", "helper()")
HELPER = "void *helper(void)\n{\n\treturn kmalloc(12, GFP_KERNEL);\n}\n\n"
"""Only the tree tells that this sleeps: no hunk shows its body."""


def git(tree: Path, *words: str) -> None:
    own = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *own, *words], cwd=tree, check=True, capture_output=True)


def patch_file(tree: Path) -> str:
    diff = make_diff(HELPER + GOOD, HELPER + CALLED, "mm/x.c")
    (tree / "p1").write_bytes(make_mail("[PATCH] mm: ask a helper", diff))
    return "p1"


def test_a_base_alone_is_one_of_the_repository_here(run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / ".git").rmdir()
    (tree / "mm/x.c").write_text(HELPER + GOOD, encoding="utf-8")
    git(tree, "init", "-q")
    git(tree, "add", "mm")
    git(tree, "commit", "-qm", "first")
    (tree / "mm/x.c").write_text(BAD, encoding="utf-8")
    name = str(tree / patch_file(tree))
    assert run("patch", name).exit_code == 0
    monkeypatch.chdir(tree / "mm")
    told = run("patch", name, "--base", "HEAD")
    assert (told.exit_code, told.stderr) == (1, "")
    assert "helper" in told.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("patch", "p1", "--base", "HEAD"), ".: git cannot read objects here; is it a git repository?; --tree names"),
        (("patch", "--git", "HEAD", "--base", "HEAD"), "patch: --base is for mails and diffs"),
        (("patch", "--staged", "--base", "HEAD"), "patch: --base is for mails and diffs"),
        (("audit", ".", "--scheduler", "tcp://x:1"), "audit: --scheduler is for a dask cluster; give --executor dask"),
    ],
)
def test_no_option_is_dropped(run: Run, tree: Path, words: tuple[str, ...], message: str) -> None:
    patch_file(tree)
    result = run(*words)
    assert (result.exit_code, result.stdout.count("PTL"), result.stderr.count("\n")) == (2, 0, 1)
    assert result.stderr.startswith(f"mmlint: {message}")
