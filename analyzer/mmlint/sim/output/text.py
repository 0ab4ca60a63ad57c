"""A trace as a table for the terminal, and as JSON."""

from __future__ import annotations

import json

from mmlint.sim.oracles import MEANING
from mmlint.sim.scenario import Scenario
from mmlint.sim.trace import Trace, TraceStep

WIDTH = 34


def table(scenario: Scenario, trace: Trace) -> str:
    """One column per CPU, what the step changed beside it, and the verdict."""
    widths = [column(trace, task) for task in trace.tasks]
    lines = [
        f"{scenario.id}  {scenario.name}",
        f"{scenario.summary}",
        f"variant {trace.variant}" + (", a hypothesis" if scenario.hypothesis else ""),
        "",
        row("", list(trace.tasks), widths, "changed"),
        row("", ["-" * width for width in widths], widths, "-------"),
    ]
    for number, step in enumerate(trace.steps, 1):
        lines += step_rows(number, step, trace, widths)
    lines += ["", verdict(trace), f"schedule: {trace.schedule}"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def column(trace: Trace, task: str) -> int:
    """Width of a task's column: its longest action, within limits."""
    longest = max((len(step.action) for step in trace.steps if step.task == task), default=0)
    return max(len(task), min(longest, WIDTH))


def row(number: str, cells: list[str], widths: list[int], changed: str) -> str:
    """One line of the table."""
    body = " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{number:>3}  {body} | {changed}"


def step_rows(number: int, step: TraceStep, trace: Trace, widths: list[int]) -> list[str]:
    """A step: its action cut into the column's width, its changes one a line."""
    at = trace.tasks.index(step.task)
    left = wrap(step.action, widths[at])
    right = [f"{what}: {before} -> {now}" for what, before, now in step.changes]
    rows = []
    for line in range(max(len(left), len(right), 1)):
        cells = [""] * len(widths)
        cells[at] = left[line] if line < len(left) else ""
        rows.append(row(str(number) if line == 0 else "", cells, widths, right[line] if line < len(right) else ""))
    return rows


def wrap(text: str, width: int) -> list[str]:
    """Words in lines of at most `width`; longer words are cut."""
    import textwrap

    return textwrap.wrap(text, width) or [""]


def verdict(trace: Trace) -> str:
    """What broke, with the meaning of the oracle, or that nothing did on this schedule."""
    if not trace.verdict:
        return "nothing is broken on this schedule"
    kind = trace.verdict.partition(":")[0]
    return f"BROKEN  {trace.verdict}\n        ({MEANING.get(kind, kind)})"


def document(scenario: Scenario, trace: Trace) -> str:
    """The same as one JSON object."""
    data = {
        "scenario": scenario.id,
        "name": scenario.name,
        "summary": scenario.summary,
        "story": scenario.story,
        "hypothesis": scenario.hypothesis,
        "variant": trace.variant,
        "schedule": trace.schedule,
        "tasks": list(trace.tasks),
        "start": dict(trace.start),
        "steps": [
            {
                "task": step.task,
                "action": step.action,
                "changes": [{"what": what, "before": before, "after": now} for what, before, now in step.changes],
            }
            for step in trace.steps
        ],
        "verdict": trace.verdict,
    }
    return json.dumps(data, indent=2) + "\n"
