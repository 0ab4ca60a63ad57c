"""The shipped patch mails on the mini tree: what each brings in or mends, with its proof; input that is no patch."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mmlint import api
from mmlint.changes.change import FunctionChange
from mmlint.cli import app
from mmlint.finding import Hit
from mmlint.inputs.apply import place
from mmlint.inputs.read import read_patches
from mmlint.inputs.tree import FolderTree
from mmlint.rule import load
from typer.testing import CliRunner, Result

from tests.inputs.mails import make_diff, make_mail

FIXTURES = Path(__file__).parent.parent / "fixtures"
MINI = FIXTURES / "trees/mini"
PATCHES = FIXTURES / "patches"
HEART = ("ref101", "cow101", "gup101", "ptl101")
LEVEL = ("--isolated", "--fail-on", "warning")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], prog_name="mmlint")


def report(*words: str) -> tuple[int, dict[str, Any]]:
    result = run(*words, *LEVEL, "--output", "json")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, json.loads(result.stdout)


def check_mail(name: str, tree: Path = MINI) -> tuple[int, dict[str, Any]]:
    return report("patch", str(PATCHES / f"{name}.mbox"), "--tree", str(tree))


def counted(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (finding for finding in found["findings"] if finding["severity"] != "info")


def apply_mail(name: str, target: Path) -> Path:
    """The mini tree with a mail's patches applied, as a folder of its own."""
    shutil.copytree(MINI, target)
    for patch in read_patches((PATCHES / f"{name}.mbox").read_bytes(), name).patches:
        placed = place(patch, FolderTree(target))
        assert not placed.errors
        for change in patch.changes:
            text = placed.after.read(change.path)
            assert text is not None
            (target / change.path).write_bytes(text)
    return target


def test_the_mini_tree_is_clean() -> None:
    code, found = report("check", str(MINI))
    assert found["stats"]["functions"] >= 35
    assert found["stats"]["functions_unread"] == 0
    assert (code, list(counted(found))) == (0, [])


@pytest.mark.parametrize("name", HEART)
def test_a_bug_mail_brings_exactly_its_bug(name: str) -> None:
    code, found = check_mail(f"bug-{name}")
    assert [finding["code"] for finding in counted(found)] == [name.upper()]
    [finding] = counted(found)
    added = (PATCHES / f"bug-{name}.mbox").read_text(encoding="utf-8")
    assert (code, finding["origin"], found["errors"]) == (1, "new", [])
    assert finding["patch"]["message_id"] == f"bug-{name}@mini.example"
    assert f"b/{finding['path']}" in added


@pytest.mark.parametrize("name", HEART)
def test_the_witness_of_a_bug_replays(name: str) -> None:
    [finding] = counted(check_mail(f"bug-{name}")[1])
    simulation = finding["simulation"]
    program, *words = simulation["command"].split()
    assert (program, words) == ("mmlint", ["sim", simulation["scenario"], "--schedule", simulation["schedule"]])
    shown = run(*words)
    assert shown.exit_code == 0
    assert "\nBROKEN  " in shown.stdout
    assert shown.stdout.rstrip().endswith(f"schedule: {simulation['schedule']}")
    assert "nothing is broken" in run("sim", simulation["scenario"], "--variant", "good").stdout


@pytest.mark.parametrize("name", HEART)
def test_the_line_of_a_bug_is_one_the_mail_adds(name: str, tmp_path: Path) -> None:
    [finding] = counted(check_mail(f"bug-{name}")[1])
    text = (apply_mail(f"bug-{name}", tmp_path / "tree") / finding["path"]).read_text(encoding="utf-8")
    line = text.splitlines()[finding["line"] - 1]
    assert f"\n+{line}\n" in (PATCHES / f"bug-{name}.mbox").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", HEART)
def test_a_fix_mail_mends_it_and_brings_nothing(name: str, tmp_path: Path) -> None:
    tree = apply_mail(f"bug-{name}", tmp_path / "tree")
    assert [f["code"] for f in counted(report("check", str(tree))[1])] == [name.upper()]
    code, found = check_mail(f"fix-{name}", tree)
    assert (code, found["findings"], found["errors"]) == (0, [], [])
    assert [f["code"] for f in found["fixed"]] == [name.upper()]


def test_a_sleeping_call_in_a_helper_is_found_at_its_callers_lock() -> None:
    code, found = check_mail("bug-helper-sleeps")
    [finding] = counted(found)
    assert (code, finding["code"], finding["path"], finding["function"]) == (
        1,
        "PTL101",
        "mm/memory.c",
        "copy_pte_range",
    )
    assert {step["path"] for step in finding["steps"]} == {"mm/memory.c", "mm/rss.c"}


