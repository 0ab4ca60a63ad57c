"""The result of one file as text, for the store. Source lines are left out: they are read again for the report."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from mmlint.finding import Confidence, Finding, Ignore, Origin, Report, Severity, Simulation, Stats, Step


def dump(report: Report) -> str:
    """A report of a file, without errors and sources."""
    return json.dumps(
        {
            "findings": [asdict(finding) for finding in report.findings],
            "ignores": [asdict(ignore) for ignore in report.ignores],
            "whole": report.whole,
            "places": report.places,
            "stats": [report.stats.files, report.stats.functions, report.stats.functions_unread],
        },
        separators=(",", ":"),
    )


def load(text: str) -> Report:
    """The report again. Raises ValueError, TypeError or KeyError on text of another shape."""
    data = json.loads(text)
    return Report(
        findings=[_finding(item) for item in data["findings"]],
        ignores=[Ignore(**{**item, "codes": tuple(item["codes"])}) for item in data["ignores"]],
        whole=list(data["whole"]),
        places={code: (looked, broken) for code, (looked, broken) in data["places"].items()},
        stats=Stats(*data["stats"]),
    )


def _finding(item: dict[str, Any]) -> Finding:
    return Finding(
        **{
            **item,
            "severity": Severity(item["severity"]),
            "confidence": Confidence(item["confidence"]),
            "origin": Origin(item["origin"]),
            "simulation": Simulation(**item["simulation"]),
            "steps": tuple(Step(**step) for step in item["steps"]),
            "notes": tuple(item["notes"]),
        }
    )
