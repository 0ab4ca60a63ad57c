"""`github`: workflow commands that become annotations on a pull request. Findings there before are left out."""

from __future__ import annotations

from mmlint.finding import Report, Severity
from mmlint.output import Context
from mmlint.output.text import counted, plain, replay

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report, _context: Context) -> str:
    """A command a finding, and one for each input that could not be read."""
    rows = []
    for finding in filter(counted, report.findings):
        properties = {
            "title": f"{finding.code} {finding.name}",
            "file": finding.path,
            "line": str(finding.line),
            "endLine": str(finding.end_line),
        }
        if finding.line == finding.end_line:
            properties["col"] = str(finding.column)
        text = [finding.message, *(f"{step.path}:{step.line}: {step.message}" for step in finding.steps)]
        if finding.simulation.command:
            text.append(f"replay: {replay(finding)}")
        rows.append(_command(_LEVELS[finding.severity], properties, text))
    rows += [_command("error", {"title": "input", "file": e.path}, [e.message]) for e in report.errors]
    return "".join(row + "\n" for row in rows)


def _command(level: str, properties: dict[str, str], text: list[str]) -> str:
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{level} {shown}::{'%0A'.join(_data(line) for line in text)}"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
