"""Calls by which one function undid what its other half does (an exit and its init), and that a patch takes away."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import acts_alone, undoes
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.owners.halves import halves
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class HalfLeft:
    """`undo` (of before) took back what `step` does in `other`, the other half of the function; `node` stands there."""

    undo: Act
    step: Expr
    other: Function
    node: Node


def half_left(change: FunctionChange) -> HalfLeft | None:
    """The first such call that no other function of the file makes either, of a patch that calls nothing instead."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.large or compared.scoped:
        return None
    if any(act.expr.kind == "call" for act in compared.added):
        return None
    for act in compared.removed:
        alone = acts_alone(act) and undoes(change, act) and not change.lost_elsewhere(act.word)
        node = compared.behind(act.node) if alone else None
        for other, step in _other_half(compared, act) if node is not None else ():
            assert node is not None
            return HalfLeft(act, step, other, node)
    return None


def _other_half(compared: Comparison, act: Act) -> Iterator[tuple[Function, Expr]]:
    """The function of the file of which this one is the other half, with its call that the act is the other half of."""
    after = compared.after
    functions = after.program.functions(after.path)
    others = [f for f in functions if halves(f.name, after.name)]
    if any(act.word in f.calls and f not in others for f in functions if f.name != act.word):
        return
    handed = [arg.key for arg in act.expr.args]
    for other in others:
        for name, calls in other.calls.items():
            same = (call for _, call in calls if [arg.key for arg in call.args][: len(handed)] == handed)
            yield from ((other, call) for call in same if halves(name, act.word))
