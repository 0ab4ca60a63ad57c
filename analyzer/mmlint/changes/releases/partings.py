"""Arms of a branch from which every way gave a thing up before a patch, and none does after it: a wrong label.

The exits alone do not tell, where ways that keep the thing and ways that do not end in the same `return`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import local_names, root_of
from mmlint.facts.owners.halves import asks_for, first_halves
from mmlint.facts.reach import reach
from mmlint.facts.steps import plain
from mmlint.facts.things import WALK, Thing, kind_of, things
from mmlint.frozen import dataclass

_NEAR = 3
_STATUS = re.compile(r"-?[A-Z][A-Z0-9_]+$")
_MOST = 2000
_MOST_PAIRS = 1000
"""Arms times things: a patch with more is no slip of one label."""
_Release = list[tuple[Node, Expr]]


@dataclass(frozen=True, slots=True)
class Parting:
    """From `start`, after the patch, `thing` is not given up any more, by `release` or another call."""

    thing: Thing
    start: Node
    release: Expr


class _Arm(NamedTuple):
    """An arm of a branch: the branch before and after the patch, where the arm began and begins."""

    asked: Node
    branch: Node
    was: Node
    now: Node


def partings(change: FunctionChange) -> list[Parting]:
    """The innermost such arm for each thing whose releases are all still there."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    arms = list(_arms(compared))
    before, after = things(compared.before), things(compared.after)
    if len(arms) * len(before) > _MOST_PAIRS:
        return []
    found = []
    for thing, old in before.items():
        new = after.get(thing, [])
        if old and len(new) >= len(old) and thing.kind != WALK:
            kept = (arm for arm in reversed(arms) if _keeps(compared, arm, thing, old, new))
            found += [Parting(thing, arm.now, new[-1][1]) for arm in islice(kept, 1)]
    return found


def _arms(compared: Comparison) -> Iterator[_Arm]:
    """The arms that the patch changes of branches that stay."""
    for was, now in _branches(compared):
        if _answer(was) != _answer(now):
            continue
        for outcome in (True, False):
            starts = [next((t for t, label in b.succ if label is outcome), None) for b in (was, now)]
            if starts[0] is None or starts[1] is None:
                continue
            if _changed(compared, starts[0], starts[1]):
                yield _Arm(was, now, starts[0], starts[1])


def _keeps(compared: Comparison, arm: _Arm, thing: Thing, old: _Release, new: _Release) -> bool:
    """Whether the thing was given up on every way behind the arm, and is not any more."""
    before, after = compared.before, compared.after
    if arm.asked.expr is None or _about(before, arm.asked.expr, thing):
        return False
    ends = [node for node, _ in old] + (_tests(before, thing) if _used(compared, arm.branch, thing) else [])
    return (
        _given_up(before, arm.was, thing, ends)
        and _reached(before, arm.asked, arm.was, thing, old)
        and not _reached(after, arm.branch, arm.now, thing, new)
        and _known(after, arm.branch, new[-1][1])
        and not _handed_on(compared, arm.now, thing)
        and not _not_begun(after, arm.branch, new[-1][1])
    )


def _not_begun(function: Function, branch: Node, release: Expr) -> bool:
    """Whether the other half of a release, by its name, only comes behind a branch, or failed there."""
    order, found = reach(function), list(first_halves(function, release))
    ahead = (node for node in found if order.before(node, branch) or node is branch)
    return bool(found) and not any(node is not branch and not asks_for(node, branch) for node in ahead)


def _about(function: Function, test: Expr, thing: Thing) -> bool:
    """Whether a test asks whether there is such a thing, takes it, or gives it up."""
    if thing.key not in {e.key for e in test.walk()}:
        return False
    calls = [call for call in test.calls() if thing.key in {e.key for e in call.walk()}]
    rows = function.tables.takes_resource, function.tables.gives_resource
    asked = {kind_of(row.resource) for call in calls for each in rows for row in each.get(call.value, ())}
    return not calls or thing.kind in asked or any("ERR" in call.value for call in calls)


def _answer(branch: Node) -> str:
    """The call whose answer a branch asks about, where it was made just before (`rc = f(); if (rc)`)."""
    node = branch
    for _ in range(_NEAR if branch.expr is not None and branch.expr.kind == "name" else 0):
        if len(node.pred) != 1:
            break
        node = node.pred[0]
        for op, expr in node.events:
            if op == "assign" and branch.expr is not None and expr.args[0].key == branch.expr.key:
                return expr.args[1].value
    return ""


def _branches(compared: Comparison) -> Iterator[tuple[Node, Node]]:
    """The branches that are the same one on both sides: on an unchanged line, or alone of their text."""
    standing = compared.standing
    old: dict[tuple[int, str], list[Node]] = {}
    for node in compared.before.cfg.order:
        if node.kind == "branch" and node.expr is not None:
            old.setdefault((compared.lines.get(node.line, 0), node.expr.key), []).append(node)
    new: dict[tuple[int, str], list[Node]] = {}
    for node in compared.after.cfg.order:
        if node.kind == "branch" and node.expr is not None:
            new.setdefault((node.line if node.line in standing else 0, node.expr.key), []).append(node)
    for key, nodes in new.items():
        if len(nodes) == len(old.get(key, ())) and (key[0] or len(nodes) == 1):
            yield old[key][-1], nodes[-1]


