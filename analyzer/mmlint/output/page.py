"""A rule's page in Markdown: what `mmlint rule`, the documentation and an editor show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmlint.policy.codes import PolicyRule
    from mmlint.rule import Rule


def page(rule: Rule) -> str:
    """The rule's docstring, with its levels below the first line and where the proof is at the end."""
    scenario = rule.scenario
    title, _, body = rule.doc.partition("\n")
    level = f"{rule.severity.value}, {rule.confidence.value} confidence, since {rule.since}"
    level += ", preview" if rule.status == "preview" else ""
    level += "; info in a patch that changes a lot, or reverts a commit" if rule.by_steps else ""
    proof = f"Scenario {scenario.id}: {scenario.summary}\n\n    {scenario.command}\n    pytest {scenario.test}\n"
    if scenario.shown_on:
        proof += f"\nShown on a real kernel, whole and with the guard taken out: {', '.join(scenario.shown_on)}\n"
    return f"# {title}\n\n{level}\n{body}\n\n## Proof\n{proof}"


def policy_page(rule: PolicyRule) -> str:
    """The page of a check of the policy itself."""
    return f"# {rule.code} {rule.name}: {rule.summary}\n\n{rule.doc}\n"
