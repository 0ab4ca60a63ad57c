"""Implementations of a flush that come to do nothing on one of two ways, by a question that they always asked."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.edits.undone import acts_alone
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.reach import reach
from mmlint.facts.steps import acts, plain


def idle_flush(change: FunctionChange) -> Node | None:
    """The test of a flush function on one side of which nothing is called any more, where something was on both."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.after.name not in compared.before.tables.flushes:
        return None
    if any(act.expr.kind == "call" for act in compared.added) or change.patch.speaks_of(compared.after.name):
        return None
    asked = {_question(node) for node in compared.before.cfg.order if node.kind == "branch"}
    if not _always_acts(compared.before) or _always_acts(compared.after):
        return None
    tests = [node for node in compared.after.cfg.order if node.kind == "branch" and node.expr is not None]
    return next(iter(tests), None) if {_question(node) for node in tests} <= asked else None


def _question(node: Node) -> str:
    return plain(node).lstrip("!")


def _always_acts(function: Function) -> bool:
    """Whether each way through a function makes a call for its effect."""
    nodes = [act.node for act in acts(function) if acts_alone(act)]
    return bool(nodes) and reach(function).meets(function.cfg.entry, nodes)