def _changed(compared: Comparison, start: Node, now: Node) -> bool:
    """Whether the patch touches the straight code at the start of the arm: the jump, or what stands before it."""
    if start.kind == "nop" and compared.lines.get(start.line) != now.line:
        return True
    node = start
    for _ in range(12):
        if node.line not in compared.lines and node.kind not in ("exit", "nop"):
            return True
        if len(node.succ) != 1 or (len(node.pred) > 1 and node is not start):
            return node.kind == "nop" and bool(node.name)
        node = node.succ[0][0]
    return False


def _tests(function: Function, thing: Thing) -> list[Node]:
    """The branches that ask whether there is a thing to give up."""
    return [n for n in function.cfg.order if n.kind == "branch" and plain(n) == thing.key]


def _used(compared: Comparison, branch: Node, thing: Thing) -> bool:
    """Whether control comes to a branch only behind a call that made use of the thing: there is one."""
    order = reach(compared.after)
    return any(
        op == "call" and thing.key in {arg.key for arg in expr.args} and order.dominates(node, branch)
        for node in order.order
        for op, expr in node.events
    )


def _given_up(function: Function, start: Node, thing: Thing, ends: list[Node]) -> bool:
    """Whether every way out from `start` meets a release, or the question whether there is something to release, and
    the thing has its name until then.
    """
    ids = {node.id for node in ends}
    if start.id in ids:
        return True
    reached = _ways(start, ids)
    return reached.isdisjoint({function.cfg.exit.id} | (_anew(function, thing) - ids))


def _ways(start: Node, ends: set[int]) -> set[int]:
    """The nodes behind `start`, not beyond `ends`. A status set to a constant on the way is still that at its test."""
    seen: set[tuple[int, frozenset[str]]] = set()
    work = [(start, frozenset[str]())]
    while work:
        node, failed = work.pop()
        if (node.id, failed) in seen or len(seen) > _MOST:
            continue
        seen.add((node.id, failed))
        if node.id in ends:
            continue
        for op, expr in node.events:
            if op in ("assign", "update"):
                failed -= {expr.args[0].key}
                failed |= {expr.args[0].key} if op == "assign" and _STATUS.match(expr.args[1].key) else frozenset()
        known = node.kind == "branch" and node.expr is not None and node.expr.key in failed
        work += [(target, failed) for target, label in node.succ if not known or label is True]
    return {id_ for id_, _ in seen}


def _anew(function: Function, thing: Thing) -> set[int]:
    """Where another thing gets the name."""
    return {n.id for n in function.cfg.order if any(_sets(op, expr, thing.key) for op, expr in n.events)}


def _got_again(function: Function, branch: Node, thing: Thing) -> set[int]:
    """Where the name is given, behind a branch, the member that it was given before it: the list is walked again."""
    order = reach(function)
    gets = [(n, e.args[1]) for n in order.order for op, e in n.events if _sets(op, e, thing.key)]
    known = {value.key for node, value in gets if value.kind == "field" and order.before(node, branch)}
    return {node.id for node, value in gets if value.key in known and order.before(branch, node)}


def _reached(function: Function, branch: Node, start: Node, thing: Thing, releases: _Release) -> bool:
    """Whether some way from `start` comes to a release, or to `branch` from one: the rest may be a matter of values.

    A way ends where another thing gets the name; what is got once more from where it was got, further on, is the same.
    """
    anew = _anew(function, thing) - _got_again(function, branch, thing)
    around = graph.after([start], lambda n: n.id in anew) | graph.before([branch], lambda n: n.id in anew)
    return not around.isdisjoint(node.id for node, _ in releases)


def _sets(op: str, expr: Expr, key: str) -> bool:
    return op == "assign" and expr.value == "=" and expr.args[0].key == key


def _known(function: Function, branch: Node, release: Expr) -> bool:
    """Whether everything that the release is handed has its value where control comes to the branch."""
    order, locals_ = reach(function), local_names(function)
    wanted = {name for arg in release.args for name in arg.names() & locals_}
    given = {e.args[0].root for n in order.order if order.before(n, branch) for op, e in n.events if op == "assign"}
    filled = {
        arg.root
        for n in order.order
        if order.before(n, branch)
        for op, e in n.events
        if op == "call"
        for arg in e.args
        if arg.kind == "unary" and arg.value == "&"
    }
    return wanted <= given | filled


def _handed_on(compared: Comparison, start: Node, thing: Thing) -> bool:
    """Whether a call that the patch adds behind `start` gets the thing, or what it lies in, or it is stored there."""
    reached = graph.after([start])
    stores = (e for n in compared.after.cfg.order if n.id in reached for op, e in n.events if op == "assign")
    if any(e.args[1].key == thing.key and e.args[0].kind != "name" for e in stores):
        return True
    root = root_of(thing.key)
    return any(
        act.node.id in reached and act.expr.kind == "call" and root in act.expr.names() for act in compared.added
    )
