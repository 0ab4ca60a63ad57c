"""Tests that only save work: they send back whom there is nothing to do for, before anything is done."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.compare import Comparison
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach


def beside(node: Node) -> Iterator[Node]:
    """The terms next to a term of a condition: a way leads from one to the other, and both lead to the same place."""
    around = [*(t for t, _ in node.succ), *node.pred]
    ends = {t.id for t, _ in node.succ}
    yield from (o for o in around if o.kind == "branch" and not ends.isdisjoint(t.id for t, _ in o.succ))


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
