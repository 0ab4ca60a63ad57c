"""`full`: what a person reads: the source with marks, the story as annotations, and how to replay the proof."""

from __future__ import annotations

from mmlint.finding import Finding, Origin, Report
from mmlint.output import Context
from mmlint.output.snippet import blocks
from mmlint.output.text import Style, plain, policies, replay, statistics, summary, there_before


def render(report: Report, context: Context) -> str:
    """A block a finding, then what was fixed, notes and a summary."""
    style = Style(context.color)
    rows: list[str] = []
    for finding in report.findings:
        rows += [*_finding(finding, report, style, context.link(finding)), ""]
    if context.show_ignored:
        for item in report.suppressed:
            rows += _finding(item.finding, report, style, context.link(item.finding), heading="ignored")
            rows += [f"  = ignored: {plain(item.reason)} ({item.kind}, {plain(item.where)})", ""]
    for finding in report.fixed:
        place = f"{plain(finding.path)}:{finding.line}"
        rows.append(f"{style.paint(f'fixed[{finding.code}]', 'bold', 'green')}: {plain(finding.message)} ({place})")
    if context.statistics:
        rows += [*statistics(report.findings), ""]
    if report.policies:
        rows += [*policies(report.policies), ""]
    if not context.quiet:
        rows += [f"note: {plain(note)}" for note in report.notes]
        rows += summary(report)
    return "".join(row + "\n" for row in rows)


def _finding(finding: Finding, report: Report, style: Style, page: str, heading: str = "") -> list[str]:
    head = style.link(style.severity(finding, f"{heading or finding.severity.value}[{finding.code}]"), page)
    rows = [f"{head}{style.paint(f': {plain(finding.message)}', 'bold')}"]
    rows += blocks(finding, report.sources, style)
    rows += [f"  {style.paint('=', 'bold', 'blue')} {text}" for text in remarks(finding)]
    if page and not style.color:
        rows.append(f"  = about the rule: {plain(page)}")
    return rows


def remarks(finding: Finding) -> list[str]:
    """What is said below the source: function, confidence, patch, proof."""
    where = f"in {plain(finding.function)}(), " if finding.function else ""
    rows = [f"{plain(finding.name)}: {where}{finding.confidence.value} confidence"]
    if finding.origin is Origin.PRE_EXISTING:
        rows.append(f"was {there_before(finding)}")
    if finding.patch is not None and finding.patch.subject:
        rows.append(f"patch {finding.patch.index}/{finding.patch.total}: {plain(finding.patch.subject)}")
    rows += [f"note: {plain(note)}" for note in finding.notes]
    if finding.simulation.command:
        rows.append(f"sim: {plain(finding.simulation.scenario)}; replay: {replay(finding)}")
    return rows
