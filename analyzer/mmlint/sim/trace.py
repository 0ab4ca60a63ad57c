"""What happened, step by step: who ran, what he did, and which state changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmlint.sim.explore import advance, decode, settle
from mmlint.sim.scenario import Scenario
from mmlint.sim.world import Obj, Task, Violation, World


@dataclass(frozen=True)
class TraceStep:
    """One step: the task, the text of its action, and the state that changed, as `(what, before, after)`."""

    task: str
    action: str
    changes: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Trace:
    """A replayed schedule. `verdict` is empty when nothing broke; `start` is the state before the first step."""

    scenario: str
    variant: str
    schedule: str
    tasks: tuple[str, ...]
    start: tuple[tuple[str, str], ...]
    steps: tuple[TraceStep, ...]
    verdict: str


def picture(world: World) -> dict[str, str]:
    """All visible state as text: `X.refcount` to `1025`."""
    shown: dict[str, str] = {}
    for obj in world.objects.values():
        if isinstance(obj, Task):
            continue
        for name in obj.FIELDS:
            if name == "expected":
                continue
            value = getattr(obj, name)
            if isinstance(value, dict) and name in ("ptes", "vmas", "data"):
                shown.update(
                    {f"{obj.name}[{key}]" + (".vma" if name == "vmas" else ""): word(v) for key, v in value.items()}
                )
            else:
                shown[f"{obj.name}.{name}"] = word(value)
    return shown


def word(value: Any) -> str:
    """A value as the trace shows it."""
    if isinstance(value, Obj):
        return value.name
    if isinstance(value, (list, set, frozenset)):
        return "{" + ", ".join(word(item) for item in value) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{word(k)}: {word(v)}" for k, v in value.items()) + "}"
    return str(value)


def changes(before: dict[str, str], now: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    """What differs between two pictures, in the order of the state."""
    keys = [*now, *(key for key in before if key not in now)]
    return tuple((key, before.get(key, "-"), now.get(key, "-")) for key in keys if before.get(key) != now.get(key))


def run_schedule(scenario: Scenario, variant: str | None, schedule: str) -> Trace:
    """Replay a schedule. Raises `mmlint.sim.explore.ScheduleError` when it does not fit."""
    chosen = scenario.variant(variant)
    world = scenario.world(chosen.name)
    start = before = picture(world)
    steps: list[TraceStep] = []
    verdict = ""
    try:
        settle(world)
        for name in decode(schedule):
            action = next((task.text for task in world.tasks if task.name == name), "")
            try:
                advance(world, name)
                settle(world)
            finally:
                now = picture(world)
                if len(steps) < 10_000 and action:
                    steps.append(TraceStep(name, action, changes(before, now)))
                before = now
    except Violation as broken:
        verdict = str(broken)
    tasks = tuple(task.name for task in world.tasks)
    return Trace(scenario.name, chosen.name, schedule, tasks, tuple(start.items()), tuple(steps), verdict)
