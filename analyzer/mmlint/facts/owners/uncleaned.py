"""Cleanups at the end of a scope that a jump comes to from before the declaration: they work on what nobody has set."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.graph import after
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach

_AT_SCOPE_END = (b"__free(", b"guard(", b"CLASS(")


@fact
def never_set(function: Function) -> dict[str, Node]:
    """The end of a scope, by the variable or lock whose cleanup runs there: some way that sets no such variable, or
    takes no such lock, leads to it.
    """
    if function.cfg.truncated or not any(word in function.text for word in _AT_SCOPE_END):
        return {}
    found: dict[str, Node] = {}
    for node in function.cfg.order:
        subject = node.expr if node.kind == "cleanup" else None
        if subject is None or subject.key in found:
            continue
        if not _configured(function, subject) and _reached(function, node, subject):
            found[subject.key] = node
    return found


def _reached(function: Function, end: Node, subject: Expr) -> bool:
    """Whether some way from the entry to the end of the scope gives the subject nothing."""
    return end.id in after([function.cfg.entry], lambda node: _gives(node, subject))


def _gives(node: Node, subject: Expr) -> bool:
    """Whether a statement sets the variable, or lets a callee set it, or takes the lock of the guard."""
    if node.kind == "cleanup" or node.expr is None:
        return False
    if subject.kind == "call":
        return node.expr is subject
    handed = (arg for call in node.expr.calls() for arg in call.args if (arg.kind, arg.value) == ("unary", "&"))
    return node.sets(subject.key) or any(arg.args[0].key == subject.key for arg in handed)


def _configured(function: Function, subject: Expr) -> bool:
    """Whether a configuration decides whether there is such a variable or guard at all."""
    order = reach(function)
    arms = [n for n in order.order if n.kind == "branch" and n.expr is not None and n.expr.key.startswith("#")]
    giving = [n for n in order.order if _gives(n, subject)]
    return any(order.chosen(arm, n) is not None for arm in arms for n in giving)
