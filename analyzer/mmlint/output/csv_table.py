"""`csv`: one finding a row, for spreadsheets; input that could not be read is told on stderr."""

from __future__ import annotations

import csv
import io

from mmlint.finding import Report
from mmlint.output import Context
from mmlint.output.text import plain

COLUMNS = (
    "code", "name", "severity", "confidence", "origin", "path", "line", "column", "function", "message",
    "scenario", "fingerprint", "patch",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(report: Report, _context: Context) -> str:
    """The table with its heading; what only the state before has comes last, as `fixed`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for f in (*report.findings, *report.fixed):
        values = (
            f.code, f.name, f.severity.value, f.confidence.value, f.origin.value, f.path, f.line, f.column, f.function,
            f.message, f.simulation.scenario, f.fingerprint, f.patch.subject if f.patch is not None else "",
        )  # fmt: skip
        rows.writerow(_cell(value) for value in values)
    return text.getvalue()


def _cell(value: str | int) -> str | int:
    """A value that no spreadsheet takes for a formula."""
    if isinstance(value, int):
        return value
    cleaned = plain(value)
    return f"'{cleaned}" if cleaned.startswith(_FORMULA) else cleaned
