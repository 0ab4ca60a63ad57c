"""Places that take an anonymous page away from its mapping, and whether a pinned page is kept out of them.

Three ways: an entry is cleared and its page moved to another mapping, the page goes to the swap cache, or reclaim has
unmapped it and strips it of its private data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach

_MOVES = re.compile(r"(folio|page)_move_anon_rmap$")
_SWAPS = re.compile(r"add_to_swap$")
_MAKES = re.compile(r"(folio_)?mk_(huge_)?p(te|md)$")
_UNMAPS = re.compile(r"try_to_unmap$")
_STRIPS = re.compile(r"(filemap_release_folio|try_to_release_page)$")


@fact
def unguarded_detaches(function: Function) -> tuple[tuple[Node, Expr, str], ...]:
    """The places, with what they do, that no check for pins stands before on every way."""
    order = reach(function)
    names = function.tables.with_class("pinned").intersection(function.calls)
    checks = [node for name in names for node, _ in function.calls[name] if node.kind == "branch"]
    return tuple(
        (node, call, what)
        for node, call, what in sorted(_detaches(function), key=lambda d: (d[1].line, d[1].column))
        if not any(order.dominates(check, node) and order.chosen(check, node) is not None for check in checks)
    )


def _detaches(function: Function) -> Iterator[tuple[Node, Expr, str]]:
    calls = function.calls
    for name in filter(_SWAPS.match, calls):
        yield from ((node, call, "goes to the swap cache") for node, call in calls[name])
    unmaps = [node for name in filter(_UNMAPS.match, calls) for node, _ in calls[name]]
    strips = [pair for name in filter(_STRIPS.match, calls) for pair in calls[name]]
    if unmaps and strips:
        order = reach(function)
        for node, call in strips:
            if any(order.before(unmap, node) for unmap in unmaps):
                yield node, call, "is stripped of its private data"
    if any(map(_MAKES.match, calls)):
        yield from _moved(function)


def _moved(function: Function) -> Iterator[tuple[Node, Expr, str]]:
    """The clears of present entries (a new one is made of the page) after which the page moves to another mapping."""
    moves = [node for name in filter(_MOVES.match, function.calls) for node, _ in function.calls[name]]
    rows = function.tables.set_entries
    for name in rows.keys() & function.calls.keys() if moves else ():
        if rows[name].op == "get-and-clear":
            order = reach(function)
            for node, call in function.calls[name]:
                if any(order.before(node, move) for move in moves):
                    yield node, call, "is unmapped to be moved"
