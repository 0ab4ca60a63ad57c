"""Rules from another distribution, found by the entry point `mmlint.rules`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def pack(run: Run, tree: Path, tmp_path: Path) -> Path:
    """An installed distribution with one rule, made by `mmlint new-rule`; its folder goes on the path."""
    assert run("new-rule", "PTL990", "sleep-in-demo", "sleeps in the demo", "--scenario", "S12").exit_code == 0
    site = tmp_path / "site"
    info = site / "mm_pack-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mm-pack\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[mmlint.rules]\ndemo = mm_pack:RULE\n", encoding="utf-8")
    rule = (tree / "rules/mmlint_rules/ptl/sleep_in_demo.py").read_text(encoding="utf-8")
    (site / "mm_pack.py").write_text(rule, encoding="utf-8")
    return site


def mmlint(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "mmlint", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_a_rule_of_a_pack_is_listed_and_runs(pack: Path, tree: Path) -> None:
    assert "PTL990  sleep-in-demo" in mmlint(pack, "rules", "PTL").stdout
    result = mmlint(pack, "check", "fixtures/PTL990-sleep-in-demo/bad.c", "--select", "PTL990", "-o", "concise", "-q")
    assert result.stdout == "fixtures/PTL990-sleep-in-demo/bad.c:6:2: warning[PTL990] `the_function` is called\n"


def test_a_broken_pack_is_one_line(pack: Path, tree: Path) -> None:
    text = (pack / "mm_pack.py").read_text(encoding="utf-8")
    (pack / "mm_pack.py").write_text(text.replace('code="PTL990"', 'code="PTL101"'), encoding="utf-8")
    for words in (("rules",), ("check", "fixtures")):
        result = mmlint(pack, *words)
        assert result.returncode == 2
        assert result.stderr.startswith("mmlint: rule PTL101 (")
        assert result.stderr.count("\n") == 1
