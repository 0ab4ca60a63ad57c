"""Every scenario: the bad variant breaks as stated, the good one holds over all interleavings."""

from __future__ import annotations

from functools import cache

import pytest
from mmlint.sim.explore import Outcome
from mmlint.sim.scenario import HOLDS, Scenario, Variant, witnesses
from mmlint.sim.scenarios import all_scenarios
from mmlint.sim.trace import run_schedule

SCENARIOS = all_scenarios()
by_id = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
MATRIX = [(s, v) for s in SCENARIOS for v in s.variants]


@cache
def _explored(scenario_id: str, variant: str) -> Outcome:
    return next(s for s in SCENARIOS if s.id == scenario_id).explore(variant)


def explored(scenario: Scenario, variant: str) -> Outcome:
    """Each variant is explored once for all tests."""
    return _explored(scenario.id, variant)


@by_id
def test_bad_breaks(scenario: Scenario) -> None:
    bad = scenario.variant("bad")
    assert bad.expect != HOLDS
    outcome = explored(scenario, scenario.bad)
    assert outcome.kind == bad.expect, outcome.message
    assert outcome.schedule == scenario.schedule, "run python -m mmlint.sim.record"


@by_id
def test_good_holds(scenario: Scenario) -> None:
    assert scenario.variant("good").expect == HOLDS
    outcome = explored(scenario, scenario.good)
    assert (outcome.kind, outcome.message) == (HOLDS, "")
    assert outcome.unreached == (), "the good variant never gets into the situation it claims to survive"
    assert outcome.schedules >= 2
    assert outcome.states > 2


@pytest.mark.parametrize(("scenario", "variant"), MATRIX, ids=[f"{s.id}-{v.name}" for s, v in MATRIX])
def test_outcome_matrix(scenario: Scenario, variant: Variant) -> None:
    outcome = explored(scenario, variant.name)
    assert outcome.kind == variant.expect, f"{outcome.message} after {outcome.schedule}"


@by_id
def test_witness_replays_to_the_same_trace(scenario: Scenario) -> None:
    first = run_schedule(scenario, "bad", scenario.schedule)
    assert first == run_schedule(scenario, "bad", scenario.schedule)
    bad = scenario.variant("bad").expect
    if bad == "livelock":
        assert first.verdict == ""
    else:
        assert first.verdict.startswith(f"{bad}: ")


@by_id
def test_story_and_names(scenario: Scenario) -> None:
    assert len(scenario.story) > 100
    assert scenario.name == scenario.name.lower()
    assert scenario.summary
    assert len({v.name for v in scenario.variants}) == len(scenario.variants)


def test_witness_file_lists_exactly_the_scenarios() -> None:
    assert list(witnesses()) == [scenario.id for scenario in SCENARIOS]


def test_ids_and_names_are_unique() -> None:
    assert len({s.id for s in SCENARIOS}) == len(SCENARIOS) == len({s.name for s in SCENARIOS})
