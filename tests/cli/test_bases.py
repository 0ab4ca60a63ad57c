"""Patches and the trees that they belong on: a revision alone, misfits in one line a patch."""

from __future__ import annotations

import json
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


LONG = "x" * 200


def test_what_does_not_fit_is_one_line_a_patch(run: Run, tree: Path) -> None:
    both = GOOD + 9 * "\n" + GOOD.replace("grab", "take")
    changed = both.replace("GFP_ATOMIC", "GFP_NOWAIT")
    paths = ("mm/one.c", "mm/two.c", f"mm/{LONG}.c", "mm/four.c", "mm/five.c")
    for path in paths:
        (tree / path).write_text("int other;\n", encoding="utf-8")
    diff = "".join(make_diff(both, changed, path) for path in paths) + make_diff(GOOD, BAD, "mm/gone.c")
    mail = make_mail(f"[PATCH] mm: \x1b[31m{LONG}", diff)
    (tree / "list.mbox").write_bytes(b"From a@example.org Mon Jan  1 10:00:00 2024\n" + mail)
    first = (tree / "list.mbox").read_text(encoding="utf-8").splitlines()
    header = 1 + next(at for at, row in enumerate(first) if row.startswith("@@"))
    result = run("patch", "list.mbox", "--tree", ".")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"mmlint: list.mbox:{header}: mm: \\x1b[31mxxx")
    assert "x...: 10 hunks do not fit in mm/one.c, mm/two.c, ...xxx" in line
    assert line.endswith("x.c and 2 more; mm/gone.c: the file is not in the tree; name the base with --tree/--base")
    assert len(line) < 400
    assert result.exit_code == 2


def test_machine_formats_have_the_same_error(run: Run, tree: Path) -> None:
    (tree / "mm/bad.c").write_text("int other;\n", encoding="utf-8")
    (tree / "p1").write_bytes(make_mail("[PATCH] mm: change", make_diff(GOOD, BAD, "mm/bad.c")))
    words = ("patch", "p1", "--tree", ".")
    path, line, message = run(*words).stderr.removeprefix("mmlint: ").rstrip("\n").split(":", 2)
    error = {"path": path, "line": int(line), "message": message.strip()}
    assert error["message"] == "mm: change: 1 hunk does not fit in mm/bad.c; name the base with --tree/--base"
    assert json.loads(run(*words, "-o", "json").stdout)["errors"] == [error]
    assert {"error": error} in map(json.loads, run(*words, "-o", "jsonl").stdout.splitlines())
    [told, *_] = json.loads(run(*words, "-o", "sarif").stdout)["runs"][0]["invocations"][0][
        "toolExecutionNotifications"
    ]
    [place] = told["locations"]
    assert told["message"]["text"] == error["message"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "p1"
    assert place["physicalLocation"]["region"]["startLine"] == error["line"]


def test_a_diff_without_a_subject_has_none_in_its_error(run: Run, tree: Path) -> None:
    (tree / "mm/bad.c").write_text("int other;\n", encoding="utf-8")
    result = run("patch", "-", "--tree", ".", stdin=make_diff(GOOD, BAD, "mm/bad.c"))
    assert result.stderr == "mmlint: -:5: 1 hunk does not fit in mm/bad.c; name the base with --tree/--base\n"
