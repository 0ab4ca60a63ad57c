"""A trace as a sequence diagram in SVG: a lane per CPU, time downwards, changes at the right."""

from __future__ import annotations

from html import escape

from mmlint.sim.output.text import verdict
from mmlint.sim.scenario import Scenario
from mmlint.sim.trace import Trace, TraceStep

LANE, CHANGES, LINE, TOP = 230, 420, 15, 92
STYLE = """
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1c2430 }
.title { font-size: 15px; font-weight: 600 } .dim { fill: #5b6675 } .change { fill: #0b5f4a }
.lane { stroke: #c3cad4; stroke-width: 1 }
.box { fill: #eef3fb; stroke: #5a7fb5 } .head { fill: #dfe8f5; stroke: #5a7fb5 }
.bad { fill: #fdecea; stroke: #b3261e } .badtext { fill: #8c1d18; font-weight: 600 }
"""


def diagram(scenario: Scenario, trace: Trace) -> str:
    """A self-contained SVG document; all text is escaped."""
    width = 20 + LANE * len(trace.tasks) + CHANGES
    body: list[str] = []
    y = TOP
    for number, step in enumerate(trace.steps, 1):
        last = bool(trace.verdict) and number == len(trace.steps)
        height = max(2, len(step.changes), 1) * LINE + 10
        body.append(step_box(step, trace.tasks.index(step.task), number, y, last))
        body += changes_text(step, 20 + LANE * len(trace.tasks), y)
        y += height
    lines = verdict(trace).splitlines()
    for n, line in enumerate(lines):
        body.append(text(16, y + 26 + n * LINE, line.strip(), "badtext" if trace.verdict else "dim"))
    height = y + 40 + LINE * len(lines)
    head = lanes(trace.tasks, y)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        f"<title>{escape(scenario.name)}, variant {escape(trace.variant)}</title>\n<style>{STYLE}</style>\n"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        + text(16, 26, f"{scenario.id}  {scenario.name}  ({trace.variant})", "title")
        + text(16, 46, scenario.summary, "dim")
        + "".join(head + body)
        + "</svg>\n"
    )


def text(x: int, y: int, content: str, cls: str = "") -> str:
    """One line of text."""
    mark = f' class="{cls}"' if cls else ""
    return f'<text x="{x}" y="{y}"{mark}>{escape(content)}</text>\n'


def lanes(tasks: tuple[str, ...], bottom: int) -> list[str]:
    """The vertical lines with the names on top."""
    drawn = []
    for index, task in enumerate(tasks):
        middle = 10 + LANE * index + LANE // 2
        drawn.append(f'<line class="lane" x1="{middle}" y1="80" x2="{middle}" y2="{bottom}"/>\n')
        drawn.append(f'<rect class="head" x="{middle - 70}" y="58" width="140" height="22" rx="3"/>\n')
        drawn.append(text(middle - 62, 74, task))
    return drawn


def step_box(step: TraceStep, lane: int, number: int, y: int, bad: bool) -> str:
    """One action on its lane; the one that breaks is marked."""
    x = 16 + LANE * lane
    label = step.action if len(step.action) <= 27 else step.action[:26] + "…"
    cls = "box bad" if bad else "box"
    box = f'<rect class="{cls}" x="{x}" y="{y}" width="{LANE - 14}" height="22" rx="3">'
    return f"{box}<title>{escape(step.action)}</title></rect>\n" + text(x + 6, y + 15, f"{number} {label}")


def changes_text(step: TraceStep, x: int, y: int) -> list[str]:
    """What the step changed."""
    return [
        text(x, y + 15 + n * LINE, f"{what}: {before} → {now}"[:64], "change")
        for n, (what, before, now) in enumerate(step.changes)
    ]
