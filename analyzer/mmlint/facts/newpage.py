"""New anonymous pages: what a function does to a page that it allocates, fills and maps, and what it leaves out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach

_COPIES = re.compile(r"(^|_)copy_(mc_)?(user|highpage|huge_page)")
_NEW_RMAP = re.compile(r"(page|folio)_add_new_anon_rmap$")
_MAKES = re.compile(r"(folio_)?mk_(huge_)?p(te|md)$")
_ENTRIES = re.compile(r"((folio_)?mk_(huge_)?p(te|md)|make_huge_pte)$")
_ALLOCATED = "folio reference"


@dataclass(frozen=True, slots=True)
class NewPage:
    """A page that a function maps as new: `call` is where, `missing` what it does not do to the page."""

    node: Node
    call: Expr
    missing: tuple[str, ...]


@fact
def new_pages(function: Function) -> tuple[NewPage, ...]:
    """The new anonymous pages of a function that are not made complete."""
    rmaps = [(node, call) for name in function.calls if _NEW_RMAP.match(name) for node, call in function.calls[name]]
    if rmaps:
        found = [NewPage(node, call, _missing(function, node)) for node, call in rmaps if not _known(function, node)]
    else:
        found = [NewPage(node, call, ("reverse map",)) for node, call in _unmapped(function)[:1]]
    return tuple(page for page in found if page.missing)


def _known(function: Function, rmap: Node) -> bool:
    """Whether the page was looked at before: one from the swap cache that has no reverse map yet is on the LRU."""
    order = reach(function)
    names = function.tables.with_class("anon") & function.calls.keys()
    return any(
        node.kind == "branch" and order.chosen(node, rmap) is not None
        for name in names
        for node, _ in function.calls[name]
    )


def _missing(function: Function, rmap: Node) -> tuple[str, ...]:
    """What is left out of a page that is entered into the reverse map: the LRU, and the uptodate mark after a copy."""
    marks = function.tables.marks
    order = reach(function)
    done = {
        marks[name].what
        for name in marks.keys() & function.calls.keys()
        for node, _ in function.calls[name]
        if order.together(node, rmap)
    }
    copied = any(
        _COPIES.search(name) and order.before(n, rmap) for name in function.calls for n, _ in function.calls[name]
    )
    missing = [] if "lru" in done else ["LRU list"]
    return (*missing, "uptodate mark") if copied and "uptodate" not in done else tuple(missing)


def _unmapped(function: Function) -> list[tuple[Node, Expr]]:
    """The places at which an entry is made of a page that was allocated and copied into here, with no reverse map."""
    targets = call_targets(function)
    fresh = {
        targets[id(call)].key
        for name, rows in function.tables.takes_resource.items()
        if any(row.resource == _ALLOCATED and row.holder == "result" for row in rows) and "alloc" in name
        for _, call in function.calls.get(name, ())
        if id(call) in targets
    }
    copied = {
        call.args[0].root
        for name in function.calls
        if _COPIES.search(name)
        for _, call in function.calls[name]
        if call.args
    }
    return [
        (node, call)
        for name in function.calls
        if _MAKES.match(name)
        for node, call in function.calls[name]
        if call.args and call.args[0].root in fresh & copied
    ]


@fact
def copies_without_uffd(function: Function) -> tuple[tuple[Node, Expr], ...]:
    """The entries made of a page that was copied into here, and installed, with nothing that carries uffd-wp over."""
    tables = function.tables
    carries = {n for n, row in tables.carries.items() if row.bit == "uffd-wp" and row.op == "set"}
    if not carries.isdisjoint(function.calls) or not any(_COPIES.search(name) for name in function.calls):
        return ()
    order = reach(function)
    copies = [node for name in function.calls if _COPIES.search(name) for node, _ in function.calls[name]]
    sets = [
        node for name, row in tables.set_entries.items() if row.op == "set" for node, _ in function.calls.get(name, ())
    ]
    return tuple(
        (node, call)
        for name in function.calls
        if _ENTRIES.match(name)
        for node, call in function.calls[name]
        if any(order.before(copy, node) for copy in copies) and any(node is s or order.before(node, s) for s in sets)
    )