def test_a_sleep_that_depends_on_an_argument_is_only_info() -> None:
    code, found = check_mail("bug-helper-may-sleep")
    assert [(f["code"], f["severity"]) for f in found["findings"]] == [("PTL101", "info")]
    assert code == 0


def test_a_deleted_guard_is_found_at_what_it_guarded() -> None:
    code, found = check_mail("bug-guard-deleted")
    assert code == 1
    assert ("COW101", "copy_present_ptes") in {(f["code"], f["function"]) for f in counted(found)}


def test_a_finding_of_a_series_belongs_to_the_patch_that_brings_it() -> None:
    code, found = check_mail("series")
    [finding] = counted(found)
    assert (code, finding["code"], finding["function"]) == (1, "PTL101", "follow_page_pte")
    assert (finding["patch"]["index"], finding["patch"]["total"]) == (2, 2)
    assert finding["patch"]["message_id"] == "series-2@mini.example"


def split_mails(name: str, folder: Path) -> list[str]:
    """The mails of a shipped series as files of their own, as format-patch writes them."""
    mails = (PATCHES / f"{name}.mbox").read_bytes().split(b"\nFrom ")
    files = [folder / f"{number:04}.patch" for number, _ in enumerate(mails)]
    for number, (file, mail) in enumerate(zip(files, mails, strict=True)):
        file.write_bytes(mail if number == 0 else b"From " + mail)
    return [str(file) for file in files]


def test_members_in_files_of_their_own_are_one_series(tmp_path: Path) -> None:
    files = split_mails("series", tmp_path)
    _, whole = check_mail("series")
    _, found = report("patch", *reversed(files), "--tree", str(MINI))
    assert len(files) > 1
    assert found["findings"] == whole["findings"]
    assert not any("missing" in note for note in found["notes"])


def undone(mail: str) -> str:
    """A mail whose hunks are taken back, as the second patch of two."""
    head, diff = mail.split("\ndiff --git ", 1)
    head = head.replace("Message-ID: <", "Message-ID: <undo-")
    swap = {"+": "-", "-": "+"}
    rows = [
        row if row.startswith(("+++", "---")) else swap.get(row[:1], row[:1]) + row[1:]
        for row in diff.split("\n-- \n")[0].split("\n")
    ]
    rows = [re.sub(r"^@@ -(\S+) \+(\S+) @@", r"@@ -\2 +\1 @@", row) for row in rows]
    return head + "\ndiff --git " + "\n".join(rows) + "\n-- \n2.43.0\n\n"


def exchanged(text: str, old: str, new: str, name: str) -> tuple[str, str]:
    """The text with one call exchanged, and a mail that does so."""
    after = text.replace(old, new, 1)
    assert after != text
    return after, make_mail(
        f"[PATCH] mm: {name}", make_diff(text, after, "mm/memory.c"), f"{name}@mini.example"
    ).decode()


def flush_dropped() -> tuple[str, str]:
    """A state without the TLB flush of a copied page, and the mail that drops it: only a comparison sees that."""
    old = (MINI / "mm/memory.c").read_text()
    return exchanged(old, "ptep_clear_flush(vma, addr, vmf->pte)", "ptep_get_and_clear(mm, addr, vmf->pte)", "drop")


def two(first: str, second: str) -> str:
    """A series of two mails."""
    mails = [mail.replace("[PATCH]", f"[PATCH {at}/2]") for at, mail in enumerate((first, second), 1)]
    return "".join(f"From x Thu Jan  1 00:00:00 1970\nReferences: <cover@mini.example>\n{one}" for one in mails)


@pytest.mark.parametrize("code", ["PTL101", "PAT114"])
def test_what_a_later_patch_of_the_series_restores_is_told_at_info(code: str, tmp_path: Path) -> None:
    """Of findings on a state and of comparisons alike."""
    mail = flush_dropped()[1] if code == "PAT114" else (PATCHES / "bug-ptl101.mbox").read_text().partition("\n")[2]
    (tmp_path / "two.mbox").write_text(two(mail, undone(mail)))
    status, found = report("patch", str(tmp_path / "two.mbox"), "--tree", str(MINI))
    assert (status, {finding["code"] for finding in found["findings"]}) == (0, {code})
    for finding in found["findings"]:
        assert (finding["severity"], finding["patch"]["index"]) == ("info", 1)
        assert "patch 2/2 of the series takes it away again" in finding["notes"]


