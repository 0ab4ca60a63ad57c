"""`grouped`: findings below the name of their file."""

from __future__ import annotations

from itertools import groupby

from mmlint.finding import Finding, Report
from mmlint.output import Context
from mmlint.output.text import Style, counted, plain, replay, statistics, summary


def render(report: Report, context: Context) -> str:
    """A block a file, then a summary."""
    style = Style(context.color)
    lines = []
    for path, group in groupby(report.findings, key=lambda finding: finding.path):
        findings = list(group)
        width = max(len(f"{finding.line}:{finding.column}") for finding in findings)
        lines.append(style.paint(plain(path), "bold"))
        for finding in findings:
            lines += _rows(finding, style, width)
        lines.append("")
    if context.show_ignored and report.suppressed:
        lines.append(style.paint("ignored", "bold"))
        lines += [
            f"  {item.finding.code} {plain(item.finding.path)}:{item.finding.line}: {plain(item.reason)}"
            f" ({item.kind}, {plain(item.where)})"
            for item in report.suppressed
        ]
        lines.append("")
    if context.statistics:
        lines += [*statistics(report.findings), ""]
    if not context.quiet:
        lines += summary(report)
    return "".join(row + "\n" for row in lines)


def _rows(finding: Finding, style: Style, width: int) -> list[str]:
    place = f"{finding.line}:{finding.column}".rjust(width)
    code = style.severity(finding, f"{finding.severity.value}[{finding.code}]")
    before = "" if counted(finding) else f" ({finding.origin.value})"
    rows = [f"  {place}  {code} {plain(finding.message)}{before}"]
    if finding.simulation.command:
        rows.append(f"  {' ' * width}  {style.paint('replay: ' + replay(finding), 'dim')}")
    return rows
