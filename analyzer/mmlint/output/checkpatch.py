"""`checkpatch`: terse lines for `b4 am` and `b4 prep --check`.

b4 takes a line with `ERROR:` for a failure, any other line for a warning, and silence for success; so nothing is
printed for a clean patch, and what was there before is left out.
"""

from __future__ import annotations

from mmlint.finding import Report, Severity
from mmlint.output import Context
from mmlint.output.text import counted, plain

_LEVELS = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.INFO: "CHECK"}


def render(report: Report, _context: Context) -> str:
    """A line a finding."""
    rows = [
        f"{plain(finding.path)}:{finding.line}: {_LEVELS[finding.severity]}:{finding.code}: {_words(finding.message)}"
        for finding in filter(counted, report.findings)
    ]
    rows += [f"{plain(problem.path)}: ERROR:INPUT: {_words(problem.message)}" for problem in report.errors]
    return "".join(row + "\n" for row in rows)


def _words(message: str) -> str:
    """The message without a word that would change what b4 takes the line for."""
    return plain(message).replace("ERROR:", "ERROR :")
