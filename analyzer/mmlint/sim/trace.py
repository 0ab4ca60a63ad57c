"""What happened, step by step: who ran, what he did, and which state changed; and the ways to show it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmlint.sim.explore import SimError, advance, decode, encode, settle
from mmlint.sim.scenario import HOLDS, Scenario
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
    if value is None:
        return "-"
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


def shown_schedule(scenario: Scenario, variant: str | None) -> str:
    """The schedule to show when none is given: the witness for `bad`, the shortest break of a variant that breaks.

    A variant that holds is shown on the order of the witness, as far as its tasks can follow it, and then to the end.
    """
    chosen = scenario.variant(variant)
    if chosen.name == scenario.bad and scenario.schedule:
        return scenario.schedule
    outcome = scenario.explore(chosen.name) if chosen.expect != HOLDS else None
    if outcome is not None and outcome.schedule:
        return outcome.schedule
    world = scenario.world(chosen.name)
    names: list[str] = []
    try:
        for name in decode(scenario.schedule):
            if any(task.name == name and task.ready for task in world.tasks):
                advance(world, name)
                names.append(name)
        while len(names) < 400 and (ready := [task.name for task in world.tasks if task.ready]):
            advance(world, ready[0])
            names.append(ready[0])
    except Violation:
        names.append(world.current.name)
    return encode(names)


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


def writers() -> dict[str, Callable[[Scenario, Trace], str]]:
    """The output formats by name."""
    from mmlint.sim.output import html, svg, text

    return {"text": text.table, "json": text.document, "svg": svg.diagram, "html": html.page}


def render(scenario: Scenario, variant: str | None, schedule: str | None, format: str) -> str:  # noqa: A002
    """A replay in one of the formats text, json, svg, html. Raises `SimError` with one line about what is wrong."""
    try:
        name = scenario.variant(variant).name
    except KeyError:
        known = ", ".join(v.name for v in scenario.variants)
        raise SimError(f"{scenario.name} has no variant '{variant}' (variants: {known})") from None
    formats = writers()
    if format not in formats:
        raise SimError(f"no format '{format}' (formats: {', '.join(formats)})")
    order = shown_schedule(scenario, name) if schedule is None else schedule
    return formats[format](scenario, run_schedule(scenario, name, order))


def matrix() -> str:
    """Every scenario on every variant: what broke, and how many states and schedules were explored."""
    from mmlint.sim.scenarios import all_scenarios

    lines: list[str] = []
    states = schedules = 0
    for scenario in all_scenarios():
        lines.append(f"{scenario.id:<9}{scenario.name}" + ("  (hypothesis)" if scenario.hypothesis else ""))
        for variant in scenario.variants:
            outcome = scenario.explore(variant.name)
            states += outcome.states
            schedules += outcome.schedules
            wrong = "" if outcome.kind == variant.expect else f"   EXPECTED {variant.expect}"
            size = f"{outcome.states} states" + (f", {outcome.schedules} schedules" if outcome.schedules else "")
            lines.append(f"         {variant.name:<26}{outcome.kind:<10}{size}{wrong}")
    lines.append(f"{states} states, {schedules} complete schedules")
    return "\n".join(lines) + "\n"


def load_file(path: str | Path) -> Scenario:
    """The scenario in a file of one's own: the one `Scenario` in it, or the one named SCENARIO. Raises `SimError`."""
    file = Path(path)
    if not file.is_file():
        raise SimError(f"{file}: no such file")
    spec = importlib.util.spec_from_file_location("mmlint_own_scenario", file)
    if spec is None or spec.loader is None:
        raise SimError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SimError(f"{file}: {type(error).__name__}: {error}") from error
    found = [value for value in vars(module).values() if isinstance(value, Scenario)]
    named = getattr(module, "SCENARIO", None)
    if isinstance(named, Scenario):
        return named
    if len(found) != 1:
        raise SimError(f"{file}: has {len(found)} scenarios; name the one to run SCENARIO")
    return found[0]


__all__ = ["Trace", "TraceStep", "load_file", "matrix", "render", "run_schedule"]
