"""`json`: the stable format. Names are never changed or removed, only added, within one schema version."""

from __future__ import annotations

import json
from typing import Any

from mmlint import __version__
from mmlint.finding import Finding, InputError, Policy, Report
from mmlint.output import Context
from mmlint.sim.scenario import kernels_shown

SCHEMA_VERSION = 1


def render(report: Report, _context: Context) -> str:
    """One indented object."""
    return json.dumps(document(report), indent=2) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The object, for those who want to add to it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "mmlint", "version": __version__},
        "interrupted": report.interrupted,
        "findings": [finding_object(finding) for finding in report.findings],
        "errors": [error_object(error) for error in report.errors],
        "notes": [clean(note) for note in report.notes],
        "fixed": [finding_object(finding) for finding in report.fixed],
        "suppressed": [
            {"finding": finding_object(s.finding), "kind": s.kind, "reason": clean(s.reason), "where": clean(s.where)}
            for s in report.suppressed
        ],
        "stats": {**stats_object(report), "seconds": round(report.stats.seconds, 3)},
        **({"policies": [policy_object(policy) for policy in report.policies]} if report.policies else {}),
    }


def error_object(error: InputError) -> dict[str, Any]:
    """Input that could not be read, or used."""
    return {"path": clean(error.path), "message": clean(error.message), "line": error.line}


def stats_object(report: Report) -> dict[str, Any]:
    """What was read."""
    stats = report.stats
    return {"files": stats.files, "functions": stats.functions, "functions_unread": stats.functions_unread}


def policy_object(policy: Policy) -> dict[str, Any]:
    """What a rule looked at; `places` and `passed` are null where they are not counted."""
    return {
        "code": policy.code,
        "name": policy.name,
        "state": policy.state,
        "what": policy.what,
        "places": policy.places,
        "passed": policy.passed,
        "broken": policy.broken,
        "failed": policy.failed,
        "inline": policy.inline,
        "file": policy.file,
        "baseline": policy.baseline,
        "left_out": policy.left_out,
    }


def finding_object(finding: Finding) -> dict[str, Any]:
    """One finding with the names of the format."""
    patch, sim = finding.patch, finding.simulation
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "message": clean(finding.message),
        "path": clean(finding.path),
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "function": clean(finding.function),
        "origin": finding.origin.value,
        "patch": patch
        and {
            "index": patch.index,
            "total": patch.total,
            "subject": clean(patch.subject),
            "message_id": clean(patch.message_id),
        },
        "steps": [{"path": clean(s.path), "line": s.line, "message": clean(s.message)} for s in finding.steps],
        "simulation": {
            "scenario": sim.scenario,
            "schedule": sim.schedule,
            "test": sim.test,
            "command": sim.command,
            "shown_on": kernels_shown().get(sim.scenario, []),
        },
        "fingerprint": finding.fingerprint,
        "notes": [clean(note) for note in finding.notes],
    }


def clean(text: str) -> str:
    """`text` that every JSON reader takes: an undecodable byte is spelled out; JSON escapes controls itself."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
