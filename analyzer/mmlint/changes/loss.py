"""The finding of a comparison: a protocol step that a sink stands without."""

from __future__ import annotations

from mmlint.facts.steps import Act
from mmlint.frozen import dataclass
from mmlint.kernel.entries import Step


@dataclass(frozen=True, slots=True)
class Loss:
    """A step that is gone, weaker or on the wrong side of its sink.

    `step` is the act before, `sink` the act after that stands without it, `how` is removed, gone (no
    sink names it: the next act beside it), ignored (still made, decides nothing) or order. `now` is the step after.
    `firm`: nobody can have meant to do without it, although the patch deletes the very function that was called.
    """

    row: Step
    step: Act
    sink: Act
    how: str
    now: Act | None = None
    firm: bool = False
