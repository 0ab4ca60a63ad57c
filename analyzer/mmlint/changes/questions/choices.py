"""Choices that a patch takes away: one of two arms was taken, and now the second comes after the first, too."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.frozen import dataclass

_Writes = dict[str, list[tuple[Node, Expr]]]


@dataclass(frozen=True, slots=True)
class Both:
    """`second` changes, at `node`, what `first` has just set: before the patch `test` chose between them."""

    test: Node
    first: Expr
    second: Expr
    node: Node


def lost_choices(change: FunctionChange) -> list[Both]:
    """The pairs of assignments to one lvalue that excluded each other before and follow each other now."""
    compared = comparison(change)
    if compared is None:
        return []
    before, after = compared.before, compared.after
    tests = {n.expr.key: n for n in after.cfg.order if n.kind == "branch" and n.expr is not None}
    order = reach(after)
    stood = {there: line for line, there in compared.lines.items()}
    found = []
    for test, first, second in _exclusive(before):
        now = tests.get(test)
        one, other = _written(after, first), _written(after, second)
        if now is None or one is None or other is None or _other_bits(first, second):
            continue
        if stood.get(other.line, second.line) != second.line:
            continue  # it is not this one: it stood there all along
        if _judged(after, order, first, second, one, other):
            continue
        if order.chosen(now, one) is not None and order.chosen(now, other) is None and order.before(one, other):
            found.append(Both(now, first, second, other))
    return found


def _other_bits(first: Expr, second: Expr) -> bool:
    """Whether the two set and clear bits of one mask, and not the same ones: neither undoes the other."""
    masks = [expr.args[1].names() for expr in (first, second) if expr.value in ("|=", "&=")]
    return len(masks) == 2 and bool(masks[0]) and bool(masks[1]) and masks[0].isdisjoint(masks[1])


def _judged(function: Function, order: Reach, first: Expr, second: Expr, one: Node, other: Node) -> bool:
    """Whether the first value was asked about before the second one replaces it, as an error code is."""
    target = first.args[0].key
    if any(expr.value != "=" for expr in (first, second)) or target in second.args[1].names():
        return False
    asked = (n for n in function.cfg.order if n.kind == "branch" and n.expr is not None and target in n.expr.names())
    return any(order.before(one, node) and order.before(node, other) for node in asked)


def _exclusive(function: Function) -> list[tuple[str, Expr, Expr]]:
    """Pairs of assignments to one lvalue on the two sides of a test."""
    order = reach(function)
    writes = [(n, e) for n in function.cfg.order for op, e in n.events if op == "assign"]
    pairs = []
    for test in function.cfg.order if len({e.args[0].key for _, e in writes}) < len(writes) else ():
        if test.kind == "branch" and test.expr is not None:
            yes, no = _on_side(writes, order, test, True), _on_side(writes, order, test, False)
            for key in yes.keys() & no.keys():
                pairs += [(test.expr.key, a, b) for _, a in yes[key] for _, b in no[key] if a.key != b.key]
    return pairs


def _on_side(writes: list[tuple[Node, Expr]], order: Reach, test: Node, side: bool) -> _Writes:
    """The assignments on one side of a test alone, by what they set."""
    found: _Writes = {}
    alone = order.side(test, side) & ~order.side(test, not side)
    for node, expr in writes if alone else ():
        if alone >> order.rank[node.id] & 1:
            found.setdefault(expr.args[0].key, []).append((node, expr))
    return found


def _written(function: Function, wanted: Expr) -> Node | None:
    """Where the same assignment stands, if it stands once."""
    nodes = [n for n in function.cfg.order for op, e in n.events if op == "assign" and e.key == wanted.key]
    return nodes[0] if len(nodes) == 1 else None
