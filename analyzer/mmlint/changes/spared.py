"""Tests that only save work: they send back whom there is nothing to do for, before anything is done."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.compare import Comparison
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach

_ONE_CONDITION = 2
"""Lines between two terms of a condition."""


def beside(node: Node) -> Iterator[Node]:
    """The terms next to a term of a condition, or one further (`a || (b && c)`): a way leads from one to the other, and
    both lead to the same place.
    """
    ends = {t.id for t, _ in node.succ}
    near = [*(t for t, _ in node.succ), *node.pred]
    far = [*(t for n in near if n.kind == "branch" for t, _ in n.succ), *(p for n in node.pred for p in n.pred)]
    for other in dict.fromkeys((*near, *(n for n in far if abs(n.line - node.line) <= _ONE_CONDITION))):
        if other is not node and other.kind == "branch" and not ends.isdisjoint(t.id for t, _ in other.succ):
            yield other


def spares_work(compared: Comparison, node: Node) -> bool:
    """Whether the test sends back whom there is nothing to do for, before anything is done.

    Who asks about what it answers with (`if (!(vma->vm_flags & VM_X)) return NULL; return vma;`) spares nothing.
    """
    results = frozenset[str]().union(
        *(n.expr.names() for n in compared.before.cfg.order if n.kind == "return" and n.expr is not None)
    )
    if "*" in compared.before.source.returns and node.expr is not None and node.expr.names() & results:
        return False
    order = reach(compared.before)
    before = (act for act in compared.old if order.before(act.node, node))
    chain = [node, *beside(node)]
    ends = {t.id: t for each in chain for t, _ in each.succ if t not in chain}
    first = min(ends.values(), key=lambda t: t.line, default=None)
    if first is None or first.kind != "return" or not all(first in (t for t, _ in each.succ) for each in chain):
        return False
    return all(act.tests or act.word.isupper() for act in before if act.expr.kind == "call")
