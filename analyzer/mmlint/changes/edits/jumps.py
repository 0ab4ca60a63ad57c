"""Jumps that lead to another label than before a patch: what came on the way does not, or something more does.

That a jump is wrong is told by the others of the function. Who leaves later has no less to undo than who left before
him, unless it was undone in between; and what nobody further down undoes has not been done yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import acts_alone, frees
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, keep
from mmlint.facts.ir import asks_for_error
from mmlint.facts.locks.held import local_names
from mmlint.facts.owners.halves import asks_for, first_halves
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, acts, bare, negated
from mmlint.facts.things import given
from mmlint.frozen import dataclass

_MOST = 4
"""Changed jumps: more of them are a function written anew."""
_ENDS = frozenset({"nop", "return"})
_JUMPS = frozenset({"goto", "return", "break", "continue"})


@dataclass(frozen=True, slots=True)
class Jump:
    """From `start` (of after) the call of `act` is not met any more, or (`more`) is met now; `other` is a way out, or
    the first half of what the call undoes, that speaks against it.
    """

    act: Act
    start: Node
    other: Node
    more: bool = False


class Way(NamedTuple):
    """A jump from behind `node` (of after): where it led and leads, and the branch of which it is one outcome."""

    node: Node
    branch: Node | None
    outcome: bool | None
    was: Node
    now: Node


def jumps(change: FunctionChange) -> tuple[Jump, ...]:
    """The first such call of each jump that leads elsewhere, in a function that goes on making the same calls."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped or change.named_elsewhere:
        return ()
    return keep(compared.after, ("jumps", id(compared.before)), lambda: tuple(_jumps(compared)))


def _jumps(compared: Comparison) -> Iterator[Jump]:
    changed_acts = (*compared.added, *(act for act in compared.removed if act.line not in compared.lines))
    if compared.before.words.isdisjoint(_JUMPS) or any(act.expr.kind == "call" for act in changed_acts):
        return
    if any(_counts(compared.before).get(key, 0) < number for key, number in _counts(compared.after).items()):
        return
    changed = list(_ways(compared))
    for way in changed if len(changed) <= _MOST else ():
        yield from islice((*_less(compared, way), *_more(compared, way)), 1)


def _counts(function: Function) -> dict[str, int]:
    return {key: len(acts) for key, acts in _calls(function).items()}


def _ways(compared: Comparison) -> Iterator[Way]:
    """The edges that lead to another label, or out at once, from nodes that the patch leaves."""
    old, new = reach(compared.before), reach(compared.after)
    there, fresh = _by_place(new, frozenset()), _by_place(new, compared.standing)
    gone = _by_place(old, frozenset(compared.lines))
    for node in old.order:
        key = (node.kind, _text(node))
        line = compared.lines.get(node.line)
        same = fresh.get((0, *key), ()) if line is None else there.get((line, *key), ())
        if len(same) != 1 or (line is None and len(gone[0, *key]) != 1) or len(node.succ) != len(same[0].succ):
            continue
        for (was, label), (now, label_now) in zip(node.succ, same[0].succ, strict=True):
            if label == label_now and _place(was) != _place(now) and {was.kind, now.kind} <= _ENDS:
                branch, outcome = (same[0], label) if same[0].kind == "branch" else new.innermost(same[0])
                yield Way(same[0], branch, outcome if isinstance(outcome, bool) else None, was, now)


def _by_place(order: Reach, known: frozenset[int]) -> dict[tuple[int, str, str], list[Node]]:
    """The nodes by line, kind and text; by kind and text alone, where `known` lines are left out."""
    found: dict[tuple[int, str, str], list[Node]] = {}
    for node in order.order:
        if node.line not in known:
            found.setdefault((0 if known else node.line, node.kind, _text(node)), []).append(node)
    return found


def _text(node: Node) -> str:
    return node.expr.key if node.expr is not None else node.name


def _place(node: Node) -> str:
    """Where a jump leads: the label, or what is returned."""
    return f"{node.kind} {_text(node)}"


def _calls(function: Function) -> dict[str, list[Act]]:
    return keep(function, "effects by text", lambda: _by_text(function))


def _by_text(function: Function) -> dict[str, list[Act]]:
    found: dict[str, list[Act]] = {}
    for act in acts(function):
        if acts_alone(act) and act.node.id in reach(function).rank:
            found.setdefault(act.key, []).append(act)
    return found


def _less(compared: Comparison, way: Way) -> Iterator[Jump]:
    """What came on every way from the jump, and comes on none now."""
    function, order = compared.after, reach(compared.after)
    again = order.rank[way.now.id] <= order.rank[way.node.id]
    for key, was in _calls(compared.before).items():
        now = [act.node for act in _calls(function).get(key, ())]
        if not _always(reach(compared.before), way.was, [a.node for a in was]):
            continue
        if again:
            other = _begun(function, way, was[-1], now, way.now)
        elif _ever(order, way.now, now):
            continue
        else:
            other = _earlier(order, way, now) or _begun(function, way, was[-1], now, None)
        if other is not None:
            yield Jump(was[-1], way.node, other)


def _more(compared: Comparison, way: Way) -> Iterator[Jump]:
    """What came on no way from the jump, and comes on every one now."""
    function, order = compared.after, reach(compared.after)
    if order.rank[way.now.id] <= order.rank[way.node.id]:
        return
    for key, was in _calls(compared.before).items():
        now = [act.node for act in _calls(function).get(key, ())]
        if _ever(reach(compared.before), way.was, [a.node for a in was]) or not _always(order, way.now, now):
            continue
        act = _calls(function)[key][-1]
        other = _later(function, way, act) or _begun_behind(function, way, act) or _unset(function, way, act)
        other = way.branch if other is None and _failed(way, act) else other
        if other is not None:
            yield Jump(act, way.node, other, more=True)


