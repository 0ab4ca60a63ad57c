"""What becomes of a thing that a callee is handed: does its caller still know who owns it?"""

from __future__ import annotations

import re

from mmlint.facts.flow import is_pure
from mmlint.facts.function import Function, keep
from mmlint.facts.holders import canon, mentions_bare
from mmlint.facts.ir import Expr

_LOWERS = re.compile(r"(atomic(64|_long)?|refcount|kref|percpu_ref)_(dec|sub|put)\w*$")
"""Calls that lower a count: where it lies in a thing, the thing is given up."""
_LEVELS = 5
"""How many calls deep callees are read."""


def harmless(function: Function, name: str) -> bool:
    """Whether a call is known to leave references to what it is handed as they are."""
    t = function.tables
    known = name in t.nosleep or name in t.marks or name in t.guards or name in t.ref_helpers
    return bool(name) and (known or name in t.takes or name in t.drops or name in t.flushes or is_pure(name))


def keeps(function: Function, call: Expr, index: int, level: int = _LEVELS) -> bool:
    """Whether the callee is known to leave ownership of an argument with its caller, read `level` calls deep."""
    if not call.value:
        return False
    callee = function.program.resolve(call.value, function.path)
    return callee is not None and callee is not function and index not in consumed(callee, level)


def escapes(target: Expr, value: Expr, names: frozenset[str]) -> bool:
    """Whether an assignment lets a held thing out: into memory, or mixed into another value."""
    if canon(value) in names:
        return target.kind != "name"
    if value.kind in ("call", "field", "index", "name", "num", "str"):
        return False
    return any(mentions_bare(value, name) for name in names)


def consumed(function: Function, level: int = _LEVELS) -> frozenset[int]:
    """The parameters whose thing `function` may give back, keep, hand on or return: a caller no longer knows of it.

    `level` is how many calls deep its callees are read; what is not read may do anything.
    """
    return keep(function, ("consumed", level), lambda: _consumed(function, level))


def _consumed(function: Function, level: int) -> frozenset[int]:
    if level <= 0 or function.source.damaged or function.cfg.truncated:
        return frozenset(range(len(function.params)))
    return frozenset(i for i, name in enumerate(function.params) if name and _may_consume(function, name, level))


def _may_consume(function: Function, name: str, level: int) -> bool:
    names = {name}
    t = function.tables
    for node in function.cfg.order:
        for expr in node.expr.walk() if node.expr is not None else ():
            if expr.kind == "assign" and canon(expr.args[1]) in names:
                if expr.args[0].kind != "name":
                    return True
                names.add(expr.args[0].key)
            elif expr.kind == "assign" and escapes(expr.args[0], expr.args[1], frozenset(names)):
                return True
            elif expr.kind == "call":
                if _LOWERS.match(expr.value) and any(a.value == "&" and a.root in names for a in expr.args):
                    return True
                mine = [i for i, arg in enumerate(expr.args) if canon(arg) in names]
                if not mine:
                    continue
                if expr.value in t.gives_resource or expr.value in t.transfers_resource:
                    return True
                if expr.value in t.takes_resource or harmless(function, expr.value):
                    continue
                if not all(keeps(function, expr, i, level - 1) for i in mine):
                    return True
        if node.kind == "return" and node.expr is not None and any(mentions_bare(node.expr, n) for n in names):
            return True
    return False


def receiver(function: Function, call: Expr, key: str) -> tuple[Function | None, frozenset[str]]:
    """The function that a call hands a thing to, if it is another one whose body is there, and its names for it."""
    places = [i for i, arg in enumerate(call.args) if canon(arg) == key]
    callee = function.program.resolve(call.value, function.path) if places and call.value else None
    if callee is None or callee is function:
        return None, frozenset()
    return callee, frozenset(callee.params[i] for i in places if i < len(callee.params))


def stored_by(function: Function, call: Expr, key: str) -> bool:
    """Whether a callee that returns an error code stores a thing away: where it succeeds, that is."""
    callee, names = receiver(function, call, key)
    if callee is None or callee.source.returns.split()[-1:] not in (["int"], ["long"]):
        return False
    return any(
        op == "assign" and expr.args[0].kind == "field" and canon(expr.args[1]) in names
        for node in callee.cfg.order
        for op, expr in node.events
    )
