"""Findings as the language server protocol has them: diagnostics, hovers, edits. Positions count from 0 there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lsprotocol import types as lsp

from mmlint.finding import Finding, Report, Severity
from mmlint.output import Context
from mmlint.output.snippet import extent
from mmlint.output.text import plain

Units = Callable[[str], int]
"""How many of the client's units (UTF-16 if nothing else was agreed on) a text takes."""

SOURCE = "mmlint"
_SEVERITIES = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
    Severity.INFO: lsp.DiagnosticSeverity.Information,
}
_CODE = re.compile(r"\b[A-Z]{3}[1-9]\d\d\b")


def diagnostics(report: Report, file: Path, units: Units, context: Context) -> list[lsp.Diagnostic]:
    """The findings of a report that lie in `file`, and those about the user's own suppressions there."""
    inside = (finding for finding in report.findings if Path(finding.path).resolve() == file.resolve())
    return [_diagnostic(finding, report.sources, units, context.link(finding)) for finding in inside]


def _diagnostic(finding: Finding, sources: Mapping[str, Sequence[str]], units: Units, page: str) -> lsp.Diagnostic:
    lines = sources.get(finding.path, ())
    related = [
        lsp.DiagnosticRelatedInformation(
            lsp.Location(Path(step.path).resolve().as_uri(), span(sources.get(step.path, ()), step.line, 0, units)),
            plain(step.message),
        )
        for step in finding.steps
    ]
    return lsp.Diagnostic(
        range=span(lines, finding.line, finding.column, units),
        message=plain(finding.message),
        severity=_SEVERITIES[finding.severity],
        code=finding.code,
        code_description=lsp.CodeDescription(page) if page else None,
        source=SOURCE,
        related_information=related,
        data={"fingerprint": finding.fingerprint, "replay": finding.simulation.command},
    )


def span(lines: Sequence[str], line: int, column: int, units: Units) -> lsp.Range:
    """The expression at a place (lines and columns from 1, column 0: the statement), in the client's units."""
    text = lines[line - 1] if 1 <= line <= len(lines) else ""
    start, end = extent(text, column) if text.strip() else (0, 0)
    number = max(line - 1, 0)
    return lsp.Range(lsp.Position(number, units(text[:start])), lsp.Position(number, units(text[:end])))


def code_at(text: str, character: int) -> str | None:
    """The rule code that stands in a line at a position, as in an ignore comment."""
    return next((m[0] for m in _CODE.finditer(text) if m.start() <= character <= m.end()), None)


def ignore_edit(lines: Sequence[str], diagnostic: lsp.Diagnostic) -> lsp.TextEdit | None:
    """The comment that ignores a finding, on a line of its own above it; None inside a macro of several lines.

    The reason is left to the user: without one the comment has no effect, and is reported until it has one.
    """
    number = diagnostic.range.start.line
    if number >= len(lines) or (number and lines[number - 1].rstrip().endswith("\\")):
        return None
    text = lines[number]
    indent = text[: len(text) - len(text.lstrip())]
    above = lsp.Position(number, 0)
    return lsp.TextEdit(lsp.Range(above, above), f"{indent}/* mmlint: ignore[{diagnostic.code}]  */\n")
