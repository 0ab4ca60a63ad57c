"""Plain memory of a function's own that it freed where a step failed, and that a patch makes it keep there."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import frees
from mmlint.facts import graph
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_ALLOCATES = re.compile(r"^(kv?|kmem_cache_|v)[mz]?c?alloc|^k?mem_?dup|^kstrdup|^alloc_pages?$|get_free_pages?$")
_BY_OTHERS = re.compile(r"devm|managed")


@dataclass(frozen=True, slots=True)
class KeptMemory:
    """`release` (of before) freed the memory that `exit` (of after) leaves the function with."""

    release: Act
    exit: Node


def kept_memory(change: FunctionChange) -> KeptMemory | None:
    """The one free that a change takes away, if nothing speaks of the memory between its place and all ways out."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped or change.patch.mends or change.named_elsewhere:
        return None
    gone = [act for act in compared.removed if act.expr.kind == "call"]
    if len(gone) != 1 or any(act.expr.kind == "call" for act in compared.added):
        return None
    act = gone[0]
    name = act.expr.args[-1].key if act.expr.args else ""
    if act.use != "bare" or not frees(act.word) or not _own(compared.before, name) or not _own(compared.after, name):
        return None
    if not _on_failure(compared.before, act) or _changed(change, compared.before, act):
        return None
    exits = _exits(compared, act, name)
    return KeptMemory(act, exits[0]) if exits else None


def _own(function: Function, name: str) -> bool:
    """Whether a variable only ever holds what the function allocates as plain memory."""
    values = [value for value in assigned_values(function).get(name, ()) if value.key != "NULL"]
    return bool(values) and all(
        value.kind == "call" and _ALLOCATES.search(value.value) and not _BY_OTHERS.search(value.value)
        for value in values
    )


def _on_failure(function: Function, act: Act) -> bool:
    """Whether a free stands in an arm that the answer of some call leads to."""
    branch, _ = reach(function).innermost(act.node)
    return branch is not None and branch.expr is not None


def _changed(change: FunctionChange, before: Function, act: Act) -> bool:
    """Whether a function that is called with the memory changes, or frees something itself: that may be the memory."""
    name = act.expr.args[-1].key
    names = {other.name for other in change.others}
    handed = {n for n, calls in before.calls.items() for _, call in calls if name in {a.key for a in call.args}}
    callees = (before.program.resolve(n, before.path) for n in handed if n and n != act.word)
    return not names.isdisjoint(handed) or any(c is not None and act.word in c.calls for c in callees)


def _exits(compared: Comparison, act: Act, name: str) -> list[Node]:
    """The ways out behind the place of a free, if none of the statements on the way has a use for the memory."""
    place = _twin(compared, act)
    if place is None:
        return []
    reached = graph.after([place])
    nodes = [n for n in compared.after.cfg.order if n.id in reached]
    if any(n.expr is not None and _names(n.expr, name) for n in nodes):
        return []
    return [n for n in nodes if n.kind == "return"]


def _twin(compared: Comparison, act: Act) -> Node | None:
    """What stands, after the patch, in the place of what came right behind an act."""
    behind = [t for t, _ in act.node.succ]
    lines = {compared.lines.get(t.line) for t in behind}
    return next((n for n in compared.after.cfg.order if n.line in lines and n.expr is not None), None)


def _names(expr: Expr, name: str) -> bool:
    return name in expr.names()
