"""Write-protections of present entries, and whether a check for pins or for a shared mapping decides them."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach

_SHARED = frozenset({"VM_SHARED", "VM_MAYSHARE"})
_DECIDING = {"pinned": False, "cow_mapping": False, "anon": False}
"""The outcome of a test, by its class, on which a write-protection harms no pinned page."""


@fact
def unguarded_write_protects(function: Function) -> tuple[Expr, ...]:
    """The calls that write-protect an entry in place, on some way without such a test."""
    rows = function.tables.wrprotects
    if not function.mentions(rows):
        return ()
    names = [name for name in rows.keys() & function.calls.keys() if rows[name].arg is not None]
    sites = [pair for name in names for pair in function.calls[name]]
    found = [call for node, call in sites if not _guarded(function, node)]
    return tuple(sorted(found, key=lambda call: (call.line, call.column)))


def _guarded(function: Function, site: Node) -> bool:
    order = reach(function)
    return any(
        node.kind == "branch"
        and node.expr is not None
        and order.dominates(node, site)
        and _spares(function, node.expr, order.chosen(node, site))
        for node in function.cfg.order
    )


def _spares(function: Function, expr: Expr, outcome: bool | None) -> bool:
    if outcome is None:
        return False
    if outcome and expr.kind == "binary" and expr.value == "&" and not expr.names().isdisjoint(_SHARED):
        return True
    guard = function.tables.guards.get(expr.value) if expr.kind == "call" else None
    if guard is None or guard.class_ not in _DECIDING:
        return False
    harmless = _DECIDING[guard.class_]
    return outcome is (harmless if guard.implies == "nonzero" else not harmless)
