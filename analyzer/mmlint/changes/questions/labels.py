"""Case labels that a patch moves from one arm of a switch to another, where the two give up or take other things."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import once, reach
from mmlint.facts.things import given
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Moved:
    """`label` leads to `now` (after the patch), where it led to `was`; either may be missing, not both."""

    label: str
    was: Expr | None
    now: Expr | None
    switch: Node


def moved_labels(change: FunctionChange) -> list[Moved]:
    """The labels of switches that stay, whose old and new arm both stay as they are."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    sides = (compared.before, compared.after)
    old, new = (once(reach(side), ("switch",), lambda n: n.expr.key if n.expr is not None else "") for side in sides)
    return [found for key in old.keys() & new.keys() for found in _moved(compared, old[key], new[key])]


def _moved(compared: Comparison, was: Node, now: Node) -> list[Moved]:
    old, new = _arms(compared.before, was), _arms(compared.after, now)
    gone = [call for calls in old.values() for call in calls.values() if call.line not in compared.lines]
    fresh = [call for calls in new.values() for call in calls.values() if call.line not in compared.standing]
    if gone or fresh:
        return []  # the arms themselves are written anew
    found = []
    for label in sorted(old.keys() & new.keys()):
        less, more = old[label].keys() - new[label].keys(), new[label].keys() - old[label].keys()
        if (less or more) and not _like_elsewhere(compared.after, label, was, now):
            calls = (old[label][min(less)] if less else None, new[label][min(more)] if more else None)
            found.append(Moved(label, *calls, now))
    return found


def _arms(function: Function, switch: Node) -> dict[str, dict[str, Expr]]:
    """What is given up or taken behind each label of a switch, but not behind all of them: the calls by name."""
    order = reach(function)
    masks = {
        label: order.after[order.rank[target.id]] | 1 << order.rank[target.id]
        for target, label in switch.succ
        if isinstance(label, str)
    }
    common = -1
    for mask in masks.values():
        common &= mask
    calls = [
        (order.rank[node.id], name, call)
        for name, each in function.calls.items()
        for node, call in each
        if node.id in order.rank and _speaks(function, name, call)
    ]
    return {
        label: {name: call for rank, name, call in calls if (mask & ~common) >> rank & 1}
        for label, mask in masks.items()
    }


def _like_elsewhere(function: Function, label: str, was: Node, now: Node) -> bool:
    """Whether the other switches of the file lay the label together with those that it stands with now."""
    score = 0
    left, joined = _beside(label, was), _beside(label, now)
    for other in function.program.functions(function.path):
        if other is function or label not in other.words or "switch" not in other.words:
            continue
        for node in other.cfg.order:
            if node.kind == "switch":
                beside = _beside(label, node)
                score += len(beside & (joined - left)) - len(beside & (left - joined))
    return score > 0


def _beside(label: str, switch: Node) -> frozenset[str]:
    """The other labels of the same arm."""
    starts = {name: _start(target).id for target, name in switch.succ if isinstance(name, str)}
    return frozenset(name for name, start in starts.items() if start == starts.get(label) and name != label)


def _start(node: Node) -> Node:
    """The first node of an arm that is more than a label."""
    while node.kind == "nop" and len(node.succ) == 1 and node.succ[0][0].id > node.id:
        node = node.succ[0][0]
    return node


def _speaks(function: Function, name: str, call: Expr) -> bool:
    """Whether a call gives something up, takes something, or locks."""
    tables = function.tables
    if name in tables.takes_resource or name in tables.takes or name in tables.drops:
        return True
    return bool(given(function, name, call))
