"""Accumulating assignments (`flags |= x`, `n += m`) that a patch turns into plain ones: what was there is lost."""

from __future__ import annotations

import re

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.change import FunctionChange
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass

_NOTHING = re.compile(r"(0|NULL|false|\w*_NONE)$")
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
