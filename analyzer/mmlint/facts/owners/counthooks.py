"""What a primitive of the page count does beside counting: hooks for device pages, and how they are reached."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

_COUNTS = ("inc", "dec", "try", "test", "set", "freeze", "unfreeze")
_KEYS = ("static_branch_", "static_key_")
_FIELD = "_refcount"


@dataclass(frozen=True, slots=True)
class Look:
    """A question about the kind of the page (`test`), and the first call that hangs on the answer."""

    node: Node
    test: Expr
    call: Expr


@dataclass(frozen=True, slots=True)
class Uneven:
    """A hook of a primitive that others of its header lack: `others` by name, `shown` whether they were looked at."""

    look: Look
    others: tuple[str, ...]
    shown: bool


@fact
def kind_looks(function: Function) -> tuple[Look, ...]:
    """The questions about the kind of its page on which a call hangs, in a primitive of the count or its wrapper."""
    kinds = function.tables.with_class("zone_device")
    if function.words.isdisjoint(kinds) or not _counts(function):
        return ()
    order = reach(function)
    found = []
    for node in order.order:
        test = _kind_test(function, node, kinds)
        if test is None:
            continue
        calls = (
            call
            for name, calls in function.calls.items()
            for at, call in calls
            if name and name not in kinds and order.chosen(node, at) is True
        )
        first = min(calls, key=lambda call: (call.line, call.column), default=None)
        if first is not None:
            found.append(Look(node, test, first))
    return tuple(found)


def _counts(function: Function) -> bool:
    """Whether it changes the count of a page that it is handed: itself, or by calling a primitive at once."""
    rows = function.tables.ref_helpers
    row = rows.get(function.name)
    if row is not None and row.op in _COUNTS:
        return True
    if not function.params or len(function.params) > 2:
        return False
    return any(
        rows[name].op in _COUNTS
        and rows[name].arg < len(call.args)
        and canon(call.args[rows[name].arg]) in function.params
        for name, calls in function.calls_of(rows).items()
        for _, call in calls
    )


def _kind_test(function: Function, node: Node, kinds: frozenset[str]) -> Expr | None:
    calls = node.expr.calls() if node.kind == "branch" and node.expr is not None else ()
    return next((c for c in calls if c.value in kinds and any(canon(a) in function.params for a in c.args)), None)


@fact
def unkeyed_looks(function: Function) -> tuple[Look, ...]:
    """The questions that every user of an inline primitive pays for: no static key stands before them."""
    if b"inline" not in function.text.split(b"(", 1)[0]:
        return ()
    looks = kind_looks(function)
    if not looks:
        return ()
    order = reach(function)
    keys = [
        node
        for node in order.order
        if node.kind == "branch" and node.expr is not None and any(c.value.startswith(_KEYS) for c in node.expr.calls())
    ]
    return tuple(look for look in looks if all(order.chosen(k, look.node) is None for k in keys))


@fact
def uneven_hooks(function: Function) -> tuple[Uneven, ...]:
    """The hook of a primitive of the count where others that write the same field have none."""
    looks = kind_looks(function)
    if not looks or not _writes(function):
        return ()
    others = [f for f in function.program.functions(function.path) if f is not function and _writes(f)]
    bare = tuple(dict.fromkeys(f.name for f in others if not kind_looks(f)))
    if bare:
        return (Uneven(looks[0], bare, True),)
    if not function.program.partial:
        return ()
    known = {f.name for f in others}
    rows = function.tables.ref_helpers.items()
    hidden = tuple(name for name, row in rows if row.home and row.op == "set" and "page" in name and name not in known)
    return (Uneven(looks[0], hidden, False),) if hidden else ()


def _writes(function: Function) -> bool:
    """Whether it is a primitive that changes the field itself."""
    row = function.tables.ref_helpers.get(function.name)
    return row is not None and row.home and row.op in _COUNTS and (function.has(_FIELD) or function.program.partial)
