"""`rdjson`: Reviewdog Diagnostic Format. Columns count UTF-8 bytes there."""

from __future__ import annotations

import json
from typing import Any

from mmlint.finding import Finding, Report
from mmlint.output import Context
from mmlint.output.json_report import clean
from mmlint.output.text import counted


def render(report: Report, context: Context) -> str:
    """One DiagnosticResult."""
    diagnostics = [_diagnostic(finding, report, context.link(finding)) for finding in filter(counted, report.findings)]
    diagnostics += [
        {
            "message": clean(problem.message),
            "location": {"path": clean(problem.path)},
            "severity": "ERROR",
            "code": {"value": "input"},
        }
        for problem in report.errors
    ]
    return json.dumps({"source": {"name": "mmlint"}, "diagnostics": diagnostics}, indent=2) + "\n"


def _diagnostic(finding: Finding, report: Report, page: str) -> dict[str, Any]:
    lines = report.sources.get(finding.path, ())
    text = lines[finding.line - 1] if finding.line <= len(lines) else ""
    before = text[: finding.column - 1]
    column = len(before.encode("utf-8", "surrogateescape")) + 1 if len(before) == finding.column - 1 else finding.column
    steps = "".join(f"\n{clean(step.path)}:{step.line}: {clean(step.message)}" for step in finding.steps)
    proof = f"\nreplay: {clean(finding.simulation.command)}" if finding.simulation.command else ""
    return {
        "message": clean(finding.message) + steps + proof,
        "location": {
            "path": clean(finding.path),
            "range": {"start": {"line": finding.line, "column": column}},
        },
        "severity": finding.severity.value.upper(),
        "code": {"value": finding.code, **({"url": page} if page else {})},
    }
