"""From consoles to outcomes: what the kernel said, what the model says, whether they agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmlint.sim.scenario import HOLDS

from tests.lab import console, model
from tests.lab.pairs import Pair

TRACE = 2
"""A complaint may come in two parts (the page, then why it was dumped), and the trace is with the second."""
BREAKS, SKIP, UNCLEAR = "breaks", "skip", "unclear"


@dataclass(frozen=True, slots=True)
class Observed:
    """What one kernel did in one program: the outcome, how many runs showed it, evidence, code positions."""

    outcome: str
    count: int
    runs: int
    seen: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair with both kernels and both of the model's."""

    pair: Pair
    model_whole: str
    model_broken: str
    whole: Observed
    broken: Observed

    @property
    def agrees(self) -> bool:
        """Whether the model said of both kernels what they did."""
        return (self.whole.outcome, self.broken.outcome) == (_plain(self.model_whole), _plain(self.model_broken))

    @property
    def shows(self) -> bool:
        """Whether this is evidence for a finding: the whole kernel holds, the broken one breaks, the model knew."""
        return self.agrees and self.broken.outcome == BREAKS


def _plain(kind: str) -> str:
    return HOLDS if kind == HOLDS else BREAKS


def whole(text: str, program: str) -> Observed:
    """An intact kernel holds if every run does and the kernel complains of nothing."""
    found = console.runs(text, program)
    bad = [run for run in found if run.outcome != HOLDS]
    complaints = console.reports(console.section(text, program))
    if not found or any(run.outcome == SKIP for run in found):
        return Observed(SKIP, 0, len(found), found[0].seen if found else "not run")
    if bad or complaints:
        return Observed(BREAKS, len(bad) or len(complaints), len(found), bad[0].seen if bad else complaints[0].text)
    return Observed(HOLDS, len(found), len(found), found[0].seen)


def broken(text: str, pair: Pair, symbols: Path) -> Observed:
    """A kernel with an edit breaks if the program says so in any run, or the kernel says what the pair waits for."""
    found = console.runs(text, pair.program)
    complaints = console.reports(console.section(text, pair.program))
    if pair.report:
        hits = [number for number, complaint in enumerate(complaints) if re.search(pair.report, complaint.text)]
        if hits:
            near = complaints[hits[0] : hits[0] + TRACE]
            frames = tuple(frame for complaint in near for frame in complaint.frames)
            return Observed(BREAKS, 1, 1, near[0].text, console.lines_of(frames, symbols))
        return Observed(*_runs(found), "the kernel does not complain")
    outcome, count, total = _runs(found)
    seen = next((run.seen for run in found if run.outcome == outcome), found[0].seen if found else "not run")
    return Observed(outcome, count, total, seen)


def _runs(found: Sequence[console.Run]) -> tuple[str, int, int]:
    for outcome in (BREAKS, SKIP):
        count = sum(run.outcome == outcome for run in found)
        if count:
            return outcome, count, len(found)
    held = sum(run.outcome == HOLDS for run in found)
    return (HOLDS if found and held == len(found) else UNCLEAR), held, len(found)


def judge(pair: Pair, whole_console: str, broken_console: str, symbols: Path) -> Judged:
    """All four outcomes of a pair."""
    return Judged(
        pair,
        model.outcome(pair.scenario, pair.whole),
        model.outcome(pair.scenario, pair.broken),
        whole(whole_console, pair.program),
        broken(broken_console, pair, symbols),
    )
