"""What a call does to locks by its name, where its definition is a macro, a method, or in a folder that is not read.

It can only take what is known away: a lock that the call may have released is not held for sure.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from mmlint.facts.consumed import harmless
from mmlint.facts.function import Function, keep
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import CONTEXTS, Held, Prop, root_of
from mmlint.kernel.rows import Drop

_UNLOCK = re.compile(r"(?<![a-z])unlock(?!ed)")
_RELEASE = re.compile(r"(?<![a-z])unlock(?!ed)|irq_?restore|irq_?enable|preempt_enable")
_CALLS_UNLOCK = re.compile(rb"unlock(?<![a-z]unlock)(?!ed)\w*\s*\(")
_STORES = re.compile(r"(READ|WRITE)_ONCE$|smp_store_\w+$")
_LEVELS = 3
_NAMED = ("irq", "bh", "preempt")
"""Contexts that such a name mentions when it leaves them."""


def drops(function: Function, name: str) -> tuple[Drop, ...] | None:
    """What the tables say that a call drops; in hunks also what a function that they may not show is known to drop."""
    rows = function.tables.drops.get(name)
    entered = function.tables.entered.get(name) if rows is None and function.program.partial else None
    if entered is None or not entered.drops:
        return rows
    return tuple(Drop(name=name, kind=kind, source=entered.source) for kind in entered.holds)


@lru_cache(maxsize=8192)
def says_release(name: str) -> bool:
    """Whether a name says that a lock or a context is given up."""
    return _RELEASE.search(name) is not None


def says_unlock(name: str) -> bool:
    """Whether a name says that a lock is given up."""
    return _UNLOCK.search(name) is not None


def calls_unlock(text: bytes) -> bool:
    """Whether a text calls something that is named so."""
    return _CALLS_UNLOCK.search(text) is not None


def leaves_locks(function: Function, level: int = _LEVELS) -> bool:
    """Whether a function that is named after a release gives up no lock that the analysis knows: all that it does is
    seen, `level` calls deep, and a mark of its own is all that can be its lock.
    """
    return keep(function, ("leaves locks", level), lambda: _leaves_locks(function, level))


def _leaves_locks(function: Function, level: int) -> bool:
    source = function.source
    if level <= 0 or not function.calls or source.damaged or function.cfg.truncated or b"asm" in function.text:
        return False
    declared = re.compile(rb"^\w[^\n;{}()]*\b" + re.escape(function.name.encode()) + rb"\([^;{]*\);", re.M)
    if len(function.program.named(function.path, function.name)) > 1 or declared.search(source.file.text):
        return False  # what is seen may stand in for it
    return all(_seen_through(function, name, level) for name in function.calls)


def _seen_through(function: Function, name: str, level: int) -> bool:
    """Whether calls of a name are known to give nothing up, or get none of what the function itself is given."""
    tables = function.tables
    if not name or says_release(name) or name in tables.drops or name in tables.takes:
        return False
    if harmless(function, name) or _STORES.match(name):
        return True
    callee = function.program.resolve(name, function.path)
    if callee is not None:
        return callee is not function and leaves_locks(callee, level - 1)
    pointers = {p.name for p in function.source.params if "*" in p.type_text}
    return not any(arg.root in pointers for _, call in function.calls[name] for arg in call.args)


def released(call: Expr, name: str, prop: Prop, kinds: Collection[str]) -> set[Held]:
    """The held locks that lie in what the call is given, and the contexts that its name mentions."""
    loose = {context for context in _NAMED if context in name}
    inside = _in_arguments(call, prop)
    return {h for h in prop if not h.gone and (h.kind in loose or (h in inside and h.kind in kinds))}


def is_given(call: Expr, prop: Prop) -> bool:
    """Whether a call is given an object whose lock is held."""
    return bool(_in_arguments(call, prop))


def _in_arguments(call: Expr, prop: Prop) -> set[Held]:
    roots = {arg.root for arg in call.args} - {""}
    return {h for h in prop if not h.gone and h.kind not in CONTEXTS and root_of(h.key) in roots}
