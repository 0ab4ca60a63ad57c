"""A rule that raises an exception: one line says so, and what the other rules find is reported."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from mmlint.finding import InputError

if TYPE_CHECKING:
    from mmlint.rule import Rule

Failures = list[InputError]


def note_failure(failures: Failures | None, error: Exception, rule: Rule, path: str, line: int = 0) -> None:
    """Take note of what a rule raised at a place, once for a rule and file; raise it where nobody keeps such notes."""
    if failures is None:
        raise error
    told = f"rule {rule.code} failed"
    if not any(known.path == path and known.message.startswith(told) for known in failures):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        message = f"{told} ({what}; {where}): please report it; --ignore {rule.code} leaves the rule out"
        failures.append(InputError(path, message, line))
