"""Natural loops of a control-flow graph, for analyses that take a loop over an array as one step."""

from __future__ import annotations

from collections.abc import Iterable

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact


@fact
def natural_loops(function: Function) -> tuple[tuple[Node, frozenset[int]], ...]:
    """Each loop as its head and the ids of its nodes (the head's too), smallest first."""
    order = function.cfg.order
    rank = {node.id: i for i, node in enumerate(order)}
    bodies: dict[int, tuple[Node, set[int]]] = {}
    for tail in order:
        for head, _ in tail.succ:
            if rank.get(head.id, len(order)) <= rank[tail.id]:
                bodies.setdefault(head.id, (head, {head.id}))[1].update(_body(head, tail))
    return tuple(sorted(((h, frozenset(b)) for h, b in bodies.values()), key=lambda pair: len(pair[1])))


def innermost_loop(function: Function, node: Node) -> tuple[Node, frozenset[int]] | None:
    """The smallest loop around a node, as its head and the ids of its nodes."""
    return next((loop for loop in natural_loops(function) if node.id in loop[1]), None)


def loop_body(function: Function, node: Node) -> frozenset[int]:
    """The ids of the nodes in the smallest loop around a node; empty where there is none."""
    loop = innermost_loop(function, node)
    return loop[1] if loop is not None else frozenset()


def _body(head: Node, tail: Node) -> set[int]:
    found = {head.id}
    work = [tail]
    while work:
        node = work.pop()
        if node.id not in found:
            found.add(node.id)
            work += node.pred
    return found


def loops_with(function: Function, nodes: Iterable[Node], *, without: Iterable[int] = ()) -> frozenset[int]:
    """The branches (ids) that leave the innermost loop around each node, but for loops with one of `without`."""
    banned = set(without)
    found: set[int] = set()
    for node in nodes:
        loop = loop_body(function, node)
        if not loop or loop & banned:
            continue
        by_id = {n.id: n for n in function.cfg.order if n.id in loop}
        found |= {
            i for i, n in by_id.items() if n.kind in ("branch", "iter") and any(t.id not in loop for t, _ in n.succ)
        }
    return frozenset(found)


def ends_around(function: Function, inner: Iterable[int], name: str) -> frozenset[int]:
    """The branches (ids) by whose failed condition the loops are left in which one of the nodes `inner` lies; of those
    around other loops the ones that leave the variable `name` what it is.
    """
    wanted, found = frozenset(inner), set()
    around: list[frozenset[int]] = []
    for _, body in natural_loops(function) if wanted else ():
        nested = any(body > other for other in around)
        if wanted & body and not (nested and any(n.id in body and moves_on(n, name) for n in function.cfg.order)):
            around.append(body)
    for node in function.cfg.order if around else ():
        leaves = [t.id for t, label in node.succ if label is False]
        if any(node.id in body and not body.issuperset(leaves) for body in around):
            found.add(node.id)
    return frozenset(found)


def moves_on(node: Node, *names: str) -> bool:
    """Whether a variable stands for something else behind a node: it is set, or walks on through a list."""
    walks = node.kind == "iter" and node.expr is not None and any(arg.key in names for arg in node.expr.args)
    return walks or node.sets(*names)


def in_loop(function: Function, node: Node) -> bool:
    """Whether a node can be reached from itself."""
    return innermost_loop(function, node) is not None
