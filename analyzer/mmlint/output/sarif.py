"""`sarif`: SARIF 2.1.0. The steps are one code flow; the witness is another, with a thread flow for each CPU."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from mmlint import __version__
from mmlint.finding import Finding, Origin, Report, Severity, Suppressed
from mmlint.output import Context
from mmlint.output.json_report import clean
from mmlint.output.witness import Turn, witness

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_STATES = {Origin.NEW: "new", Origin.PRE_EXISTING: "unchanged"}
_RANKS = {"high": 90.0, "medium": 60.0, "low": 30.0}


def render(report: Report, context: Context) -> str:
    """One log with one run."""
    silenced = [(item.finding, item) for item in report.suppressed]
    rows = [*((finding, None) for finding in report.findings), *silenced]
    pages = {finding.code: context.link(finding) for finding, _ in rows}
    codes = sorted(pages)
    run = {
        "tool": {"driver": _driver(pages)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the kernel tree."}}},
        "invocations": [_invocation(report)],
        "results": [_result(finding, codes.index(finding.code), item) for finding, item in rows],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _driver(pages: dict[str, str]) -> dict[str, Any]:
    from mmlint.policy.codes import find as find_policy
    from mmlint.rule import find

    rules: list[dict[str, Any]] = []
    for code, page in sorted(pages.items()):
        rule = find(code) or find_policy(code)
        if rule is None:
            rules.append({"id": code})
            continue
        rules.append(
            {
                "id": code,
                "name": "".join(word.capitalize() for word in rule.name.split("-")),
                "shortDescription": {"text": rule.summary},
                "help": {"text": rule.doc},
                **({"helpUri": page} if page else {}),
                "properties": {"tags": ["linux-mm", code[:3]]},
            }
        )
    return {"name": "mmlint", "version": __version__, "semanticVersion": __version__, "rules": rules}


def _invocation(report: Report) -> dict[str, Any]:
    problems = [
        {
            "level": "error",
            "message": {"text": clean(problem.message)},
            **({"locations": [_location(problem.path, problem.line or None)]} if problem.path else {}),
        }
        for problem in report.errors
    ]
    notes = [{"level": "note", "message": {"text": clean(note)}} for note in report.notes]
    return {"executionSuccessful": not report.errors, "toolExecutionNotifications": [*problems, *notes]}


def _result(finding: Finding, index: int, silenced: Suppressed | None) -> dict[str, Any]:
    flows = [flow for flow in (_steps(finding), _witness(finding)) if flow]
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "rank": _RANKS[finding.confidence.value],
        "message": {"text": clean(finding.message)},
        "locations": [_location(finding.path, finding.line, finding.column, finding.end_line, finding.function)],
        "partialFingerprints": {"mmlint/v1": finding.fingerprint},
        "properties": {
            "confidence": finding.confidence.value,
            "origin": finding.origin.value,
            "scenario": finding.simulation.scenario,
            "schedule": finding.simulation.schedule,
            "test": finding.simulation.test,
            "replay": finding.simulation.command,
        },
    }
    if finding.steps:
        result["relatedLocations"] = [
            {"id": number, **_location(step.path, step.line), "message": {"text": clean(step.message)}}
            for number, step in enumerate(finding.steps)
        ]
    if flows:
        result["codeFlows"] = flows
    baselined = silenced is not None and silenced.kind == "baseline"
    if baselined or finding.origin in _STATES:
        result["baselineState"] = "unchanged" if baselined else _STATES[finding.origin]
    if silenced is not None and not baselined:
        kind = "inSource" if silenced.kind == "inline" else "external"
        justification = f"{clean(silenced.reason)} ({clean(silenced.where)})"
        result["suppressions"] = [{"kind": kind, "status": "accepted", "justification": justification}]
    return result


def _location(
    path: str, line: int | None, column: int | None = None, end_line: int | None = None, function: str = ""
) -> dict[str, Any]:
    absolute = PurePosixPath(path).is_absolute()
    uri = quote(path, safe="/", errors="surrogateescape")
    artifact = {"uri": f"file://{uri}"} if absolute else {"uri": uri, "uriBaseId": "SRCROOT"}
    physical: dict[str, Any] = {"artifactLocation": artifact}
    if line:
        region = {"startLine": line, "startColumn": column, "endLine": end_line and max(line, end_line)}
        physical["region"] = {name: value for name, value in region.items() if value}
    location: dict[str, Any] = {"physicalLocation": physical}
    if function:
        location["logicalLocations"] = [{"name": clean(function), "kind": "function"}]
    return location


def _steps(finding: Finding) -> dict[str, Any] | None:
    if not finding.steps:
        return None
    places = [(step.path, step.line, step.message) for step in finding.steps]
    places.append((finding.path, finding.line, finding.message))
    flow = [
        {"location": {**_location(path, line), "message": {"text": clean(message)}}, "executionOrder": order}
        for order, (path, line, message) in enumerate(places, 1)
    ]
    return {"message": {"text": "how the code gets there"}, "threadFlows": [{"locations": flow}]}


def _witness(finding: Finding) -> dict[str, Any] | None:
    cpus: dict[str, list[tuple[int, Turn]]] = {}
    played = witness(finding.simulation)
    for order, turn in enumerate(played.turns, 1):
        cpus.setdefault(turn.cpu, []).append((order, turn))
    if not cpus:
        return None
    threads = [
        {
            "id": clean(cpu),
            "message": {"text": clean(cpu)},
            "locations": [
                {"location": {"message": {"text": clean(turn.text)}}, "executionOrder": order} for order, turn in rows
            ],
        }
        for cpu, rows in cpus.items()
    ]
    text = clean(f"{played.verdict or 'witness'}; replay: {finding.simulation.command}")
    return {"message": {"text": text}, "threadFlows": threads}
