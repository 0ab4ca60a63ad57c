"""`junit`: a test case a finding, so that a CI's test view lists them; input that cannot be read is an error."""

from __future__ import annotations

from itertools import groupby

from mmlint.finding import Finding, Report
from mmlint.output import Context
from mmlint.output.text import counted, plain, replay
from mmlint.output.xml import document, element


def render(report: Report, _context: Context) -> str:
    """A suite a file; a clean run is one passed case."""
    suites: list[str] = []
    findings = [finding for finding in report.findings if counted(finding)]
    for path, group in groupby(findings, key=lambda finding: finding.path):
        items = list(group)
        cases = [line for finding in items for line in _case(finding)]
        suites += element("testsuite", {"name": path, "tests": len(items), "failures": len(items), "errors": 0}, cases)
    for problem in report.errors:
        inner = element("error", {"message": problem.message, "type": "input"})
        case = element("testcase", {"name": "input", "classname": problem.path}, inner)
        suites += element("testsuite", {"name": problem.path, "tests": 1, "failures": 0, "errors": 1}, case)
    if not suites:
        case = element("testcase", {"name": "no findings", "classname": "mmlint"})
        suites = element("testsuite", {"name": "mmlint", "tests": 1, "failures": 0, "errors": 0}, case)
    counts: dict[str, str | int] = {
        "name": "mmlint",
        "tests": max(len(findings) + len(report.errors), 1),
        "failures": len(findings),
        "errors": len(report.errors),
    }
    return document(element("testsuites", counts, suites))


def _case(finding: Finding) -> list[str]:
    text = [f"{plain(finding.path)}:{finding.line}:{finding.column}: {plain(finding.message)}"]
    text += [f"{plain(step.path)}:{step.line}: {plain(step.message)}" for step in finding.steps]
    if finding.simulation.command:
        text.append(f"replay: {replay(finding)}")
    attributes: dict[str, str | int] = {"message": finding.message, "type": finding.severity.value}
    failure = element("failure", attributes, text="\n".join(text))
    name = f"{finding.code} {finding.function or 'file'}:{finding.line}"
    return element("testcase", {"name": name, "classname": finding.path, "line": finding.line}, failure)
