"""Comparisons of a sequence number with the one read before, in the place of which a patch asks for something else."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.outrun import reads
from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_CLASSES = frozenset({"seq", "interval_retry"})
_READ_BEFORE = 1
"""Which argument of all of them is the number that was read before."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """`now` (after the patch) asks where `asked` compared `sequence`, which nothing compares any more."""

    asked: Act
    now: Node
    sequence: Expr


def lost_sequence(change: FunctionChange) -> Outdated | None:
    """The first such comparison; a change that calls something more may compare there.

    What began and ended between the two looks is seen by the number alone: no state of now tells of it.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or any(a.expr.kind == "call" for a in compared.added):
        return None
    guards = compared.before.tables.guards
    for act in compared.removed:
        guard = guards.get(act.word)
        if guard is None or guard.class_ not in _CLASSES or act.use == "bare" or len(act.expr.args) <= _READ_BEFORE:
            continue
        sequence = act.expr.args[_READ_BEFORE]
        if (
            change.converts(act.word)
            or any(reads(node, sequence.key) for node in compared.after.cfg.order)
            or change.gained_elsewhere(act.word)
        ):
            continue
        now = next(_instead(compared, act), None)
        if now is not None:
            return Outdated(act, now, sequence)
    return None


def _instead(compared: Comparison, act: Act) -> Iterator[Node]:
    """The tests and results that the patch changes and that ask for a member of the same object."""
    root = act.expr.args[0].root
    for node in compared.fresh:
        asked = node.expr if node.kind in ("branch", "return") else None
        if asked is not None and any(e.kind == "field" and e.root == root for e in asked.walk()):
            yield node
