"""`b4`: the JSON array that b4 expects of `b4.review-perpatch-check-cmd` and `b4.review-series-check-cmd`."""

from __future__ import annotations

import json

from mmlint.finding import Finding, Report, Severity
from mmlint.output import Context
from mmlint.output.json_report import clean
from mmlint.output.text import counted, plural

_STATUS = {Severity.ERROR: "fail", Severity.WARNING: "warn", Severity.INFO: "pass"}


def render(report: Report, context: Context) -> str:
    """An element a finding; `pass` for what was there before and for a clean patch; `[]` when nothing was analysed."""
    items = [_item(finding, context.link(finding)) for finding in report.findings]
    items += [
        {"tool": "mmlint", "status": "fail", "summary": clean(e.message), "details": clean(e.path)}
        for e in report.errors
    ]
    if not items and report.stats.functions:
        summary = f"no findings in {plural(report.stats.functions, 'function')}"
        items = [{"tool": "mmlint", "status": "pass", "summary": summary}]
    return json.dumps(items, indent=2) + "\n"


def _item(finding: Finding, page: str) -> dict[str, str]:
    where = f" in {finding.function}()" if finding.function else ""
    details = [f"{finding.path}:{finding.line}{where}, {finding.confidence.value} confidence"]
    details += [f"{step.path}:{step.line}: {step.message}" for step in finding.steps]
    if finding.simulation.command:
        details.append(f"replay: {finding.simulation.command}")
    return {
        "tool": "mmlint",
        "status": _STATUS[finding.severity] if counted(finding) else "pass",
        "summary": f"{finding.code}: {clean(finding.message)}" + ("" if counted(finding) else " (there before)"),
        "details": clean("\n".join(details)),
        **({"url": page} if page else {}),
    }
