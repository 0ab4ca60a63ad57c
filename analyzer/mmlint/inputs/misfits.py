"""Files that a patch does not fit, and the one line that says so of a patch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmlint.finding import InputError
from mmlint.frozen import dataclass
from mmlint.inputs.model import Patch

_NAMED = 3
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Misfit:
    """A file that a patch does not fit, and why.

    `hunks` is how many do not fit, 0 where that is not the reason; `line` where the first of them is in the input.
    """

    path: str
    why: str
    hunks: int = 0
    line: int = 0


def told(patch: Patch, misfits: Sequence[Misfit], remedy: str) -> InputError:
    """One line for all that does not fit of a patch, with what to do; long names are cut."""
    subject = patch.subject if len(patch.subject) <= _LONGEST else f"{patch.subject[:_LONGEST]}..."
    parts = [f"{subject}: "] if subject else []
    hunks = sum(each.hunks for each in misfits)
    if hunks:
        fits = "1 hunk does not fit" if hunks == 1 else f"{hunks} hunks do not fit"
        parts.append(f"{fits} in {named(each.path for each in misfits if each.hunks)}; ")
    for why in dict.fromkeys(each.why for each in misfits if not each.hunks):
        parts.append(f"{named(each.path for each in misfits if each.why == why)}: {why}; ")
    line = next((each.line for each in misfits if each.line), patch.line)
    return InputError(patch.source, "".join(parts) + remedy, line)


def named(paths: Iterable[str]) -> str:
    """Some paths for a message: the first few, and how many others there are."""
    every = list(dict.fromkeys(paths))
    shown = [path if len(path) <= _LONGEST else f"...{path[-_LONGEST:]}" for path in every[:_NAMED]]
    return ", ".join(shown) + (f" and {len(every) - _NAMED} more" if len(every) > _NAMED else "")
