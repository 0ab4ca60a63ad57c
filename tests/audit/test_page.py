"""The HTML report: complete, harmless, needing nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from mmlint.audit.page import render
from mmlint.cli import app
from mmlint.finding import Confidence, Finding, InputError, Origin, Report, Severity, Simulation, Step
from mmlint.output import Context
from typer.testing import CliRunner

from tests.audit.conftest import Run

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[31m\u202e\udce9"
VOID = {"meta", "input", "img", "br", "link"}


class Page(HTMLParser):
    """Checks that elements nest, and keeps what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def hostile() -> Report:
    simulation = Simulation(HOSTILE, "", HOSTILE, f"mmlint sim {HOSTILE}")
    finding = Finding(
        "PTL101",
        HOSTILE,
        Severity.ERROR,
        Confidence.HIGH,
        HOSTILE,
        f"mm/{HOSTILE}.c",
        2,
        1,
        2,
        HOSTILE,
        Origin.PRESENT,
        simulation,
        steps=(Step(f"mm/{HOSTILE}.c", 1, HOSTILE),),
        notes=(HOSTILE,),
    )
    lines = {finding.path: [HOSTILE, HOSTILE, HOSTILE]}
    return Report(findings=[finding], errors=[InputError(HOSTILE, HOSTILE)], notes=[HOSTILE], sources=lines)


def test_hostile_text_stays_text() -> None:
    text = render(hostile(), Context("audit"))
    page = Page(text)
    assert [len(page.named(tag)) for tag in ("script", "img", "article")] == [1, 0, 1]
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert page.words.count("</script><script>alert(1)") >= 12
    assert not re.search("[\x1b\u202e\ud800-\udfff]", text)
    text.encode("utf-8")


def test_every_finding_is_there_with_its_source_and_its_proof(run: Run) -> None:
    report = run(select=("ALL",)).report
    page = Page(render(report, Context("audit")))
    rows = page.named("article")
    assert [row["data-fingerprint"] for row in rows] == [finding.fingerprint for finding in report.findings]
    for finding in report.findings:
        assert f"{finding.path}:{finding.line}" in page.words
        assert finding.message in page.words
        assert finding.simulation.command in page.words
        assert report.sources[finding.path][finding.line - 1].strip() in page.words
    targets = {str(row["href"]) for row in page.named("a")}
    assert targets == {f"#{row['id']}" for row in page.named("section")}


def test_nothing_is_loaded(run: Run) -> None:
    page = Page(render(run().report, Context("audit")))
    assert [attrs for _, attrs in page.tags if "src" in attrs] == []
    assert page.named("link") == []
    assert all(str(row["href"]).startswith("#") for row in page.named("a"))
    [policy] = [row["content"] for row in page.named("meta") if row.get("http-equiv")]
    assert str(policy).startswith("default-src 'none'")


def test_the_overview_counts_what_there_is(run: Run) -> None:
    report = run().report
    text = render(report, Context("audit"))
    at = {folder: sum(f.path.startswith(folder + "/") for f in report.findings) for folder in ("fs/proc", "mm")}
    assert all(f"<tr><td>{folder}</td><td>{count}</td></tr>" in text for folder, count in at.items())
    assert at["mm"] > 0


def test_a_report_without_findings_is_a_page() -> None:
    page = Page(render(Report(), Context("audit")))
    assert "0 findings" in page.words


@pytest.mark.parametrize("folder", [False, True])
def test_the_command_writes_both_files(tree: Path, tmp_path: Path, folder: bool) -> None:
    html = tmp_path / "page" if folder else tmp_path / "page.html"
    if folder:
        html.mkdir()
    sarif = tmp_path / "audit.sarif"
    words = [
        "audit",
        str(tree),
        "-j",
        "1",
        "--isolated",
        "--select",
        "PTL101",
        "--html",
        str(html),
        "--sarif",
        str(sarif),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1, result.output
    assert "mm/bad.c:" in result.stdout
    assert "files analysed" in result.stderr
    assert "mm/bad.c" in sarif.read_text(encoding="utf-8")
    assert Page((html / "index.html" if folder else html).read_text(encoding="utf-8")).named("article")


def test_exit_status_and_streams(tree: Path) -> None:
    def invoke(*words: str) -> tuple[int, str]:
        extra = [] if "--ignore" in words else ["--select", "PTL101"]
        result = CliRunner().invoke(app, ["audit", *words, *extra, "-j", "1", "--isolated"])
        return result.exit_code, result.stderr

    assert invoke(str(tree), "-o", "json") == (1, "")
    assert invoke(str(tree), "-o", "json", "--exit-zero", "--no-cache") == (0, "")
    assert invoke(str(tree), "--ignore", "ALL", "-q") == (0, "")
    assert invoke(str(tree / "none"))[0] == 2
    assert invoke() == (2, "mmlint: audit: name one kernel tree\n")
    assert invoke(str(tree), "-o", "nonsense")[0] == 2
