"""Flushes that one of several answers asked for, and that this answer does not ask for any more.

`if (forced || nr > limit)` flushes where either holds. What is left over may look like all there is to ask; and the
member goes together with its test, as if nobody had needed it.
"""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.steps import Act, bare, plain
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Unforced:
    """`flush` (after the patch) was made where `term` said so as well."""

    flush: Act
    term: str


def unforced(change: FunctionChange) -> Unforced | None:
    """The first flush that a member, or a variable, asked for alone among others, and does not any more."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.takes_away:
        return None
    flushes = compared.before.tables.flushes
    for act in compared.old:
        now = compared.pairs.get(id(act))
        row = flushes.get(act.word)
        if now is None or now.word != act.word or row is None or row.clears or not row.sync:
            continue
        for test in _asking_for(act.node):
            member = _member(test.expr)
            if member is None or change.patch.speaks_of(member.key) or _spoken(compared, member):
                continue
            if len(_asking_for(now.node)) == len(_asking_for(act.node)) - 1 and not _replaced(compared, test):
                return Unforced(now, plain(test))
    return None


def _asking_for(node: Node) -> list[Node]:
    """The tests of which one answer leads straight to a node, if there are several, or one that has another way."""
    return [each for each in node.pred if each.kind == "branch" and any(there is node for there, _ in each.succ)]


def _member(expr: Expr | None) -> Expr | None:
    """The member that a test asks for without comparing it."""
    asked = bare(expr) if expr is not None else None
    return asked if asked is not None and asked.kind == "field" else None


def _spoken(compared: Comparison, member: Expr) -> bool:
    """Whether the function goes on naming the member."""
    return member.value in compared.after.words


def _replaced(compared: Comparison, test: Node) -> bool:
    """Whether the patch asks something new in the function, which may say the same."""
    asked = {frozenset(n.expr.names()) for n in compared.before.cfg.order if n.kind == "branch" and n.expr is not None}
    fresh = [n for n in compared.fresh if n.kind == "branch" and n.expr is not None and n is not test]
    return any(n.expr is not None and frozenset(n.expr.names()) not in asked for n in fresh)
