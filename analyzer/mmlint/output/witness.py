"""The recorded interleaving behind a finding, turn by turn, for the formats that show it."""

from __future__ import annotations

from functools import cache

from mmlint.finding import Simulation
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """One step: which CPU takes it and what it does."""

    cpu: str
    text: str


@dataclass(frozen=True, slots=True)
class Witness:
    """A replayed schedule and what it breaks."""

    turns: tuple[Turn, ...] = ()
    verdict: str = ""


def witness(simulation: Simulation) -> Witness:
    """The recorded schedule played once more; empty when no scenario stands behind the finding."""
    return _replay(simulation.scenario, simulation.schedule) if simulation.schedule else Witness()


@cache
def _replay(word: str, schedule: str) -> Witness:
    from mmlint.sim.explore import SimError
    from mmlint.sim.scenarios import find
    from mmlint.sim.trace import run_schedule

    scenario = find(word)
    if scenario is None:
        return Witness()
    try:
        trace = run_schedule(scenario, None, schedule)
    except SimError:  # the schedule is of another version of the scenario
        return Witness()
    return Witness(tuple(Turn(step.task, step.action) for step in trace.steps), trace.verdict)
