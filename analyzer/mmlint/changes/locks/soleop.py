"""List operations that were all there was in the section of a lock, where the folder fills the list under that lock.

A section around a single `list_del()` has no other purpose. Who puts objects of the same type on by the same member, in
whichever file of the folder, and holds a lock of that name for it, says what the purpose is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.bylock import under
from mmlint.facts.locks.held import declared_types
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act

_OPERATES = re.compile(r"^_*h?list_(add|del|move|splice|replace|cut|rotate)")
_FILLS = re.compile(r"^_*h?list_(add|move)")


def alone_under(change: FunctionChange, compared: Comparison, begin: Act, node: Node, lock: str) -> bool:
    """Whether a list operation stood alone behind `begin`, and others fill the list under such a lock."""
    if change.patch.takes_away or change.lost_elsewhere(lock):
        return False
    entry = next(_entries(compared.before, node, _OPERATES), None)
    return entry is not None and _alone(compared, begin, node) and _filled_under(compared.after, *entry, lock)


def _alone(compared: Comparison, begin: Act, node: Node) -> bool:
    """Whether nothing else is done from the lock to the unlock."""
    order, drops = reach(compared.before), compared.before.tables.drops
    key = begin.expr.args[0].key
    ends = [a.node for a in compared.removed if a.word in drops and key in {arg.key for arg in a.expr.args}]
    inside = [
        n
        for n in order.order
        if n.expr is not None
        and n not in (begin.node, *ends)
        and order.before(begin.node, n)
        and any(order.before(n, end) for end in ends)
    ]
    return inside == [node]


def _entries(function: Function, node: Node, words: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """(type, member) of what list operations are given as the address of a variable's member."""
    types = declared_types(function)
    for op, expr in node.events:
        if op != "call" or not words.match(expr.value) or not expr.args:
            continue
        member = _member(expr.args[0])
        base = member.args[0].key if member is not None else ""
        if member is not None and base in types:
            yield types[base], member.value


def _member(arg: Expr) -> Expr | None:
    inner = arg.args[0] if arg.kind == "unary" and arg.value == "&" else None
    return inner if inner is not None and inner.kind == "field" else None


def _filled_under(function: Function, kind: str, member: str, lock: str) -> bool:
    """Whether another function of the folder adds to a list by the member with a lock of that name held."""
    program, folder = function.program, function.path.rpartition("/")[0]
    for path, text in program.texts(folder):
        if member.encode() not in text or lock.encode() not in text:
            continue
        for other in program.functions(path):
            if other is function or not {member, lock} <= other.words:
                continue
            for node in other.cfg.order:
                if (kind, member) in _entries(other, node, _FILLS) and under(other, node, lock):
                    return True
    return False
