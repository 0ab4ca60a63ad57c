"""docs/api.md: its examples run, in one session from top to bottom, and every public name is explained."""

from __future__ import annotations

import doctest
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.reference import MODULES, reference
from tests.cli.transcript import ROOT, VERSIONS, setting

DOCUMENT = ROOT / "docs/api.md"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(tmp_path)
    shutil.copytree(tmp_path / "linux", tmp_path / "linux.old")
    (tmp_path / "linux/mm/fill.c").write_text(VERSIONS["v1"], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("MMLINT_CONFIG", raising=False)
    text = re.sub(r"^```.*$", "", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    session = doctest.DocTestParser().get_doctest(text, {}, "api.md", str(DOCUMENT), 0)
    assert len(session.examples) > 20
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(session, out=said.append)
    assert result.failed == 0, "".join(said)


def test_the_reference_explains_every_name() -> None:
    text = reference()
    assert all(f"### {name}\n" in text for name in MODULES)
    assert "None\n" not in re.sub(r"```python\n.*?```", "", text, flags=re.DOTALL)
