"""`checkstyle`: Checkstyle XML, which Jenkins, reviewdog and many others read."""

from __future__ import annotations

from mmlint import __version__
from mmlint.finding import Report
from mmlint.output import Context
from mmlint.output.text import counted
from mmlint.output.xml import document, element


def render(report: Report, _context: Context) -> str:
    """A `file` element a path."""
    files: dict[str, list[str]] = {}
    for finding in filter(counted, report.findings):
        attributes: dict[str, str | int] = {
            "line": finding.line,
            "column": finding.column,
            "severity": finding.severity.value,
            "message": finding.message,
            "source": f"mmlint.{finding.code}",
        }
        files.setdefault(finding.path, []).extend(element("error", attributes))
    for problem in report.errors:
        attributes = {
            "line": max(problem.line, 1),
            "severity": "error",
            "message": problem.message,
            "source": "mmlint.input",
        }
        files.setdefault(problem.path, []).extend(element("error", attributes))
    children = [line for path, rows in files.items() for line in element("file", {"name": path}, rows)]
    return document(element("checkstyle", {"version": __version__}, children))
