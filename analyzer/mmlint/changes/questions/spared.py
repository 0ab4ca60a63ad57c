"""Tests that only save work: they send back whom there is nothing to do for, before anything is done, or forget what
would be found to be another one just as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.compare import Comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare

_ONE_CONDITION = 2
"""Lines between two terms of a condition."""


def beside(node: Node) -> Iterator[Node]:
    """The terms next to a term of a condition: a way leads from one to the other, and both lead to the same place."""
    ends = {t.id for t, _ in node.succ}
    near = dict.fromkeys((*(t for t, _ in node.succ), *node.pred))
    yield from (n for n in near if n.kind == "branch" and not ends.isdisjoint(t.id for t, _ in n.succ))


def terms_around(node: Node) -> Iterator[Node]:
    """Those, and then the terms one further (`a || (b && c)`)."""
    yield from beside(node)
    ends = {t.id for t, _ in node.succ}
    near = (t for t, _ in node.succ if t.kind == "branch")
    far = dict.fromkeys((*(t for n in near for t, _ in n.succ), *(p for n in node.pred for p in n.pred)))
    for other in far:
        close = other.kind == "branch" and other is not node and abs(other.line - node.line) <= _ONE_CONDITION
        if close and not ends.isdisjoint(t.id for t, _ in other.succ):
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


def forgets_the_compared(compared: Comparison, test: Node) -> bool:
    """Whether all that a test does is to set a pointer to NULL which is compared with others then, and not looked into:
    it is found to be none of them either way.
    """
    order = reach(compared.before)
    only = order.side(test, True) & ~order.side(test, False)
    arm = [n for n in order.order if only >> order.rank[n.id] & 1]
    sets = [n.expr.args[0].key for n in arm if n.expr is not None and n.expr.kind == "assign"]
    if len(arm) != 1 or not sets or arm[0].expr is None or arm[0].expr.args[1].key != "NULL":
        return False
    behind = graph.after([t for t, _ in arm[0].succ], lambda n: n.sets(sets[0]))
    readers = [n.expr for n in order.order if n.id in behind and n.expr is not None and sets[0] in n.expr.names()]
    readers = [e for e in readers if not (e.kind == "assign" and e.args[0].key == sets[0])]
    return bool(readers) and all(
        bare(e).value in ("==", "!=") and sets[0] in {arg.key for arg in bare(e).args} for e in readers
    )
