"""What a run says about itself: progress, -v, --profile, Ctrl-C, and what stands in for a file."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mmlint import engine
from mmlint.commands import progress
from mmlint.finding import Report, Stats

from tests.cli.conftest import BAD, GOOD, Run

MAIL = """\
From: A <a@example.org>
Subject: [PATCH] mm: a change
Message-ID: <1@example.org>

Why.
---
{comment}
 mm/bad.c | 2 +-

"""


def codes(text: str) -> list[str]:
    return [finding["code"] for finding in json.loads(text)["findings"]]


# --------------------------------------------------------------------- input


def test_stdin_stands_for_a_file_of_the_tree(run: Run, tree: Path) -> None:
    text = BAD.replace("kmalloc", "helper")
    (tree / "drivers").mkdir()
    (tree / "drivers/bad.c").write_text(text, encoding="utf-8")
    (tree / "drivers/own.h").write_text("void *helper(int n, gfp_t gfp)\n{\n\tmight_sleep();\n}\n", encoding="utf-8")
    alone = run("check", "-", "-o", "json", stdin=text)
    assert codes(alone.stdout) == []
    result = run("check", "-", "--stdin-filename", "drivers/bad.c", "-o", "json", stdin="\n" + text)
    [finding] = json.loads(result.stdout)["findings"]
    assert (finding["path"], finding["line"]) == ("drivers/bad.c", 10)


def test_stdin_beside_files_and_no_temporary_file(run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spare = tree.parent / "tmp"
    spare.mkdir()
    monkeypatch.setenv("TMPDIR", str(spare))
    result = run("check", "-", "mm/bad.c", "-o", "json", stdin=BAD)
    assert [finding["path"] for finding in json.loads(result.stdout)["findings"]] == ["mm/bad.c", "stdin.c"]
    assert list(spare.iterdir()) == []


@pytest.mark.parametrize("name", ["fix.patch", "fix.mbox", "fix"])
def test_a_patch_among_the_files_is_named(run: Run, tree: Path, name: str) -> None:
    (tree / name).write_text(
        MAIL.format(comment="") + "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+b\n",
        encoding="utf-8",
    )
    result = run("check", name, "mm/bad.c")
    assert result.exit_code == 2
    assert "error[PTL101]" in result.stdout
    remedy = f"check what it brings in with `mmlint patch {name} --tree DIR`"
    assert result.stderr == f"mmlint: {name}: is a patch, not C source; {remedy}\n"


def test_own_tables_add_up_and_the_later_file_wins(run: Run, tree: Path) -> None:
    sleeps = '[[sleep]]\nnames = ["{name}"]\nsource = "ours"\n'
    for name in ("first", "second"):
        (tree / f"{name}.toml").write_text(sleeps.format(name=f"{name}_wait"), encoding="utf-8")
        (tree / f"mm/{name}.c").write_text(
            BAD.replace("p = kmalloc(12, GFP_KERNEL)", f"p = {name}_wait()"), encoding="utf-8"
        )
    files = ("mm/first.c", "mm/second.c")
    assert run("check", *files).exit_code == 0
    both = ("--tables", "first.toml", "--tables", "second.toml", "-o", "json")
    assert [f["path"] for f in json.loads(run("check", *files, *both).stdout)["findings"]] == list(files)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "own.toml: cannot read the table: No such file"), ("[[slep]]", "own.toml:1: unknown section 'slep'")],
)
def test_a_wrong_table_is_one_line(run: Run, tree: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tree / "own.toml").write_text(text, encoding="utf-8")
    for command in (("check", "mm/bad.c"), ("patch", "--git", "HEAD")):
        result = run(*command, "--tables", "own.toml")
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert message in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "mm/good.c", "--root", "none"), "none: no such folder; --root names the kernel tree"),
        (("facts", "mm/good.c", "--root", "none"), "none: no such folder; --root names the kernel tree"),
        (("patch", "-", "--tree", "none"), "none: no such folder; --tree names a kernel tree or a git repository"),
        (("patch", "-", "--tree", "mm", "--base", "v9"), "mm: "),
        (("patch", "--git", "v8..v9", "--tree", "mm"), "mm: git rev-list failed: "),
        (("patch", "--staged", "--tree", "mm"), "mm: git rev-parse failed: "),
        (("baseline", "update", "mm"), "mmlint-baseline.json: cannot read the baseline: "),
    ],
)
def test_a_wrong_place_is_one_line_with_the_remedy(run: Run, tree: Path, words: tuple[str, ...], message: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith(f"mmlint: {message}")
    assert re.search(r"; (--root|--tree|`mmlint baseline write --file .*`) (names|makes) ", result.stderr)


def test_require_input(run: Run, tree: Path) -> None:
    cover = "From: A <a@example.org>\nSubject: [PATCH 0/2] mm: words only\n\nWhy.\n"
    assert run("patch", "-", stdin=cover).exit_code == 0
    assert run("patch", "-", "--require-input", stdin=cover).exit_code == 3
    assert run("check", "mm/good.c", "--require-input").exit_code == 0


@pytest.mark.parametrize("words", [("check", "mm/new.h"), ("patch", "none.patch"), ("patch", "-")])
def test_what_is_empty_is_nothing_to_check(run: Run, tree: Path, words: tuple[str, str]) -> None:
    (tree / "mm/new.h").touch()
    (tree / "none.patch").touch()
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"note: {words[1]}: is empty; nothing to check" in result.stdout
    assert run(*words, "--require-input").exit_code == 3
    assert run("check", "mm/new.h", "mm/bad.c").exit_code == 1
    assert run("check", "-", "--require-input").exit_code == 3


def test_json_v1_is_json(run: Run) -> None:
    pattern = re.compile(r'"seconds": [\d.]+')
    texts = [pattern.sub("", run("check", "mm", "-o", name).stdout) for name in ("json", "json-v1")]
    assert texts[0] == texts[1]
    assert '"schema_version": 1' in texts[0]


# --------------------------------------------------------------------- mails


def patch_mail(comment: str) -> str:
    before, after = GOOD.splitlines(), BAD.splitlines()
    rows = [f"-{a}\n+{b}" if a != b else f" {a}" for a, b in zip(before, after, strict=True)]
    head = f"diff --git a/mm/bad.c b/mm/bad.c\n--- a/mm/bad.c\n+++ b/mm/bad.c\n@@ -1,{len(rows)} +1,{len(rows)} @@\n"
    return MAIL.format(comment=comment) + head + "\n".join(rows) + "\n"


def test_a_line_below_the_dashes_silences_with_its_reason(run: Run, tree: Path) -> None:
    (tree / "mm/bad.c").write_text(GOOD, encoding="utf-8")
    words = ("patch", "-", "--tree", ".")
    assert run(*words, stdin=patch_mail("")).exit_code == 1
    ignored = patch_mail("mmlint: ignore[PTL101] boot time, one CPU")
    assert run(*words, stdin=ignored).exit_code == 0
    assert "ignored: boot time, one CPU (mail, mm: a change)" in run(*words, "--show-ignored", stdin=ignored).stdout
    assert run(*words, "--no-ignores", stdin=ignored).exit_code == 1
    above = patch_mail("").replace("Why.", "mmlint: ignore[PTL101] boot time")
    assert run(*words, stdin=above).exit_code == 1
    unreasoned = run(*words, "--select", "PTL101,POL", stdin=patch_mail("mmlint: ignore[PTL101]"))
    assert "POL103" in unreasoned.stdout


def test_a_useless_line_in_a_mail_is_said_where_all_of_the_patch_was_seen(run: Run, tree: Path) -> None:
    mail = patch_mail("mmlint: ignore[REF101] nothing of the kind")
    words = ("patch", "-", "--select", "REF101,POL", "-o", "concise", "-q")
    assert "POL101" not in run(*words, stdin=mail).stdout
    (tree / "mm/bad.c").write_text(GOOD, encoding="utf-8")
    assert "warning[POL101] ignore of REF101 silences nothing here" in run(*words, "--tree", ".", stdin=mail).stdout


def test_a_patch_that_does_not_apply_is_not_said_to_have_no_tree(run: Run, tree: Path) -> None:
    (tree / "mm/bad.c").write_text("int other;\n", encoding="utf-8")
    result = run("patch", "-", "--tree", ".", stdin=patch_mail(""))
    assert "no tree" not in result.stdout
    assert (
        "does not apply to the tree in mm/bad.c, so only the lines that its hunks show were analysed" in result.stdout
    )
    assert "no tree (--tree names one), so only" in run("patch", "-", stdin=patch_mail("")).stdout


def test_a_note_on_a_diff_without_a_subject_does_not_name_one(run: Run) -> None:
    bare = patch_mail("").partition("diff --git")
    assert "\nnote: no tree" in "\n" + run("patch", "-", stdin="".join(bare[1:])).stdout


def test_nothing_is_called_clean_when_nothing_could_be_read(run: Run, tree: Path) -> None:
    assert run("check", "missing.c").stdout == "nothing was checked\n"
    assert "no findings in 1 function of 1 file" in run("check", "missing.c", "mm/good.c").stdout
    with (tree / "mm/large.c").open("wb") as file:
        file.truncate((8 << 20) + 1)
    assert run("check", "mm/large.c").stderr == "mmlint: mm/large.c: is larger than 8 MiB: left out\n"
    os.mkfifo(tree / "mm/pipe.c")
    assert run("check", "mm/pipe.c").stderr == "mmlint: mm/pipe.c: is neither a file nor a folder; check the path\n"


# ------------------------------------------------------------------- telling


def test_verbose_says_what_is_read_and_what_runs(run: Run, tree: Path) -> None:
    (tree / "mmlint.toml").write_text("fail-on = 'warning'", encoding="utf-8")
    rows = run("check", "mm/good.c", "-v").stderr.splitlines()
    assert rows[0] == f"mmlint: configuration: {tree / 'mmlint.toml'}"
    assert re.fullmatch(r"mmlint: 1 of \d+ rules run", rows[1])
    assert rows[2] == "mmlint: mm/good.c: checked"
    assert re.fullmatch(r"mmlint: 1 function of 1 file in [\d.]+ s", rows[3])


def test_profile_shows_stages_and_rules_and_changes_nothing(run: Run) -> None:
    plain = run("check", "mm", "-o", "concise")
    measured = run("check", "mm", "-o", "concise", "--profile")
    assert (measured.stdout, measured.exit_code) == (plain.stdout, plain.exit_code)
    for stage in ("parsing", "facts", "rules"):
        assert re.search(rf"^ +[\d.]+ s +\d+%  {stage}$", measured.stderr, re.M), stage
    assert re.search(r"^ +[\d.]+ s +\d+%  PTL101  sleep-under-ptl, 1 hit$", measured.stderr, re.M)
    assert "in all" not in run("check", "mm").stderr


def test_an_audit_cannot_be_profiled(run: Run) -> None:
    result = run("audit", ".", "--profile")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_progress_counts_functions_and_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr("mmlint.commands.progress.time.monotonic", lambda: float(next(now)))
    out = io.StringIO()
    bar = progress.Progress(out)
    report = Report(stats=Stats(functions=7))
    bar.start(4, "files", report)
    bar.advance()
    assert out.getvalue() == "\r\x1b[K1/4 files, 7 functions, 0 findings, 30 s left"
    bar.done()
    assert out.getvalue().endswith("\r\x1b[K")


# -------------------------------------------------------------------- Ctrl-C


def test_ctrl_c_keeps_what_was_found(run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = engine.check_file

    def stops(program: Any, path: str, *rest: Any) -> Any:
        if path.endswith("good.c"):
            raise KeyboardInterrupt
        return plain(program, path, *rest)

    monkeypatch.setattr("mmlint.api.check_file", stops)
    result = run("check", "mm")
    assert result.exit_code == 130
    assert "error[PTL101]" in result.stdout
    assert result.stderr == "mmlint: interrupted; this is what was found until then\n"
    document = json.loads(run("check", "mm", "-o", "json").stdout)
    assert (document["interrupted"], len(document["findings"])) == (True, 1)


@pytest.mark.parametrize("command", ["check", "audit"])
def test_ctrl_c_before_anything_was_found(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def stops(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmlint.policy.apply.check_selectors", stops)
    result = run(command, ".")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "mmlint: interrupted\n")


@pytest.fixture
def long_run(tree: Path) -> Iterator[subprocess.Popen[str]]:
    """A check with two workers that takes a while, in a process group of its own."""
    many = "".join(BAD.replace("grab", f"grab{n}") for n in range(2000))
    for number in range(12):
        (tree / f"mm/many{number}.c").write_text(many, encoding="utf-8")
    run = subprocess.Popen(
        [sys.executable, "-m", "mmlint", "check", "mm", "-v", "-j", "2", "-o", "concise"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tree,
        start_new_session=True,
    )
    assert run.stderr is not None
    assert "rules run" in run.stderr.readline() + run.stderr.readline()
    yield run
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to the parent", "from a terminal"])
def test_ctrl_c_ends_the_workers_at_once(long_run: subprocess.Popen[str], send: Callable[[int, int], None]) -> None:
    send(long_run.pid, signal.SIGINT)
    _, stderr = long_run.communicate(timeout=60)
    # Where the signal comes inside an exec() of a string (dataclasses are made so), CPython notes it as unhandled, and
    # ends by the signal although it was handled: a shell shows 130 for both.
    assert long_run.returncode in (130, -signal.SIGINT), stderr
    assert "Traceback" not in stderr
    assert "mmlint: interrupted" in stderr


def alive(pid: str) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workers_end_with_a_parent_that_is_killed(long_run: subprocess.Popen[str]) -> None:
    children = Path(f"/proc/{long_run.pid}/task/{long_run.pid}/children")
    if not children.exists():
        pytest.skip("no /proc with the children of a process")
    deadline = time.monotonic() + 60
    while not (pids := children.read_text(encoding="ascii").split()) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert pids
    long_run.kill()
    long_run.wait()
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, pids))


def dies(root: str, names: list[str], settings: Any, tally: bool) -> list[Report]:
    """What stands in for the work of a process that the kernel kills."""
    os._exit(1)


def test_a_worker_that_dies_is_one_line(run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        (tree / f"mm/many{number}.c").write_text(GOOD, encoding="utf-8")
    monkeypatch.setattr("mmlint.api._check_in_worker", dies)
    result = run("check", "mm", "-j", "2")
    assert result.exit_code == 2
    assert result.stderr.endswith(": a worker process died (out of memory?); try again with --jobs 1\n")
    assert result.stderr.count("\n") == 1


def test_columns_are_characters_and_the_marks_stand_below_them(run: Run, tree: Path) -> None:
    (tree / "mm/bad.c").write_text(BAD.replace("p = kmalloc", "/* ü€ */ p = kmalloc"), encoding="utf-8")
    [finding] = json.loads(run("check", "mm/bad.c", "-o", "json").stdout)["findings"]
    assert finding["column"] == 2 + len("/* ü€ */ p = ")
    rows = run("check", "mm/bad.c").stdout.splitlines()
    [at] = [number for number, row in enumerate(rows) if "^" in row]
    start = rows[at].index("^")
    assert rows[at - 1][start : start + rows[at].count("^")] == "kmalloc(12, GFP_KERNEL)"
