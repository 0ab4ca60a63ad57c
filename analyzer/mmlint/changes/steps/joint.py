"""Conditions of several terms that decide together what no term decides alone (`if (!huge && !devmap) goto out;`)."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.compare import Comparison
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act

_LINES = 3


def jointly_decided(compared: Comparison, test: Node) -> Iterator[Act]:
    """What stood before the patch on some ways only out of the condition that `test` is the first term of, all terms of
    which the patch removes; nothing that the term decides itself.
    """
    order, exits = reach(compared.before), _exits(compared, test)
    for act in compared.old if exits else ():
        met = [node for node in exits if node is act.node or order.before(node, act.node)]
        if 0 < len(met) < len(exits) and order.chosen(test, act.node) is None:
            yield act


def _exits(compared: Comparison, test: Node) -> list[Node]:
    """Where the ways out of a condition of more than one term lead; nothing if a term of it stays."""
    ways, near = [test], range(test.line, test.line + _LINES)
    for node in ways:
        terms = [t for t, _ in node.succ if t.kind == "branch" and t.line in near and t.line not in compared.lines]
        ways += [term for term in terms if term not in ways]
    return list({t.id: t for node in ways for t, _ in node.succ if t not in ways}.values()) if len(ways) > 1 else []
