"""What a function has gathered and a patch loses: `flags |= x` or `n += m` became a plain assignment, or the number of
those done so far is not told any more where the next one fails.
"""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.owners.aliases import results
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare, negated, plain
from mmlint.frozen import dataclass

_NOTHING = re.compile(r"(0|NULL|false|\w*_NONE)$")
_STRAIGHT = 8
"""Statements before a return that are read."""
_GATHERS = frozenset({"+=", "|=", "-=", "&="})


@dataclass(frozen=True, slots=True)
class Overwritten:
    """`now` replaces, at `node`, what `earlier` (a line) had put there; `was` is the operator before."""

    node: Node
    now: Expr
    was: str
    earlier: int


def overwritten(change: FunctionChange) -> list[Overwritten]:
    """The assignments that gathered before the patch and overwrite now, where something is there to overwrite."""
    before, after = change.before, change.after
    if before is None or after is None:
        return []
    old = [e for _, e in _assignments(before) if e.value in _GATHERS]
    still = {e.args[0].key for _, e in _assignments(after) if e.value in _GATHERS}
    plain = {e.key for _, e in _assignments(before)}
    found = []
    for node, now in _assignments(after):
        target, source = now.args
        if now.value != "=" or now.key in plain or target.key in {e.key for e in source.walk()}:
            continue
        twin = next((e for e in old if e.args[0].key == target.key and e.args[1].key == source.key), None)
        if twin is None or (target.key in still and not _in_loop(node)):
            continue
        earlier = _earlier(after, node, target)
        if earlier is not None:
            found.append(Overwritten(node, now, twin.value, earlier))
    return found


@dataclass(frozen=True, slots=True)
class Untold:
    """Before the patch `count` was the result where it was not zero; the `result` is another there now."""

    count: str
    result: Expr


def untold(change: FunctionChange) -> list[Untold]:
    """The counts of what was done that a failure is told in place of."""
    before, after = change.before, change.after
    if before is None or after is None or change.patch.partial:
        return []
    gone, fresh = _counted(before), _counted(after)
    results = [n for n in after.cfg.order if n.kind == "return" and n.expr is not None]
    found = []
    for count, other in gone.items() - fresh.items():
        left = next((n.expr for n in results if n.expr is not None and n.expr.key == other), None)
        dropped = _tells(before, count) and not any(n.expr is not None and count in n.expr.names() for n in results)
        if left is not None and count not in fresh and not dropped and _gathered(after, count):
            found.append(Untold(count, left))
    return found


@dataclass(frozen=True, slots=True)
class LessOften:
    """`count`, which the function tells, went up before `test` (of after); now it does so on some ways from it only."""

    count: str
    test: Node


def less_often(change: FunctionChange) -> list[LessOften]:
    """The counts that are told, with the first test that decides now whether something counts."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    old, new = reach(compared.before), reach(compared.after)
    found = []
    for count in sorted(results(compared.before) & results(compared.after)):
        was, now = (
            [n for n in order.order if any(op == "update" and e.args[0].key == count for op, e in n.events)]
            for order in (old, new)
        )
        if len(was) != 1 or not now:
            continue
        behind = (n for n in old.order if n.kind == "branch" and n.line in compared.lines and old.dominates(was[0], n))
        lines = {compared.lines[n.line]: plain(n) for n in behind}
        tests = (n for n in new.order if n.kind == "branch" and lines.get(n.line) == plain(n))
        found += [
            LessOften(count, n)
            for n in tests
            if any(new.chosen(n, u) is not None for u in now) and not any(new.dominates(u, n) for u in now)
        ]
    return found[:1]


@dataclass(frozen=True, slots=True)
class ToldLate:
    """What the caller sees at `place` grew before the way out at `exit` (after the patch), and is set behind it now."""

    place: str
    exit: Node


def told_late(change: FunctionChange) -> list[ToldLate]:
    """The counts kept for the caller (`*pinned += n`), with the first way out that tells nothing of them any more."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    was, now = _kept_for_caller(compared.before), _kept_for_caller(compared.after)
    exits: dict[str, list[Node]] = {}
    for node in compared.after.cfg.order:
        if node.kind == "return" and node.expr is not None:
            exits.setdefault(node.expr.key, []).append(node)
    found = []
    for place in sorted(was.keys() & now.keys()):
        behind, still = (graph.after([t for n in nodes for t, _ in n.succ]) for nodes in (was[place][1], now[place][0]))
        for node in compared.before.cfg.order if was[place][1] and not now[place][1] else ():
            there = exits.get(node.expr.key, []) if node.kind == "return" and node.expr is not None else []
            if there and node.id in behind and not any(each.id in still for each in there):
                found.append(ToldLate(place, there[0]))
                break
    return found


