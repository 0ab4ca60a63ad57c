"""Pages for user mappings that are allocated with GFP_ATOMIC, from the reserve that interrupts live on."""

from __future__ import annotations

import re

from mmlint.facts.cfg import Node
from mmlint.facts.flags import flags_at
from mmlint.facts.function import Function, call_targets, fact, keep
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass

_ATOMIC = frozenset({"GFP_ATOMIC"})
_PAGE, _CHARGE = "folio reference", "memcg charge"
_ALLOCATES = re.compile(r"alloc")
_BY_POLICY = re.compile(r"(^|_)vma(_|$)")
"""Allocators that follow the policy of a VMA: their pages are for its process."""
_FOR_USERS = re.compile(
    r"(__)?(copy_(mc_)?user_(high|large_)?(page|folio|huge_page)|copy_(mc_)?user_highpage|clear_user_highpage"
    r"|(folio_|page_)add_new_anon_rmap|(folio_)?mk_p(te|md)|copy_highpage|folio_zero_user|clear_huge_page)$"
)
_MAX_DEPTH = 3


@dataclass(frozen=True, slots=True)
class AtomicPage:
    """A call that allocates a page for users with GFP_ATOMIC; `inner` is the allocation if a callee makes it."""

    node: Node
    call: Expr
    inner: tuple[Function, Expr] | None


@fact
def atomic_user_pages(function: Function) -> tuple[AtomicPage, ...]:
    """The allocations of pages for a process with a mask that surely holds GFP_ATOMIC."""
    if function.words.isdisjoint(_ATOMIC):
        return ()
    found = [
        AtomicPage(node, call, None)
        for node, call, mask in _user_allocations(function)
        if flags_at(function, node, mask).must & _ATOMIC
    ]
    for name, calls in function.calls.items():
        callee = function.program.resolve(name, function.path) if _mentions(calls) else None
        if callee is None or callee is function:
            continue
        for index, inner in mask_params(callee):
            for node, call in calls:
                if index < len(call.args) and flags_at(function, node, call.args[index]).must & _ATOMIC:
                    found.append(AtomicPage(node, call, inner))
    return tuple(sorted(found, key=lambda f: (f.call.line, f.call.column)))


def _mentions(calls: list[tuple[Node, Expr]]) -> bool:
    """Whether an argument may hold a mask: a name or an or of names."""
    return any(arg.kind in ("name", "binary", "cond") for _, call in calls for arg in call.args)


_Masks = tuple[tuple[int, tuple[Function, Expr]], ...]


def mask_params(function: Function, level: int = _MAX_DEPTH) -> _Masks:
    """The parameters that become the mask of a page for users, with the allocation, here or `level` calls deep."""
    return keep(function, ("mask params", level), lambda: _mask_params(function, level))


def _mask_params(function: Function, level: int) -> _Masks:
    if level <= 0 or not any("gfp" in p.type_text for p in function.source.params):
        return ()
    found: dict[int, tuple[Function, Expr]] = {}
    for node, call, mask in _user_allocations(function):
        for index in flags_at(function, node, mask).params:
            found.setdefault(index, (function, call))
    for name, calls in function.calls.items():
        callee = function.program.resolve(name, function.path) if name not in function.tables.nosleep else None
        below = mask_params(callee, level - 1) if callee is not None and callee is not function else ()
        for inner_index, inner in below:
            for node, call in calls:
                if inner_index < len(call.args):
                    for index in flags_at(function, node, call.args[inner_index]).params:
                        found.setdefault(index, inner)
    return tuple(sorted(found.items(), key=lambda item: item[0]))


def _user_allocations(function: Function) -> list[tuple[Node, Expr, Expr]]:
    """(node, call, mask) of the page allocations whose result is copied into, cleared for a user, charged or mapped."""
    tables = function.tables
    targets = call_targets(function)
    charges = {n for n, rows in tables.takes_resource.items() if any(r.resource == _CHARGE for r in rows)}
    used = {
        canon(arg)
        for name, calls in function.calls.items()
        if _FOR_USERS.match(name) or name in charges
        for _, call in calls
        for arg in call.args[:1]
    }
    found = []
    for name, rows in tables.takes_resource.items():
        if name not in function.calls or not _ALLOCATES.search(name):
            continue
        sleep = tables.sleeps.get(name)
        if (
            not any(r.resource == _PAGE and r.holder == "result" for r in rows)
            or sleep is None
            or sleep.gfp_arg is None
        ):
            continue
        for node, call in function.calls[name]:
            target = targets.get(id(call))
            mine = _BY_POLICY.search(name) or (target is not None and _names(function, target.key) & used)
            if mine and sleep.gfp_arg < len(call.args):
                found.append((node, call, call.args[sleep.gfp_arg]))
    return found


def _names(function: Function, key: str) -> set[str]:
    """The variables that hold the same page: one level of `page = &folio->page`."""
    exprs = (node.expr for node in function.cfg.order if node.expr is not None)
    return {key} | {e.args[0].key for e in exprs if e.kind == "assign" and canon(e.args[1]) == key}
