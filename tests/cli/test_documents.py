"""What the documents show is what the commands print, and what is generated is fresh."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import fields
from pathlib import Path

import pytest
from mmlint.cli import app
from mmlint.commands.manual import manual
from mmlint.commands.options import Options
from mmlint.commands.pages import pages
from mmlint.output import WRITERS
from mmlint.output.schema import schema_text as report_schema
from mmlint.policy.schema import markdown
from mmlint.rule import load
from mmlint.settings import PRESETS

from tests.cli.modules import modules
from tests.cli.reference import MARKS, reference
from tests.cli.transcript import DOCUMENTS, ROOT, replay

REMEDY = "out of date: run `make docs`"


@pytest.mark.parametrize("name", DOCUMENTS)
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


def test_rule_pages_are_fresh() -> None:
    folder = ROOT / "docs/rules"
    wanted = pages(load())
    there = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.*")}
    assert sorted(set(there) ^ set(wanted)) == [], REMEDY
    assert [name for name, text in wanted.items() if there[name] != text] == [], REMEDY


def test_every_rule_page_shows_its_proof() -> None:
    for rule in load():
        text = (ROOT / f"docs/rules/{rule.name}.md").read_text(encoding="utf-8")
        assert f"![{rule.scenario.summary}](scenarios/{rule.scenario.name}.svg)" in text
        assert rule.doc.partition("\n")[2] in text
        picture = ElementTree.parse(ROOT / f"docs/rules/scenarios/{rule.scenario.name}.svg")
        assert picture.getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_manual_is_fresh_and_complete() -> None:
    text = (ROOT / "docs/mmlint.1").read_text(encoding="utf-8")
    assert text == manual(app), REMEDY
    shown = text.replace("\\-", "-")
    for item in fields(Options):
        names = item.metadata["names"] or ("--" + item.name.replace("_", "-"),)
        assert all(f"\\fB{name}\\fR" in shown for name in names), item.name
    for command in ("check", "patch", "audit", "baseline write", "hook sendemail-validate", "server"):
        assert re.search(rf"^\.SS mmlint {command}( |$)", shown, re.MULTILINE), command


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_is_right_roff() -> None:
    page = ROOT / "docs/mmlint.1"
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", page], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_reference_of_the_api_is_fresh() -> None:
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    assert MARKS.sub(lambda found: found[1] + reference() + found[2], text) == text, REMEDY


def test_the_list_of_modules_is_fresh() -> None:
    assert (ROOT / "docs/modules.md").read_text(encoding="utf-8") == modules(), REMEDY


def test_the_shipped_report_schema_is_fresh() -> None:
    assert (ROOT / "analyzer/mmlint/report.schema.json").read_text(encoding="utf-8") == report_schema(), REMEDY


def test_configuration_names_every_format_and_preset() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert [word for word in (*WRITERS, *PRESETS) if f"`{word}`" not in text] == []


def test_every_hook_runs_a_command_that_there_is() -> None:
    from typer.testing import CliRunner

    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"entry: mmlint (.*)", hooks)
    assert len(entries) == 4
    for entry in entries:
        words = [*entry.split(), "--help"]
        assert CliRunner().invoke(app, words).exit_code == 0, entry


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