def _always(order: Reach, start: Node, nodes: list[Node]) -> bool:
    return start in nodes or order.meets(start, nodes)


def _ever(order: Reach, start: Node, nodes: list[Node]) -> bool:
    return any(start is node or order.before(start, node) for node in nodes)


def _exits(order: Reach) -> Iterator[tuple[Node, Node, bool]]:
    """The arms of branches that jump: (branch, first node, outcome)."""
    for branch in order.order:
        if branch.kind == "branch":
            for target, label in branch.succ:
                if target.kind in _ENDS and isinstance(label, bool):
                    yield branch, target, label


def _between(order: Reach, start: Node, nodes: list[Node], end: Node) -> bool:
    return any(order.before(start, node) and order.before(node, end) for node in nodes)


def _earlier(order: Reach, way: Way, nodes: list[Node]) -> Node | None:
    """A way out that stands before the jump and meets one of the nodes, with none of them in between."""
    if way.branch is None or not any(order.before(way.branch, node) for node in nodes):
        return None
    for branch, start, outcome in _exits(order):
        if branch is way.branch or not order.dominates(branch, way.node):
            continue
        if order.chosen(branch, way.node) is not (not outcome) or not _always(order, start, nodes):
            continue
        if not _between(order, branch, nodes, way.node):
            return branch
    return None


def _later(function: Function, way: Way, act: Act) -> Node | None:
    """A way out that stands behind the jump, on the other side of its branch, and does not come by what the call does;
    nor does the way there. None where the first half of what the call undoes stands in front of the jump.
    """
    order, mine = reach(function), way.branch
    nodes = [a.node for a in _calls(function)[act.key]]
    if mine is None or way.outcome is None or order.exit is None or any(_ahead(function, way, act)):
        return None
    for branch, start, _ in _exits(order):
        if branch is mine or order.chosen(mine, branch) is not (not way.outcome):
            continue
        if not _ever(order, start, nodes) and not _between(order, mine, nodes, branch):
            return branch
    return None


def _ahead(function: Function, way: Way, act: Act) -> Iterator[bool]:
    """For each first half of what a call undoes that may come before the jump: whether it succeeded there."""
    order = reach(function)
    for node in first_halves(function, act.expr):
        if order.before(node, way.node) or node is way.node:
            yield not _refused(function, node, way) and not asks_for(node, way.branch)


def _begun(function: Function, way: Way, act: Act, undone: list[Node], again: Node | None) -> Node | None:
    """The first half of what a call undoes, which stands on every way to the jump (`again`: behind the label that it
    leads back to), with no other undoing between, nor a call that may have taken over what nothing else undoes.
    """
    order = reach(function)
    for node in first_halves(function, act.expr):
        if node is way.branch or not order.dominates(node, way.node) or _between(order, node, undone, way.node):
            continue
        if asks_for(node, way.branch):
            continue  # the jump is for its failure
        if again is not None and not order.before(again, node):
            continue
        goes_on = way.branch is not None and any(order.before(way.branch, n) for n in undone)
        if goes_on or again is not None or not _handed_on(function, node, act, way.node):
            return node
    return None


def _handed_on(function: Function, start: Node, act: Act, end: Node) -> bool:
    """Whether a call or a store between two nodes may have taken over the object that an act gives up."""
    if not frees(act.word) and not given(function, act.word, act.expr):
        return False
    order, keys = reach(function), {arg.key for arg in act.expr.args}
    between = (n for n in order.order if order.before(start, n) and order.before(n, end))
    return any(keys & {arg.key for arg in expr.args[expr.kind == "assign" :]} for n in between for _, expr in n.events)


def _begun_behind(function: Function, way: Way, act: Act) -> Node | None:
    """The first half of what a call undoes, if it only stands behind the jump's branch, or failed before the jump."""
    order, mine = reach(function), way.branch
    if mine is None or any(_ahead(function, way, act)):
        return None
    found = list(first_halves(function, act.expr))
    refused = (node for node in found if _refused(function, node, way))
    return next((node for node in (*refused, *found) if node is mine or order.together(node, mine)), None)


def _refused(function: Function, take: Node, way: Way) -> bool:
    """Whether a test that takes a lock, or may not, did not on the way to the jump."""
    if take.kind != "branch" or take.expr is None:
        return False
    outcome = way.outcome if take is way.branch else reach(function).chosen(take, way.node)
    calls = (call for call in take.expr.calls() if call.value in function.tables.takes)
    held = {row.when for call in calls for row in function.tables.takes[call.value]}
    if outcome is None or len(held) != 1 or held.isdisjoint(("zero", "nonzero")):
        return False
    return outcome is (("nonzero" in held) is negated(take.expr))


def _failed(way: Way, act: Act) -> bool:
    """Whether the jump is for an error pointer, which the call would get."""
    test = way.branch.expr if way.branch is not None else None
    asked = bare(test) if test is not None else None
    if asked is None or not asks_for_error(asked):
        return False
    same = {arg.key for arg in asked.args} & {arg.key for arg in act.expr.args}
    return bool(same) and way.outcome is not negated(test)


def _unset(function: Function, way: Way, act: Act) -> Node | None:
    """The statement, behind the jump's branch, that first gives a local variable its value which a call is handed."""
    order = reach(function)
    for name in {n for arg in act.expr.args for n in arg.names()} & local_names(function):
        naming = [n for n in order.order if n.expr is not None and name in n.expr.names()]
        if way.branch is None or any(order.before(n, way.node) or n is way.node for n in naming):
            continue
        setting = [n for n in naming if n.sets(name) and order.before(way.branch, n)]
        if setting:
            return setting[0]
    return None
