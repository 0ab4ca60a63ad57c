"""Every rule on its fixtures: what is wanted is found, nothing else is, and what is good stays silent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mmlint.rule import Rule, load
from mmlint.testing import findings_between, findings_in, fixture_folder, mismatches, wants

FIXTURES = Path(__file__).parent.parent / "fixtures"
RULES = load()
IDS = [f"{rule.code}-{rule.name}" for rule in RULES]
HEADINGS = ("What it does", "Why it matters", "Bad", "Good", "Limits", "Sources")


def pairs(rule: Rule, kind: str) -> list[tuple[str, str]]:
    """(before, after) file names of a rule that compares; (text, "") of one that does not. There may be several."""
    if rule.check is None:
        ends = "" if kind == "bad" else ".good"
        befores = sorted(fixture_folder(FIXTURES, rule).glob(f"before*{ends}.c"))
        stems = [path.stem for path in befores if path.stem.endswith(".good") == bool(ends)]
        return [(stem, stem.replace("before", "after")) for stem in stems]
    return [(path.stem, "") for path in sorted(fixture_folder(FIXTURES, rule).glob(f"{kind}*.c"))]


def found(rule: Rule, folder: Path, first: str, second: str) -> tuple[str, list[str]]:
    before = (folder / f"{first}.c").read_text()
    if not second:
        return before, mismatches(before, findings_in(before, rule), rule.code)
    after = (folder / f"{second}.c").read_text()
    changelog = folder / f"{second}.txt"
    body = changelog.read_text() if changelog.exists() else ""
    return after, mismatches(after, findings_between(before, after, rule, body=body), rule.code)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_bad_fixture_is_reported(rule: Rule) -> None:
    for first, second in pairs(rule, "bad"):
        text, wrong = found(rule, fixture_folder(FIXTURES, rule), first, second)
        assert any(want.kind == "want" for want in wants(text)), "the bad fixture expects nothing"
        assert wrong == []


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_good_fixture_is_silent(rule: Rule) -> None:
    assert pairs(rule, "good")
    for first, second in pairs(rule, "good"):
        text, wrong = found(rule, fixture_folder(FIXTURES, rule), first, second)
        serious = [want for want in wants(text) if want.kind == "want" and want.level != "info"]
        assert not serious, "the good fixture expects a finding"
        assert wrong == []


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_page_and_value_follow_the_conventions(rule: Rule) -> None:
    assert rule.doc.startswith(f"{rule.code} {rule.name}: ")
    assert [h for h in HEADINGS if f"## {h}" not in rule.doc] == []
    assert re.match(r"[a-z`].*[^.]$", rule.summary)
    assert len(rule.summary) <= 100
    assert re.match(r"tests/sim/\w+\.py::", rule.scenario.test)
    assert rule.scenario.schedule


def test_fixture_folders_belong_to_rules() -> None:
    folders = {p.name for p in FIXTURES.iterdir() if p.is_dir() and re.match(r"[A-Z]{3}\d{3}-", p.name)}
    assert folders == set(IDS)
