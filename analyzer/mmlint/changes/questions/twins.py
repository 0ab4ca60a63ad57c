"""Functions that a patch makes the same as another one of their file, by one constant: the wrong one was named."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.slips import tokens
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.frozen import dataclass

_CONSTANT = re.compile(rb"[A-Z][A-Z0-9]*_[A-Z0-9_]+$")
_MOST = 200
"""Tokens of a body: two large functions that are the same are no slip."""


@dataclass(frozen=True, slots=True)
class Twin:
    """`other` does what the function does now; it named `was` before, and now names `now`, at `node`."""

    other: Function
    node: Node
    was: str
    now: str


def made_twin(change: FunctionChange) -> Twin | None:
    """The function of the file that the changed one has become, or None."""
    before, after = change.before, change.after
    if before is None or after is None or change.patch.partial or before.name != after.name:
        return None
    old, new = _body(before), _body(after)
    differ = [(a, b) for a, b in zip(old, new, strict=False) if a != b]
    if len(old) != len(new) or len(differ) != 1 or not all(_CONSTANT.match(token) for token in differ[0]):
        return None
    node = next((n for n in after.cfg.order if n.line in change.touched), after.cfg.entry)
    for other in after.program.functions(after.path):
        was = change.patch.before.resolve(other.name, after.path) if other.name != after.name else None
        if was is not None and _body(other) == _body(was) == new:
            return Twin(other, node, differ[0][0].decode(), differ[0][1].decode())
    return None


def _body(function: Function) -> tuple[bytes, ...]:
    """The tokens behind the name; none for a body that is too large."""
    found = tokens(function)
    return found if len(found) <= _MOST else ()
