"""`gitlab`: a code quality report. GitLab drops items that share a fingerprint and hides the check's name."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mmlint.finding import Report, Severity
from mmlint.output import Context
from mmlint.output.json_report import clean
from mmlint.output.text import counted

_LEVELS = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def render(report: Report, _context: Context) -> str:
    """A JSON array."""
    seen: set[str] = set()
    items = [
        _item(finding.code, _LEVELS[finding.severity], finding.message, finding.path, finding.line, finding.fingerprint)
        for finding in filter(counted, report.findings)
    ]
    items += [_item("input", "blocker", e.message, e.path or ".", max(e.line, 1), e.message) for e in report.errors]
    for item in items:
        while item["fingerprint"] in seen:
            item["fingerprint"] = hashlib.sha256(item["fingerprint"].encode()).hexdigest()[:20]
        seen.add(item["fingerprint"])
    return json.dumps(items, indent=2) + "\n"


def _item(code: str, severity: str, message: str, path: str, line: int, fingerprint: str) -> dict[str, Any]:
    return {
        "description": f"{code}: {clean(message)}",
        "check_name": code,
        "fingerprint": clean(fingerprint),
        "severity": severity,
        "location": {"path": clean(path), "lines": {"begin": line}},
    }
