"""Suppressions of files that the tree does not have."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.policy.gone import Checked

from tests.cli.conftest import Run, run, tree

__all__ = ["run", "tree"]


@pytest.mark.parametrize(
    ("pattern", "lack"),
    [
        ("mm/gone.c", True),
        ("/mm/gone.c", True),
        ("./mm/gone.c", True),
        ("mm/gone_*.c", True),
        ("mm/gone/", True),
        ("mm/gone/deep/x.c", True),
        ("mm/there.c", False),
        ("mm/the*.c", False),
        ("mm/sub/", False),
        ("mm/", False),
        ("fs/gone.c", False),
        ("fs/there.c", False),
        ("gone/x.c", False),
        ("gone.c", False),
        ("**/gone.c", False),
        ("mm/**/gone.c", False),
        ("*/gone.c", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool, pattern: str, lack: bool
) -> None:
    for name in ("mm/there.c", "mm/sub/other.c", "fs/there.c"):
        (tmp_path / "linux" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "linux" / name).write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "linux" if inside else tmp_path)
    files = ["mm/there.c"] if inside else ["linux/mm/there.c"]
    assert Checked(str(tmp_path / "linux"), files).lack(pattern) is lack


SUPPRESSIONS = """\
[[suppression]]
code = "PTL101"
path = "mm/gone.c"
reason = "was there"

[[suppression]]
code = "PTL101"
path = "fs/unread.c"
reason = "another folder"

[[suppression]]
code = "PTL104"
path = "mm/gone.c"
reason = "another rule"
"""


@pytest.mark.parametrize("command", ["check", "audit"])
def test_a_suppression_of_a_file_that_is_gone_is_reported(run: Run, tree: Path, command: str) -> None:
    (tree / "fs").mkdir()
    (tree / "mmlint-suppressions.toml").write_text(SUPPRESSIONS, encoding="utf-8")
    where = "mm" if command == "check" else "."
    result = run(command, where, "--select", "PTL101", "--extend-select", "POL", "-o", "concise")
    assert [row.split(": ", 1)[1] for row in result.stdout.splitlines() if "POL101" in row] == [
        "warning[POL101] suppression of PTL101 in mm/gone.c silences nothing: there is no such file"
    ]
