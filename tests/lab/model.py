"""What the simulator says of a kernel: a variant of a scenario, or a policy that has no name there, explored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.scenarios import find


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A kernel in the model's terms: the name of a variant, or a name of ours with the policy."""

    name: str
    policy: Any = None


def scenario_of(identifier: str) -> Scenario:
    """The scenario with this id. Raises KeyError."""
    found = find(identifier)
    if found is None:
        raise KeyError(identifier)
    return found


@cache
def outcome(identifier: str, behaviour: Behaviour) -> str:
    """`holds`, or the property that breaks, over all interleavings."""
    scenario = scenario_of(identifier)
    if behaviour.policy is not None:
        extra = Variant(behaviour.name, behaviour.policy, HOLDS)
        scenario = replace(scenario, variants=(*scenario.variants, extra))
    return str(scenario.explore(behaviour.name).kind)