def test_a_rule_that_fails_on_the_later_state_does_not_lower_its_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = next(rule for rule in load() if rule.code == "PAT114")
    state, drop = flush_dropped()
    later = exchanged(state, "folio_add_lru_vma(new_folio, vma)", "folio_add_lru(new_folio)", "list")[1]

    def compare(change: FunctionChange) -> Iterator[Hit]:
        """Raises where the first state is compared with the last."""
        flushed = change.before is not None and "ptep_clear_flush" in change.before.calls
        if flushed and change.after is not None and "folio_add_lru_vma" not in change.after.calls:
            raise ValueError
        assert known.compare is not None
        yield from known.compare(change)

    monkeypatch.setattr(api, "selected", lambda _: [replace(known, compare=compare)])
    (tmp_path / "two.mbox").write_text(two(drop, later))
    status, found = report("patch", str(tmp_path / "two.mbox"), "--tree", str(MINI))
    assert (status, found["errors"]) == (1, [])
    assert [(finding["code"], finding["severity"]) for finding in found["findings"]] == [("PAT114", "warning")]


@pytest.mark.parametrize("mail", sorted(PATCHES.glob("*.mbox")), ids=lambda mail: mail.stem)
def test_git_takes_the_mails_as_well(mail: Path, tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    tree = tmp_path / "tree"
    if mail.stem.startswith("fix-"):
        apply_mail(mail.stem.replace("fix-", "bug-"), tree)
    else:
        shutil.copytree(MINI, tree)
    done = subprocess.run(["git", "apply", "--check", str(mail)], cwd=tree, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# ----------------------------------------------------------------- bad input

MAIL = (PATCHES / "bug-ptl101.mbox").read_bytes()
REPLY = b"From: A <a@mini.example>\nSubject: Re: [PATCH] log\nMessage-ID: <r@mini.example>\n\nApplied, thanks.\n"
BAD_PATCHES = {
    "binary": (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8, "no patch in it"),
    "truncated": (b"\n".join(MAIL.split(b"\n")[:38]) + b"\n", "patch is cut off"),
    "elsewhere": (MAIL.replace(b"\n \tunsigned long addr", b"\n \tunsigned int addr"), "1 hunk does not fit in"),
}


def one_clear_line(result: Result, words: str) -> None:
    assert isinstance(result.exception, SystemExit)
    [line] = result.stderr.splitlines()
    assert line.startswith("mmlint: ")
    assert words in line
    assert "Traceback" not in result.output
    assert result.exit_code == 2


@pytest.mark.parametrize("kind", BAD_PATCHES)
def test_what_is_no_patch_is_said_in_one_line(kind: str, tmp_path: Path) -> None:
    data, words = BAD_PATCHES[kind]
    file = tmp_path / f"{kind}.mbox"
    file.write_bytes(data)
    one_clear_line(run("patch", str(file), "--tree", str(MINI), *LEVEL), words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("patch", "missing.mbox"), "missing.mbox: cannot be read: No such file or directory"),
        (("patch", str(PATCHES / "series.mbox"), "--tree", "missing"), "missing: no such folder"),
        (("check", "missing.c"), "missing.c: no such file or folder"),
        (("check", "docs"), "docs: no C files in this folder"),
        (("check", "binary.c"), "binary.c: is a binary file"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/notes.txt").write_text("no C here", encoding="utf-8")
    (tmp_path / "binary.c").write_bytes(b"\x7fELF\0\0\1")
    monkeypatch.chdir(tmp_path)
    one_clear_line(run(*words, *LEVEL), message)


def test_a_mail_without_a_patch_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "reply.mbox"
    file.write_bytes(REPLY)
    result = run("patch", str(file), "--tree", str(MINI), *LEVEL)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "note: reply skipped: Re: [PATCH] log" in result.stdout


# ---------------------------------------------------------------------- demo


@pytest.mark.slow
def test_the_demo_finds_every_bug_mail() -> None:
    scripts = Path(sys.executable).parent
    if not (scripts / "mmlint").exists():
        pytest.skip("the command mmlint is not installed beside python")
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(FIXTURES.parent / ".ci/demo")],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for mail in PATCHES.glob("bug-*.mbox"):
        assert f"patch fixtures/patches/{mail.name} --tree fixtures/trees/mini" in done.stdout
    for name in HEART:
        assert done.stdout.count(f"[{name.upper()}]") >= 2


def test_a_copy_to_what_is_no_address_stops_nothing(tmp_path: Path) -> None:
    text = (PATCHES / "bug-ref101.mbox").read_text(encoding="utf-8")
    mail = tmp_path / "one.mbox"
    mail.write_text(
        text.replace("\nSubject:", "\nCc: B <b@mini.example>, J\u00e9r\u00f4me\nSubject:", 1), encoding="utf-8"
    )
    code, found = report("patch", str(mail), "--tree", str(MINI))
    assert (code, len(found["findings"]), found["errors"]) == (1, 1, [])
