"""Comparisons by size of which a patch changes the operator only, so that fewer cases are turned away than before."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.exchanged import told_and_asked
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_HOLDS = {">=": "gt eq", ">": "gt", "==": "eq", "<=": "lt eq", "<": "lt", "!=": "lt gt"}
"""The cases (less, equal, greater) in which each operator holds."""


@dataclass(frozen=True, slots=True)
class Loosened:
    """The comparison of before, and the node that has its place."""

    was: Expr
    now: Node


def loosened(change: FunctionChange) -> list[Loosened]:
    """The comparisons whose way out is taken in a part of the cases only."""
    compared = comparison(change)
    if compared is None:
        return []
    old, new = reach(compared.before), reach(compared.after)
    gone = _comparisons(old, frozenset(compared.lines))
    fresh = _comparisons(new, compared.standing)
    found = []
    for operands, nodes in gone.items():
        others = fresh.get(operands, [])
        if len(nodes) != 1 or len(others) != 1:
            continue
        was, now = nodes[0].expr, others[0].expr
        if was is None or now is None or was.value == now.value:
            continue
        if _never_more(compared.after, operands) or _from_another(compared, operands):
            continue
        cases = [frozenset(_HOLDS[e.value].split()) for e in (was, now)]
        out = _leads_out(old, nodes[0])
        if (out is True and cases[1] < cases[0]) or (out is False and cases[0] < cases[1]):
            found.append(Loosened(was, others[0]))
    return found


def _never_more(function: Function, operands: tuple[str, ...]) -> bool:
    """Whether what was taken is compared with what was asked for: it is never more."""
    return any({told, asked} == set(operands) for told, asked, _ in told_and_asked(function))


def _from_another(compared: Comparison, operands: tuple[str, ...]) -> bool:
    """Whether what is compared comes from another call now, which may have a meaning of its own for the bound."""
    sides = (compared.before, compared.after)
    was, now = (
        {c.value for key in operands for e in assigned_values(f).get(key, ()) for c in e.calls()} for f in sides
    )
    return was != now


def _comparisons(order: Reach, standing: frozenset[int]) -> dict[tuple[str, ...], list[Node]]:
    found: dict[tuple[str, ...], list[Node]] = {}
    for node in order.order:
        expr = node.expr
        if node.kind == "branch" and expr is not None and expr.value in _HOLDS and node.line not in standing:
            found.setdefault(tuple(arg.key for arg in expr.args), []).append(node)
    return found


def _leads_out(order: Reach, node: Node) -> bool | None:
    """The outcome of an `if (...) goto out;`, or of a shorter arm, where the two ways do not meet again; else None."""
    if any(node is head or order.rank.get(head.id) == order.rank[node.id] for _, head in order.back):
        return None
    first = {label: target for target, label in node.succ if isinstance(label, bool)}
    if set(first) != {True, False}:
        return None
    last = _last_term(first[False], first[True])
    yes, no = order.side(node, True), order.side(last or node, False)
    goes_on = first[False] if last is None else next(t for t, label in last.succ if label is False)
    if not yes or not no or yes >> order.rank[goes_on.id] & 1 or no >> order.rank[first[True].id] & 1:
        return None
    done = [sum(1 for i, n in enumerate(order.order) if side >> i & 1 and not _tells(n)) for side in (yes, no)]
    return first[True].line > goes_on.line or done[0] <= done[1]


def _tells(node: Node) -> bool:
    """Whether a statement is a message alone."""
    return node.expr is not None and node.expr.kind == "call" and tells(node.expr.value)


def _last_term(term: Node, taken: Node) -> Node | None:
    """The last term of `a || b || c` where control comes to `term` if the first one does not hold."""
    last = None
    while term.kind == "branch" and any(label is True and target is taken for target, label in term.succ):
        last = term
        term = next(target for target, label in term.succ if label is False)
    return last
