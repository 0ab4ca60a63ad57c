"""`concise`: `path:line:column: severity CODE message`, which editors take for a quickfix list."""

from __future__ import annotations

from mmlint.finding import Finding, Report
from mmlint.output import Context
from mmlint.output.text import Style, counted, plain, policies, statistics, summary


def render(report: Report, context: Context) -> str:
    """The lines and a summary."""
    style = Style(context.color)
    lines = [line(finding, style) for finding in report.findings]
    if context.show_ignored:
        lines += [f"{line(s.finding, style)} (ignored: {plain(s.reason)})" for s in report.suppressed]
    if context.statistics:
        lines += statistics(report.findings)
    lines += policies(report.policies)
    if not context.quiet:
        lines += summary(report)
    return "".join(row + "\n" for row in lines)


def line(finding: Finding, style: Style) -> str:
    """One finding."""
    place = style.paint(f"{plain(finding.path)}:{finding.line}:{finding.column}", "bold")
    code = style.severity(finding, f"{finding.severity.value}[{finding.code}]")
    before = "" if counted(finding) else f" ({finding.origin.value})"
    return f"{place}: {code} {plain(finding.message)}{before}"
