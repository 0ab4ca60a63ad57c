"""Loops that give pages back and run by an iterator that is used up when the time for it comes."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.loops import loop_body

_PAGES = frozenset({"folio reference", "page pin", "GUP page reference"})


@fact
def spent_releases(function: Function) -> tuple[tuple[Expr, Expr], ...]:
    """(walk, release): a walk by the iterator of a request, and the release of the pages that it comes by."""
    if function.words.isdisjoint(function.tables.spent_walks):
        return ()
    found = []
    nodes = {node.id: node for node in function.cfg.order}
    for head in function.cfg.order:
        walk = head.expr if head.kind == "iter" else None
        if walk is None or walk.value not in function.tables.spent_walks or not walk.args:
            continue
        inside = (nodes[i] for i in sorted(loop_body(function, head)))
        release = next((call for node in inside for call in _releases(function, node, walk.args[0].key)), None)
        if release is not None:
            found.append((walk, release))
    return tuple(found)


def _releases(function: Function, node: Node, vector: str) -> list[Expr]:
    """The calls in a statement that give a page of the walk's vector back."""
    rows = function.tables.gives_resource
    calls = node.expr.calls() if node.expr is not None else ()
    return [
        call
        for call in calls
        if any(row.resource in _PAGES for row in rows.get(call.value, ()))
        and any(arg.root == vector for arg in call.args)
    ]
