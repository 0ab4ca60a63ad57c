"""The hooks, each as git or pre-commit calls it, in a repository of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import BAD, GOOD, Run
from tests.cli.transcript import ROOT

HEADER = (
    "From: A <a@example.org>\nSubject: [PATCH {n}/{m}] mm: change {n}\nMessage-ID: <{n}@example.org>\n\nWhy.\n---\n"
)


def git(*words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tree: Path) -> Path:
    """The tree as a repository with one commit, in which the bad file is good."""
    (tree / ".git").rmdir()
    git("init", "-q", "-b", "main")
    (tree / "mm/bad.c").write_text(GOOD, encoding="utf-8")
    git("add", ".")
    git("commit", "-qm", "mm: start")
    return tree


def change(text: str) -> None:
    Path("mm/bad.c").write_text(text, encoding="utf-8")
    git("add", ".")


def test_a_staged_bug_is_blocked_and_its_mending_passes(run: Run, repository: Path) -> None:
    change(BAD)
    result = run("patch", "--staged")
    assert result.exit_code == 1
    assert "error[PTL101]" in result.stdout
    change(GOOD + "\n")
    assert run("patch", "--staged").exit_code == 0


def test_pre_push_checks_what_is_pushed(run: Run, repository: Path) -> None:
    start = git("rev-parse", "HEAD").strip()
    change(BAD)
    git("commit", "-qm", "mm: a bug")
    bug = git("rev-parse", "HEAD").strip()
    zero = "0" * 40
    select = ("--select", "PTL101")
    hook = ("hook", "pre-push", *select)
    assert run(*hook, stdin=f"refs/heads/main {bug} refs/heads/main {start}\n").exit_code == 1
    assert run(*hook, stdin=f"refs/heads/main {start} refs/heads/main {start}\n").exit_code == 0
    assert run(*hook, stdin=f"(delete) {zero} refs/heads/main {bug}\n").exit_code == 0
    git("update-ref", "refs/remotes/origin/main", start)
    assert run(*hook, stdin=f"refs/heads/new {bug} refs/heads/new {zero}\n").exit_code == 1
    git("update-ref", "refs/remotes/origin/main", bug)
    assert run(*hook, stdin=f"refs/heads/new {bug} refs/heads/new {zero}\n").exit_code == 0
    assert run(*hook, stdin="nonsense\n").exit_code == 2


def test_pre_push_under_pre_commit(run: Run, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = git("rev-parse", "HEAD").strip()
    change(BAD)
    git("commit", "-qm", "mm: a bug")
    monkeypatch.setenv("PRE_COMMIT_FROM_REF", start)
    monkeypatch.setenv("PRE_COMMIT_TO_REF", git("rev-parse", "HEAD").strip())
    assert run("hook", "pre-push", "--select", "PTL101").exit_code == 1


def mails(repository: Path) -> list[Path]:
    """A cover letter, a harmless patch and one with a bug that builds on it."""
    cover = repository.parent / "0000.eml"
    cover.write_text(HEADER.format(n=0, m=2) + " 2 files changed\n", encoding="utf-8")
    found = [cover]
    for number, text in ((1, GOOD + "/* one */\n"), (2, BAD + "/* one */\n")):
        change(text)
        found.append(repository.parent / f"000{number}.eml")
        found[-1].write_text(HEADER.format(n=number, m=2) + git("diff", "--cached"), encoding="utf-8")
        git("commit", "-qm", f"mm: change {number}")
    git("reset", "-q", "--hard", "HEAD~2")
    return found


def test_sendemail_judges_a_series_when_its_last_mail_comes(
    run: Run, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = mails(repository)
    monkeypatch.setenv("GIT_SENDEMAIL_FILE_TOTAL", "3")
    seen = []
    for number, mail in enumerate(series, 1):
        monkeypatch.setenv("GIT_SENDEMAIL_FILE_COUNTER", str(number))
        seen.append(run("hook", "sendemail-validate", str(mail), "headers", "--select", "PTL101"))
    assert [result.exit_code for result in seen] == [0, 0, 1]
    assert seen[2].stdout.count("error[PTL101]") == 1
    assert "patch 2/2: mm: change 2" in seen[2].stdout


def test_sendemail_lets_a_cover_letter_pass_and_needs_a_mail(run: Run, repository: Path) -> None:
    cover = run("hook", "sendemail-validate", str(mails(repository)[0]), "headers")
    assert (cover.exit_code, cover.stderr) == (0, "")
    assert run("hook", "sendemail-validate").exit_code == 2


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("mmlint.toml", 'select = ["PTL"]', 0),
        ("mmlint.toml", 'select = ["PTX"]', 2),
        ("mmlint.toml", "slect = 1", 2),
        ("mmlint-suppressions.toml", "[[suppression]]\ncode = 'PTL101'\npath = 'mm/'\nreason = 'r'", 0),
        ("mmlint-suppressions.toml", "[[suppression]]\ncode = 'PTL101'", 2),
        ("mmlint.toml", 'baseline = "nope.json"', 2),
        ("mmlint.toml", 'tables = ["nope.toml"]', 2),
        ("mmlint.toml", 'suppressions = "nope.toml"', 2),
    ],
)
def test_config_hook(run: Run, tree: Path, name: str, text: str, status: int) -> None:
    (tree / name).write_text(text, encoding="utf-8")
    result = run("hook", "config", name)
    assert result.exit_code == status
    assert result.stderr.count("\n") == (status == 2)


def test_config_hook_opens_what_the_configuration_names(run: Run, tree: Path) -> None:
    named = 'baseline = "known.json"\ntables = ["tab.toml"]\nselect = ["PTL"]\n'
    (tree / "mmlint.toml").write_text(named, encoding="utf-8")
    (tree / "known.json").write_text('{"findings": []}', encoding="utf-8")
    (tree / "tab.toml").write_text('[[take]]\nnames = "x"\nkind = "spin"\n', encoding="utf-8")
    assert run("hook", "config", "mmlint.toml").exit_code == 0
    (tree / "known.json").write_text("{", encoding="utf-8")
    (tree / "tab.toml").write_text("\n[[tke]]", encoding="utf-8")
    (tree / "mmlint.toml").write_text(named.replace("PTL", "PTX"), encoding="utf-8")
    said = run("hook", "config", "mmlint.toml")
    assert said.exit_code == 2
    assert said.stderr.splitlines() == [
        "mmlint: mmlint.toml:3: no rule is called `PTX`; did you mean `PTL`?",
        "mmlint: ./known.json: neither a baseline nor a run saved with --output json; write one with"
        " `mmlint baseline write`",
        "mmlint: tab.toml:2: unknown section 'tke'; did you mean `take`?",
    ]


@pytest.mark.parametrize(("configured", "status"), [("", 0), ('fail-on = "error"', 0), ('fail-on = "warning"', 1)])
@pytest.mark.parametrize("hook", ["mmlint", "mmlint-files"])
def test_a_hook_leaves_to_the_configuration_what_fails(
    run: Run, repository: Path, hook: str, configured: str, status: int
) -> None:
    (repository / "mmlint.toml").write_text(f'severity = {{ PTL101 = "warning" }}\n{configured}\n', encoding="utf-8")
    change(BAD)
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entry = re.search(rf"- id: {hook}\n.*?entry: mmlint (.*?)\n", hooks, re.DOTALL)
    assert entry is not None
    result = run(*entry[1].split(), *(["mm/bad.c"] if hook == "mmlint-files" else []))
    assert "warning[PTL101]" in result.stdout
    assert result.exit_code == status
