"""Runs a conformance program in a process of its own and sets it against the simulator.

python -m tests.conformance.compare         prints the table for the kernel at hand
python -m tests.conformance.compare --write puts it into docs/conformance.md
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mmlint.sim.scenario import HOLDS

from tests.conformance.programs import PROGRAMS
from tests.lab.model import outcome, scenario_of

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/conformance.md"
RUNS = 10
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Compared:
    """What the model says, how often the kernel did what, and one line of what was seen (or why it was skipped)."""

    model: str
    kernel: Counter[str]
    seen: str

    @property
    def skipped(self) -> bool:
        """Whether the kernel or the sandbox lacks what the program needs."""
        return "skip" in self.kernel

    @property
    def agrees(self) -> bool:
        """Whether every run came to what the model says of a present-day kernel."""
        return set(self.kernel) == {HOLDS if self.model == HOLDS else "breaks"}


def compare(name: str, runs: int = RUNS) -> Compared:
    """Runs a program `runs` times. A process that dies or hangs counts as an outcome of its own."""
    program = PROGRAMS[name]
    command = [sys.executable, "-m", "tests.conformance.programs", name, str(runs)]
    paths = os.pathsep.join(str(ROOT / folder) for folder in (".", "analyzer", "rules"))
    environment = {**os.environ, "PYTHONPATH": paths}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        lines, end = (
            done.stdout.splitlines(),
            "" if done.returncode == 0 else f"exit {done.returncode} {done.stderr[-200:]}",
        )
    except subprocess.TimeoutExpired:
        lines, end = [], f"hang no end within {SECONDS} s"
    lines += [end] if end else []
    counted = Counter(line.partition(" ")[0] for line in lines)
    return Compared(outcome(program.scenario, program.kernel), counted, lines[-1].partition(" ")[2] if lines else "")


def table() -> str:
    """Every program on the kernel at hand, as Markdown."""
    rows = [f"Kernel {os.uname().release.partition('-')[0]}, {RUNS} runs each.\n\n"]
    rows += [
        "| Program | Scenario | Model: this kernel is | Model says | Kernel says | Seen |\n",
        "|---|---|---|---|---|---|\n",
    ]
    for name, program in PROGRAMS.items():
        result = compare(name)
        kernel = ", ".join(
            f"{word} {count}/{RUNS}" if word != "skip" else word for word, count in result.kernel.items()
        )
        mark = "" if result.skipped or result.agrees else " (disagrees)"
        scenario = f"{program.scenario} {scenario_of(program.scenario).name}"
        rows.append(
            f"| {name} | {scenario} | {program.kernel.name} | {result.model} | {kernel}{mark} | {result.seen} |\n"
        )
    return "".join(rows)


if __name__ == "__main__":
    text = table()
    if "--write" in sys.argv:
        marks = re.compile(r"(<!-- results -->\n).*(<!-- end -->)", re.DOTALL)
        PAGE.write_text(marks.sub(lambda m: m[1] + text + m[2], PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(text, end="")
