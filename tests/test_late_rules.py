"""The rules as an earlier run kept them say what their modules say, and a module is loaded only for its check."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from mmlint.engine import check_file
from mmlint.facts.program import Program
from mmlint.inputs.tree import EmptyTree, OverlayTree
from mmlint.rule import Rule, known, load
from mmlint.sim.scenario import Scenario
from mmlint.sim.scenarios import MODULES, all_scenarios

ROOT = Path(__file__).parent.parent
LATE = {"scenario", "needs", "places", "check", "compare", "check_patch"}
PLAIN = [each.name for each in fields(Rule) if each.name not in LATE]


def python(code: str, cache: Path, rules: Path = ROOT / "rules") -> list[str]:
    """What a fresh Python prints, in words."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'analyzer'}:{rules}",
        "MMLINT_CACHE_DIR": str(cache),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(autouse=True, scope="module")
def fresh() -> None:
    known.cache_clear()


def test_the_same_rules_in_the_same_order() -> None:
    assert [rule.code for rule in known()] == [rule.code for rule in load()]


@pytest.mark.parametrize(("late", "whole"), list(zip(known(), load(), strict=True)), ids=[rule.code for rule in load()])
def test_a_late_rule_agrees_with_its_module(late: Rule, whole: Rule) -> None:
    assert [getattr(late, name) for name in PLAIN] == [getattr(whole, name) for name in PLAIN]
    for name in ("check", "compare", "check_patch"):
        assert (getattr(late, name) is None) == (getattr(whole, name) is None)
    assert late.scenario.id == whole.scenario.id
    assert late.doc == whole.doc


def test_a_late_rule_finds_what_the_rule_finds() -> None:
    path = "mm/fixture.c"
    text = (ROOT / "fixtures/PTL101-sleep-under-ptl/bad.c").read_bytes()
    found = [
        check_file(Program(OverlayTree(EmptyTree(), {path: text})), path, [r for r in rules if r.code == "PTL101"])
        for rules in (known(), load())
    ]
    assert found[0] == found[1] != []


def test_a_module_is_loaded_for_its_check_alone(tmp_path: Path) -> None:
    code = (
        "import sys; from mmlint.rule import known; rules = known();"
        "print(sum(name.count('.') == 2 for name in sys.modules if name.startswith('mmlint_rules.')));"
        "list(next(r for r in rules if r.code == 'PAT102').check_patch(type('View', (), {'files': ()})));"
        "print(*(name for name in sys.modules if name.startswith('mmlint_rules.') and name.count('.') == 2))"
    )
    assert int(python(code, tmp_path)[0]) == len({rule.module for rule in load()}) + 1  # and pat.lost
    assert python(code, tmp_path) == ["0", "mmlint_rules.pat.malformed_trailer"]


def test_a_changed_rule_is_read_again(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", rules, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from mmlint.rule import known; print(*(r.summary.replace(' ', '_') for r in known() if r.code == 'PTL101'))"
    before = python(code, tmp_path / "cache", rules)
    file = rules / "mmlint_rules/ptl/sleep_under_ptl.py"
    file.write_text(file.read_text().replace('summary="a call that may', 'summary="a word that may'))
    assert python(code, tmp_path / "cache", rules) == [before[0].replace("a_call", "a_word")]


def test_a_new_rule_is_found_without_being_registered(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", rules, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from mmlint.rule import known; print(*(r.code for r in known()))"
    before = python(code, tmp_path / "cache", rules)
    text = (rules / "mmlint_rules/ptl/sleep_under_ptl.py").read_text()
    other = text.replace("PTL101", "PTL998").replace("sleep-under-ptl", "sleep-under-another")
    (rules / "mmlint_rules/ptl/sleep_under_another.py").write_text(other)
    assert set(python(code, tmp_path / "cache", rules)) - set(before) == {"PTL998"}


@pytest.mark.parametrize("whole", all_scenarios(), ids=lambda scenario: scenario.id)
def test_a_late_scenario_becomes_the_whole_one(whole: Scenario) -> None:
    from mmlint.sim import scenarios

    late: Scenario = getattr(scenarios, whole.id)
    assert isinstance(late, Scenario)
    assert [getattr(late, each.name) for each in fields(Scenario)] == [
        getattr(whole, each.name) for each in fields(Scenario)
    ]
    assert (late.command, late.test, late.story) == (whole.command, whole.test, whole.story)


def test_only_scenarios_of_the_table_have_names() -> None:
    from mmlint.sim import scenarios

    assert [getattr(scenarios, name).id for name in MODULES] == list(MODULES)
    with pytest.raises(AttributeError, match="S999"):
        _ = scenarios.S999
    with pytest.raises(AttributeError):
        _ = scenarios.S12.nothing  # type: ignore[attr-defined]
