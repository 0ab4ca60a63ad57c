"""What stays the same: fingerprints of code that moves, results of many processes, findings from before a patch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import BAD, GOOD, Run


def prints(run: Run, *words: str) -> list[str]:
    return [f["fingerprint"] for f in json.loads(run("check", *words, "-o", "json").stdout)["findings"]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mm/bad.c", "int before;\n\n\n" + BAD),
        ("mm/renamed.c", BAD),
        ("mm/bad.c", BAD.replace("kmalloc(12, GFP_KERNEL)", "kmalloc(12,\n\t\t    GFP_KERNEL)")),
        ("mm/bad.c", BAD.replace("\tp = kmalloc", "\tif (pte)\n\t\tp = kmalloc")),
        ("mm/bad.c", BAD.replace("\tp = kmalloc", "\t/* why */\n\tp = kmalloc")),
    ],
    ids=["moved down", "file renamed", "wrapped", "indented", "comment above"],
)
def test_a_fingerprint_survives(run: Run, tree: Path, name: str, text: str) -> None:
    before = prints(run, "mm/bad.c")
    (tree / "mm/bad.c").unlink()
    (tree / name).write_text(text, encoding="utf-8")
    assert prints(run, name) == before


def test_equal_findings_have_fingerprints_of_their_own(run: Run, tree: Path) -> None:
    twice = "\tp = kmalloc(12, GFP_KERNEL);\n"
    (tree / "mm/bad.c").write_text(BAD.replace(twice, twice + twice), encoding="utf-8")
    assert len(set(prints(run, "mm/bad.c"))) == 2


def test_the_number_of_processes_changes_nothing(run: Run, tree: Path) -> None:
    for number in range(9):
        (tree / f"mm/more{number}.c").write_text(BAD if number % 2 else GOOD, encoding="utf-8")
    one, several = (run("check", "mm", "-j", jobs) for jobs in ("1", "3"))
    assert (one.exit_code, one.stdout, one.stderr) == (several.exit_code, several.stdout, several.stderr)
    assert one.stdout.count("error[PTL101]") == 5


def test_what_was_there_before_is_shown_on_request_and_never_counts(run: Run, tree: Path) -> None:
    diff = (
        "--- a/mm/bad.c\n+++ b/mm/bad.c\n@@ -4,3 +4,3 @@\n \tpte_t *pte = pte_offset_map_lock(mm, pmd, addr, &ptl);\n"
    )
    diff += "-\tvoid *p;\n+\tvoid *p = NULL;\n \n"
    plain = run("patch", "-", "--tree", ".", stdin=diff)
    assert (plain.exit_code, "PTL101" in plain.stdout) == (0, False)
    shown = run("patch", "-", "--tree", ".", "--show-preexisting", stdin=diff)
    assert shown.exit_code == 0
    assert "was there before the patch" in shown.stdout
    assert "1 finding there before the patch" in shown.stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--select", "PTL101"), True),
        (("--select", "sleep-under-ptl"), True),
        (("--select", "PTL"), True),
        (("--select", "PTL10"), True),
        (("--select", "ALL"), True),
        (("--select", "REF"), False),
        (("--select", "REF,PTL101"), True),
        (("--select", "REF", "--extend-select", "PTL101"), True),
        (("--select", "ALL", "--ignore", "PTL"), False),
        (("--select", "PTL101", "--ignore", "PTL"), True),
        (("--select", "PTL101", "--ignore", "PTL101"), False),
        (("--select", "PTL101", "--per-file-ignores", "mm/:PTL101"), False),
        (("--select", "PTL101", "--min-confidence", "high"), True),
    ],
)
def test_selection_on_the_command_line(run: Run, words: tuple[str, ...], found: bool) -> None:
    result = run("check", "mm/bad.c", *words, "-o", "concise")
    assert result.stderr == ""
    assert ("[PTL101]" in result.stdout) == found
