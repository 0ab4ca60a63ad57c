"""The output formats: one module each, with `render(report, context) -> str`, imported when asked for."""

from __future__ import annotations

import importlib

from mmlint.finding import Finding, Report, Severity
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Context:
    """What a writer may know beside the report. `command` is check, patch or audit; `width` is in columns."""

    command: str = "check"
    color: bool = False
    show_ignored: bool = False
    fail_on: Severity = Severity.ERROR
    statistics: bool = False
    quiet: bool = False
    docs_url: str = ""

    def link(self, finding: Finding) -> str:
        """The address of the rule's page, or nothing when nobody said where the pages are."""
        return self.docs_url.replace("{name}", finding.name).replace("{code}", finding.code)


@dataclass(frozen=True, slots=True)
class Writer:
    """A format: the module that renders it, and whether a program reads it (then nothing else is printed)."""

    module: str
    summary: str
    machine: bool = True

    def render(self, report: Report, context: Context) -> str:
        """The whole output, ending in a newline unless empty."""
        text: str = importlib.import_module(f"mmlint.output.{self.module}").render(report, context)
        return text


WRITERS = {
    "full": Writer("full", "source lines with carets, the places on the way, and the witness", machine=False),
    "concise": Writer("concise", "one line a finding, `path:line:column: CODE message`", machine=False),
    "grouped": Writer("grouped", "findings below the name of their file", machine=False),
    "markdown": Writer("markdown", "for a pull request comment or a wiki page"),
    "json": Writer("json_report", "one object; the stable format for programs"),
    "jsonl": Writer("jsonl", "one finding a line, as in `json`"),
    "csv": Writer("csv_table", "one finding a row, for spreadsheets"),
    "sarif": Writer("sarif", "SARIF 2.1.0, for GitHub code scanning and viewers"),
    "github": Writer("github", "workflow commands: annotations on a GitHub pull request"),
    "gitlab": Writer("gitlab", "GitLab code quality report"),
    "checkstyle": Writer("checkstyle", "Checkstyle XML, for Jenkins and others"),
    "junit": Writer("junit", "JUnit XML, one test case a finding"),
    "rdjson": Writer("rdjson", "Reviewdog Diagnostic Format"),
    "patchwork": Writer("patchwork", "bodies of Patchwork checks, one a patch"),
    "checkpatch": Writer("checkpatch", "terse lines as of checkpatch.pl, for `b4 am` and `b4 prep --check`"),
    "b4": Writer("b4", "JSON for b4's review checks"),
    "mail": Writer("mail", "a reply to each patch, as an mbox"),
}
ALIASES = {"json-v1": "json"}
"""Names that stay when `json` comes to mean a later version."""
