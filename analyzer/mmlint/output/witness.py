"""The recorded interleaving behind a finding, turn by turn, for the formats that show it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from mmlint.finding import Simulation


@dataclass(frozen=True, slots=True)
class Turn:
    """One step: which CPU takes it and what it does."""

    cpu: str
    text: str


def turns(simulation: Simulation) -> tuple[Turn, ...]:
    """The turns of the recorded schedule; none when there is no scenario behind the finding."""
    return _replay(simulation.scenario, simulation.schedule) if simulation.schedule else ()


@cache
def _replay(scenario: str, schedule: str) -> tuple[Turn, ...]:
    from mmlint.sim import commands

    try:
        trace = json.loads(commands.show(scenario, None, schedule, "json"))
    except commands.SimError:
        return ()
    return tuple(Turn(step["cpu"], step["text"]) for step in trace["steps"])
