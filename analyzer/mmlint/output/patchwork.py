"""`patchwork`: for each patch the body of `POST /api/1.x/patches/<id>/checks/`, and the message id to find it by."""

from __future__ import annotations

import json
from typing import Any

from mmlint.finding import Finding, PatchRef, Report, Severity
from mmlint.output import Context
from mmlint.output.json_report import clean
from mmlint.output.text import counted, plural

_DESCRIPTION = 255


def render(report: Report, _context: Context) -> str:
    """A JSON array of `{message_id, subject, check}`, clean patches included."""
    patches = dict.fromkeys(mail.patch for mail in report.mails)
    patches |= dict.fromkeys(finding.patch for finding in report.findings if finding.patch is not None)
    items = [_item(patch, [f for f in report.findings if f.patch == patch and counted(f)]) for patch in patches]
    return json.dumps(items, indent=2) + "\n"


def _item(patch: PatchRef, findings: list[Finding]) -> dict[str, Any]:
    worst = max((finding.severity.rank for finding in findings), default=-1)
    state = "fail" if worst == Severity.ERROR.rank else "warning" if worst == Severity.WARNING.rank else "success"
    text = "no findings"
    if findings:
        first = max(findings, key=lambda finding: finding.severity.rank)
        text = f"{plural(len(findings), 'finding')}; {first.code}: {first.message} ({first.path}:{first.line})"
    return {
        "message_id": clean(patch.message_id),
        "subject": clean(patch.subject),
        "check": {"state": state, "context": "mmlint", "description": clean(text)[:_DESCRIPTION]},
    }
