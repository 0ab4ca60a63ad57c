"""What the documents show is what the commands print, and what is generated is fresh."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from mmlint.output import WRITERS
from mmlint.policy.schema import markdown
from mmlint.settings import PRESETS

from tests.cli.transcript import ROOT, replay


@pytest.mark.parametrize("name", ["README.md", "docs/tour.md"])
def test_transcript(name: str, tmp_path: Path) -> None:
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    assert "$ mmlint " in text
    now = replay(text, tmp_path)
    assert "Traceback" not in now
    if os.environ.get("MMLINT_UPDATE_GOLDENS"):
        path.write_text(now, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == now


def test_configuration_table_is_fresh() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- settings: .*? -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert table is not None
    assert table[1] == markdown()


def test_configuration_names_every_format_and_preset() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert [word for word in (*WRITERS, *PRESETS) if f"`{word}`" not in text] == []


def test_every_hook_runs_a_command_that_there_is() -> None:
    from mmlint.cli import app
    from typer.testing import CliRunner

    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"entry: mmlint (.*)", hooks)
    assert len(entries) == 4
    for entry in entries:
        words = [*entry.split(), "--help"]
        assert CliRunner().invoke(app, words).exit_code == 0, entry


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
