"""Releases that stood in code which a patch moves into a function of its own, and that neither of the two makes now."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.owners.aliases import handed_out
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, performed
from mmlint.facts.things import Thing, given, things
from mmlint.frozen import dataclass

_ENOUGH = 2
"""So many other calls of the same place have to be in the new function: then that is where the code went."""


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """`release` (of before) is in no function; `call` (of after) is of `helper`, which the code around it became."""

    release: Act
    call: Act
    helper: Function


def left_behind(change: FunctionChange) -> LeftBehind | None:
    """The first release that is left out."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends or change.patch.takes_away or compared.scoped:
        return None
    for other in change.others:
        helper = other.after if other.before is None else None
        call = next((a for a in compared.added if helper is not None and a.word == helper.name), None)
        if helper is not None and call is not None:
            found = next(_left_out(change, compared, helper), None)
            if found is not None:
                return LeftBehind(found, call, helper)
    return None


def _left_out(change: FunctionChange, compared: Comparison, helper: Function) -> Iterator[Act]:
    inside = performed(helper)
    gone = [a for a in compared.removed if a.expr.kind == "call" and a.use == "bare"]
    moved = [a for a in gone if a.word in helper.calls]
    for act in gone:
        about = given(compared.before, act.word, act.expr)
        near = {a.word for a in moved if compared.hunks[id(a)] == compared.hunks[id(act)]}
        if not about or len(near) < _ENOUGH or act.word in inside or change.gained_elsewhere(act.word):
            continue
        if change.converts(act.word) or change.patch.speaks_of(act.word):
            continue
        if not any(_made_up(compared, helper, thing) for thing in about) and _beside(compared, act, moved):
            yield act


def _beside(compared: Comparison, act: Act, moved: list[Act]) -> bool:
    """Whether the release stood on the other side of a test than what has moved, or on every way that this came by."""
    order = reach(compared.before)
    tests = [n for n in order.order if n.kind == "branch" and n.line not in compared.lines]
    for other in moved:
        sides = {(order.chosen(t, act.node), order.chosen(t, other.node)) for t in tests}
        if (True, False) in sides or (False, True) in sides or order.follows(other.node, act.node):
            return True
    return False


def _made_up(compared: Comparison, helper: Function, thing: Thing) -> bool:
    """Whether the thing is not taken any more, or something of its kind is given up in its place."""
    root = thing.key.split("->")[0]
    taken = (op == "call" and handed_out(e, root) for node in compared.gone for op, e in node.events)
    if any(node.sets(root) for node in compared.gone) or any(taken):
        return True
    if any(calls and other.kind == thing.kind for other, calls in things(helper).items()):
        return True
    return any(
        other.kind == thing.kind and (other.key == thing.key or node.line not in compared.standing)
        for other, calls in things(compared.after).items()
        for node, _ in calls
    )
