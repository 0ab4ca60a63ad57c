"""What `mmlint sim` and `mmlint sims` do, as plain functions that return the text to print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmlint.sim import trace
from mmlint.sim.explore import SimError
from mmlint.sim.scenario import Scenario
from mmlint.sim.scenarios import all_scenarios, find


def resolve(word: str) -> Scenario:
    """A scenario by id, name, or path of a Python file. Raises `SimError`."""
    if word.endswith(".py") or "/" in word:
        return trace.load_file(Path(word))
    found = find(word)
    if found is None:
        import difflib

        names = [name for scenario in all_scenarios() for name in (scenario.id, scenario.name)]
        close = difflib.get_close_matches(word, names, 3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; mmlint sims lists them"
        raise SimError(f"no scenario '{word}'{hint}")
    return found


def show(word: str, variant: str | None = None, schedule: str | None = None, format: str = "text") -> str:  # noqa: A002
    """The replay of a scenario. Without a schedule the recorded witness. Raises `SimError` with one clear line."""
    return trace.render(resolve(word), variant, schedule, format)


def listing(rule_scenarios: Mapping[str, list[str]]) -> str:
    """All scenarios, one a line: id, name, summary, and the rules that point at it (rule code to scenario ids)."""
    rules: dict[str, list[str]] = {}
    for code, ids in rule_scenarios.items():
        for scenario_id in ids:
            rules.setdefault(scenario_id, []).append(code)
    scenarios = all_scenarios()
    width = max(len(scenario.name) for scenario in scenarios)
    lines = []
    for scenario in scenarios:
        codes = rules.get(scenario.id, [])
        tail = f"  [{', '.join(sorted(codes))}]" if codes else ""
        lines.append(f"{scenario.id:<9}{scenario.name:<{width}}  {scenario.summary}{tail}")
    return "\n".join(lines) + "\n"


def matrix() -> str:
    """Every scenario on every variant with its outcome; explores all of them, which takes some seconds."""
    return trace.matrix()


__all__ = ["SimError", "listing", "matrix", "resolve", "show"]
