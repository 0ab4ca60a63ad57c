"""Calls that come in two halves: what takes, begins or makes, and what undoes it, by the tables or by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.ir import Expr, asks_for_error
from mmlint.facts.locks.held import family
from mmlint.facts.steps import bare

_PARTNERS = (
    ("get", "put"),
    ("pin", "unpin"),
    ("start", "end"),
    ("begin", "end"),
    ("enable", "disable"),
    ("disable", "enable"),
    ("inc", "dec"),
    ("charge", "uncharge"),
    ("isolate", "putback"),
    ("freeze", "unfreeze"),
    ("hold", "release"),
    ("hold", "put"),
    ("grab", "drop"),
    ("ref", "unref"),
    ("map", "unmap"),
    ("init", "destroy"),
    ("init", "exit"),
    ("init", "free"),
    ("create", "destroy"),
    ("create", "remove"),
    ("add", "del"),
    ("add", "remove"),
    ("register", "unregister"),
    ("alloc", "free"),
    ("attach", "detach"),
    ("open", "close"),
    ("probe", "remove"),
    ("setup", "teardown"),
    ("start", "stop"),
)


def halves(do: str, undo: str) -> bool:
    """Whether the names of two calls say that the second undoes the first (`..._charge`, `..._uncharge`)."""
    near = ((a, b) for a, b in _PARTNERS if a in do and b in undo) if do != undo else ()
    return any(re.sub(rf"(^|_){a}(?=_|$)", rf"\g<1>{b}", do, count=1) == undo for a, b in near)


def undoing(do: str) -> Iterator[str]:
    """The names that a call may have which undoes what one of this name does."""
    for a, b in _PARTNERS:
        name = re.sub(rf"(^|_){a}(?=_|$)", rf"\g<1>{b}", do, count=1)
        if name != do:
            yield name


def first_halves(function: Function, undo: Expr) -> Iterator[Node]:
    """The calls that take the lock which a call drops, or are its other half by their name: about the same thing."""
    tables, targets = function.tables, call_targets(function)
    dropped = {family(row.kind) for row in tables.drops.get(undo.value, ())}
    thing = _first(undo)
    for name, calls in function.calls.items():
        taken = {family(row.kind) for row in tables.takes.get(name, ())}
        named = not dropped and (halves(name, undo.value) or _unlocks(name, undo.value))
        for node, call in calls if taken & dropped or named else ():
            target = targets.get(id(call))
            if thing == _first(call) or (target is not None and thing == target.key):
                yield node


def _first(call: Expr) -> str:
    return call.args[0].key if call.args else ""


def _unlocks(do: str, undo: str) -> bool:
    return do != undo and undo.replace("unlock", "lock") == do


def asks_for(node: Node, branch: Node | None) -> bool:
    """Whether a branch asks what a statement before it got: whether that failed."""
    got = {e.args[0].key for op, e in node.events if op == "assign"}
    asked = bare(branch.expr) if branch is not None and branch.expr is not None else None
    if asked is None or not got:
        return False
    sides = asked.args if asked.kind == "binary" or asks_for_error(asked) else (asked,)
    mine = got & {side.key for side in sides}
    anew = graph.before([branch], lambda n: n is not branch and n.sets(*mine)) if branch is not None and mine else set()
    return node.id in anew
