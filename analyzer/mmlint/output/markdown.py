"""`markdown`: a table, then a section a finding."""

from __future__ import annotations

import re

from mmlint.finding import Finding, Report
from mmlint.output import Context
from mmlint.output.full import remarks
from mmlint.output.snippet import blocks
from mmlint.output.text import Style, counted, plain, summary

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@-])")


def render(report: Report, context: Context) -> str:
    """The page."""
    rows = ["# mmlint", ""]
    if report.findings:
        rows += ["| severity | rule | place | message |", "| --- | --- | --- | --- |"]
        rows += [_row(finding) for finding in report.findings]
        rows.append("")
    for finding in report.findings:
        body = [*blocks(finding, report.sources, Style(False)), *(f"  = {text}" for text in remarks(finding))]
        fence = _fence(body)
        title = f"{finding.code} {_text(finding.name)}"
        page = context.link(finding)
        rows += [f"## [{title}](<{plain(page)}>)" if page else f"## {title}", "", _text(finding.message), ""]
        rows += [fence, *body, fence, ""]
    rows += [f"- error: {_text(e.path)}: {_text(e.message)}" for e in report.errors]
    rows += [f"- {_text(note)}" for note in report.notes]
    rows += [_text(line) + "  " for line in summary(report)]
    return "".join(row + "\n" for row in rows)


def _row(finding: Finding) -> str:
    severity = finding.severity.value if counted(finding) else f"{finding.severity.value} ({finding.origin.value})"
    place = _text(f"{finding.path}:{finding.line}")
    return f"| {severity} | {finding.code} | {place} | {_text(finding.message)} |"


def _text(text: str) -> str:
    """Foreign text with every character escaped that Markdown or HTML could act on."""
    return _SPECIAL.sub(r"\\\1", plain(text))


def _fence(body: list[str]) -> str:
    """A code fence longer than any run of backticks inside."""
    longest = max((len(run) for row in body for run in re.findall(r"`+", row)), default=0)
    return "`" * max(3, longest + 1)
