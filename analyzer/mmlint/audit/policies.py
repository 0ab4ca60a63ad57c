"""The policy report: what each rule looked at in a tree, and what came of it."""

from __future__ import annotations

from collections import Counter

from mmlint.finding import Policy, Report
from mmlint.rule import Rule, known
from mmlint.settings import Settings
from mmlint.tally import Looks

CHECKED = "checked"


def policies(report: Report, settings: Settings, looks: Looks) -> list[Policy]:
    """A row for each rule, those that did not run included."""
    failed = Counter(finding.code for finding in report.findings)
    silenced = Counter((each.finding.code, each.kind) for each in report.suppressed)
    return [_row(rule, report, settings, looks, failed, silenced) for rule in known()]


def _row(
    rule: Rule,
    report: Report,
    settings: Settings,
    looks: Looks,
    failed: Counter[str],
    silenced: Counter[tuple[str, str]],
) -> Policy:
    state = _state(rule, settings, looks)
    if state != CHECKED:
        return Policy(rule.code, rule.name, state)
    places, broken = report.places.get(rule.code, (0, 0))
    unit = looks.unit(rule)
    return Policy(
        rule.code,
        rule.name,
        state,
        unit or "not counted",
        places if unit and places >= 0 else None,
        broken,
        failed[rule.code],
        silenced[rule.code, "inline"],
        silenced[rule.code, "file"],
        silenced[rule.code, "baseline"],
        report.left_out.get(rule.code, 0),
    )


def _state(rule: Rule, settings: Settings, looks: Looks) -> str:
    """`CHECKED`, or why nothing was looked at."""
    if not settings.selects(rule):
        return "preview, not selected" if rule.status == "preview" else "not selected by the policy"
    if rule.check is None:
        return "compares two states: runs on patches"
    return CHECKED if looks.has(rule) else f"nothing that it is about is in {looks.release}"
