"""The rules' documentation: a page for each rule with the picture of its witness, and their list by family."""

from __future__ import annotations

from collections.abc import Iterable

from mmlint.output.page import page, policy_page
from mmlint.policy.codes import POLICY_RULES
from mmlint.rule import FAMILIES, Rule
from mmlint.sim import commands

INDEX = "README.md"
_NOTE = "<!-- made by `make docs` from the rule's docstring -->\n"


def pages(rules: Iterable[Rule]) -> dict[str, str]:
    """Every file of the documentation by its path: `NAME.md` for each rule, `scenarios/NAME.svg`, and the list."""
    ordered = sorted(rules, key=lambda rule: rule.code)
    found = {INDEX: _index(ordered)}
    for rule in ordered:
        picture = f"scenarios/{rule.scenario.name}.svg"
        if picture not in found:
            found[picture] = commands.show(rule.scenario.id, None, None, "svg")
        found[f"{rule.name}.md"] = f"{_NOTE}{page(rule)}\n![{rule.scenario.summary}]({picture})\n"
    for policy in POLICY_RULES:
        found[f"{policy.name}.md"] = _NOTE + policy_page(policy)
    return found


def _index(rules: list[Rule]) -> str:
    rows = [_NOTE.replace("docstring", "docstrings").replace("the rule's", "the rules'"), "# Rules\n"]
    for letters, words in FAMILIES.items():
        family = [rule for rule in rules if rule.family == letters]
        rows += [f"\n## {letters}: {words}\n\n"] if family else []
        rows += [_row(rule.code, rule.name, rule.summary, rule.status == "preview") for rule in family]
    rows += ["\n## POL: suppressions\n\n", *(_row(rule.code, rule.name, rule.summary) for rule in POLICY_RULES)]
    return "".join(rows)


def _row(code: str, name: str, summary: str, preview: bool = False) -> str:
    return f"- [{code} {name}]({name}.md): {summary}{' (preview)' if preview else ''}\n"
