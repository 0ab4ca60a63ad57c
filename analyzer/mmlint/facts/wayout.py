"""What tells the ways out of a function apart."""

from __future__ import annotations

from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.values import Facts, is_zero

_MOST = 8


class Way(NamedTuple):
    """A way out: the returned expression, the branch that led there, what the result was last set to."""

    result: str
    branch: str
    code: str


def way_of(node: Node, code: str) -> Way:
    """What tells a way out from the others."""
    result = node.expr.key if node.kind == "return" and node.expr is not None else ""
    return Way(result, _branch(node), code)


def code_at(node: Node, code: str, facts: Facts) -> str:
    """What the result was last set to, or 0 where a test has told so much."""
    told = node.expr is not None and node.expr.kind == "name" and is_zero(facts.get(node.expr.key))
    return "0" if told else code


def _branch(node: Node) -> str:
    """The nearest branch of which the node is on one side only, without a label between them."""
    for _ in range(_MOST):
        if len(node.pred) != 1:
            return ""
        source = node.pred[0]
        if source.kind in ("branch", "switch") and source.expr is not None:
            return f"{source.expr.key} {next((label for target, label in source.succ if target is node), '')}"
        node = source
    return ""
