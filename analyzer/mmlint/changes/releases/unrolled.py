"""Steps that were written out for each element of an array, and that a patch puts in a loop: an exit in a later turn
keeps what the turns before it have taken.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.loops import innermost_loop
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import given, plain
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Unrolled:
    """`exit` (of after) leaves the loop in which `take` fills `array`; `release` of before gave an element up there."""

    array: str
    take: Expr
    exit: Node
    release: Act


def unrolled(change: FunctionChange) -> Unrolled | None:
    """The first way out of such a loop that keeps the elements before."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped:
        return None
    return next((each for each in _kept(compared) if not change.gained_elsewhere(each.release.word)), None)


def _kept(compared: Comparison) -> Iterator[Unrolled]:
    before, after = compared.before, compared.after
    for name in before.tables.takes_resource.keys() & after.calls.keys() & before.calls.keys():
        old, new = _elements(before, name), _elements(after, name)
        if len(old) < 2 or len(new) != 1 or any(innermost_loop(before, node) for node, _, _ in old):
            continue
        node, call, element = new[0]
        loop, array = innermost_loop(after, node), plain(element)
        release = _released(compared, [n for n, _, each in old if plain(each) == array], array)
        if loop is None or release is None or element.kind != "index":
            continue
        out = _leaves(after, node, loop, element, array)
        if out is not None:
            yield Unrolled(array, call, out, release)


def _elements(function: Function, name: str) -> list[tuple[Node, Expr, Expr]]:
    """The calls that take something into an element of an array: the node, the call, the element."""
    targets = call_targets(function)
    found = ((node, call, targets.get(id(call))) for node, call in function.calls[name])
    return [(node, call, to) for node, call, to in found if to is not None and to.kind == "index"]


def _released(compared: Comparison, takes: list[Node], array: str) -> Act | None:
    """A release of one element, gone now, that stood on a way out behind the taking of another."""
    order = reach(compared.before)
    for act in compared.removed:
        gives = act.expr.kind == "call" and any(t.key == array for t in given(compared.before, act.word, act.expr))
        if gives and sum(order.before(node, act.node) for node in takes) > 1:
            return act
    return None


def _leaves(
    function: Function, take: Node, loop: tuple[Node, frozenset[int]], element: Expr, array: str
) -> Node | None:
    """The return that a test of the element leads to, out of the loop, with nothing done about the array on the way."""
    head, body = loop

    def about(node: Node) -> bool:
        calls = (e for op, e in node.events if op == "call")
        return node is head or any(_handles(function, call, element, array) for call in calls)

    for test in function.cfg.order:
        if test.id not in body or test.kind != "branch" or test.expr is None or test is head:
            continue
        if element.key not in {e.key for e in test.expr.walk()} or not reach(function).before(take, test):
            continue
        for start, _ in test.succ:
            ahead = graph.after([start], about)
            if head.id in ahead or function.cfg.exit.id not in ahead:
                continue
            return next((n for n in function.cfg.order if n.id in ahead and n.kind == "return"), start)
    return None


def _handles(function: Function, call: Expr, element: Expr, array: str) -> bool:
    """Whether a call may give elements up: it is handed one other than the new one, the array, or what it lies in."""
    root = element.root
    if any(thing.key == array for thing in given(function, call.value, call)):
        return True
    return any(
        arg.root == root and canon(arg) != canon(element) and (plain(arg) == array or arg.key == root)
        for arg in call.args
    )