def _kept_for_caller(function: Function) -> dict[str, tuple[list[Node], list[Node]]]:
    """The places behind pointer parameters, with the nodes that write there, and those of them that add to it."""
    found: dict[str, tuple[list[Node], list[Node]]] = {}
    for node in function.cfg.order:
        for op, expr in node.events:
            target = expr.args[0] if op != "call" else None
            if target is not None and target.kind in ("unary", "field") and target.root in function.params:
                writes, adds = found.setdefault(target.key, ([], []))
                writes.append(node)
                if op == "update" or expr.value in _GATHERS:
                    adds.append(node)
    return found


def _tells(function: Function, count: str) -> bool:
    """Whether the count itself is a result somewhere."""
    return any(n.kind == "return" and n.expr is not None and n.expr.key == count for n in function.cfg.order)


def _counted(function: Function) -> dict[str, str]:
    """The variables that are returned if they are not zero, with what is returned otherwise."""
    found: dict[str, str] = {}
    for node in function.cfg.order:
        expr = node.expr
        if node.kind == "return" and expr is not None and expr.kind == "cond" and expr.args[0].key == expr.args[1].key:
            found[expr.args[0].key] = expr.args[2].key
        count = bare(expr) if node.kind == "branch" and expr is not None else None
        if expr is None or count is None or count.kind != "name":
            continue
        ways = {label: target for target, label in node.succ if isinstance(label, bool)}
        yes, no = (_told(ways[side is not negated(expr)]) if len(ways) == 2 else None for side in (True, False))
        if yes is not None and no is not None and yes.key == count.key:
            found[count.key] = no.key
    return found


def _told(node: Node) -> Expr | None:
    """The result that control comes to from here without a branch."""
    for _ in range(_STRAIGHT):
        if node.kind == "return" or len(node.succ) != 1:
            break
        node = node.succ[0][0]
    return node.expr if node.kind == "return" else None


def _gathered(function: Function, count: str) -> bool:
    """Whether a variable counts: something is added to it, or it is added to another result."""
    sums = (n.expr for n in function.cfg.order if n.kind == "return" and n.expr is not None and n.expr.value == "+")
    if any(count in e.names() for e in sums):
        return True
    added = (
        e for n in function.cfg.order for op, e in n.events if op == "update" or (op == "assign" and e.value == "+=")
    )
    return any(e.args[0].key == count for e in added)


def _assignments(function: Function) -> list[tuple[Node, Expr]]:
    return [(node, expr) for node in function.cfg.order for op, expr in node.events if op == "assign"]


def _in_loop(node: Node) -> bool:
    return node.id in graph.after([target for target, _ in node.succ])


def _earlier(function: Function, node: Node, target: Expr) -> int | None:
    """A line that gave the target something but zero before, on a way to `node` with no other assignment between."""
    writes = {n.id: e for n, e in _assignments(function) if e.args[0].key == target.key}
    for source, expr in _assignments(function):
        if expr.args[0].key != target.key or (expr.value == "=" and _NOTHING.match(expr.args[1].value)):
            continue
        reached = graph.after([t for t, _ in source.succ], lambda n: n.id in writes)
        if node.id in reached:
            return expr.line
    return None
