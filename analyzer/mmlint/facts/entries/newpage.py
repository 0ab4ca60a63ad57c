"""New anonymous pages: what a function does to a page that it allocates, fills and maps, and what it leaves out."""

from __future__ import annotations

import re

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

_COPIES = re.compile(r"(^|_)copy_(mc_)?(user|highpage|huge_page)")
_NEW_RMAP = re.compile(r"(page|folio)_add_new_anon_rmap$")
_MAKES = re.compile(r"(folio_)?mk_(huge_)?p(te|md)$")
_ENTRIES = re.compile(r"((folio_)?mk_(huge_)?p(te|md)|make_huge_pte)$")
_ALLOCATED = "folio reference"
_CHARGE = "memcg charge"
_ANY = re.compile("alloc")
_RAW = re.compile(r"^_*(vma_|folio_|filemap_)?alloc(?!.*huge)")
"""The page allocator itself: helpers like `folio_prealloc()` charge what they hand out."""


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
        found = [
            NewPage(node, call, _missing(function, node, call)) for node, call in rmaps if not _known(function, node)
        ]
    else:
        found = [NewPage(node, call, ("reverse map",)) for node, call in _unmapped(function)[:1]]
    return tuple(page for page in found if page.missing)


def _known(function: Function, rmap: Node) -> bool:
    """Whether the page was looked at before: one from the swap cache that has no reverse map yet is on the LRU."""
    order = reach(function)
    names = function.tables.with_class("anon").intersection(function.calls)
    return any(
        node.kind == "branch" and order.chosen(node, rmap) is not None
        for name in names
        for node, _ in function.calls[name]
    )


def _missing(function: Function, rmap: Node, call: Expr) -> tuple[str, ...]:
    """What is left out of a page that is entered into the reverse map.

    The LRU, the uptodate mark after a copy, and the memcg charge if it is allocated here.
    """
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
    missing += ["uptodate mark"] if copied and "uptodate" not in done else []
    missing += ["memcg charge"] if _uncharged(function, rmap, call) else []
    return tuple(missing)


def _uncharged(function: Function, rmap: Node, call: Expr) -> bool:
    """Whether the page comes from the allocator here and no call that it is handed to charges it."""
    if function.program.partial or not call.args:
        return False
    page = canon(call.args[0])
    aliases = {page} | {
        canon(node.expr.args[1])
        for node in function.cfg.order
        if node.expr is not None and node.expr.kind == "assign" and node.expr.args[0].key == page
    }
    if aliases.isdisjoint(_fresh(function, _RAW)):
        return False
    charges = {n for n, rows in function.tables.takes_resource.items() if any(r.resource == _CHARGE for r in rows)}
    order = reach(function)
    for name, calls in function.calls.items():
        for node, other in calls:
            if order.together(node, rmap) and any(canon(arg) in aliases for arg in other.args):
                callee = None if name in charges else function.program.resolve(name, function.path)
                if name in charges or (callee is not None and not callee.words.isdisjoint(charges)):
                    return False
    return True


def _unmapped(function: Function) -> list[tuple[Node, Expr]]:
    """The places at which an entry is made of a page that was allocated and copied into here, with no reverse map."""
    fresh = _fresh(function, _ANY)
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


def _fresh(function: Function, allocators: re.Pattern[str]) -> set[str]:
    """The variables that hold a page allocated here."""
    targets = call_targets(function)
    return {
        targets[id(call)].key
        for name, rows in function.tables.takes_resource.items()
        if any(row.resource == _ALLOCATED and row.holder == "result" for row in rows) and allocators.search(name)
        for _, call in function.calls.get(name, ())
        if id(call) in targets
    }


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
