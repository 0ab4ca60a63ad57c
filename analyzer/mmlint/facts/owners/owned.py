"""Primitives on the page count that need a reason: sets, freezes, gets where a try is due."""

from __future__ import annotations

import re

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr, stores_to
from mmlint.facts.owners.refcount import is_home

_FRESH = re.compile(
    r"\w*alloc\w*$|\w*_ref_freeze$|\w*put_\w*testzero$|\w*_sub_and_test$|percpu_ref_tryget\w*$|\w*_init_page$"
)
_KIND = re.compile(r"\bMEMORY_DEVICE_\w+")


@fact
def _named(function: Function) -> bool:
    """Whether the function names a primitive on a count."""
    return function.mentions(function.tables.ref_helpers)


@fact
def unowned_sets(function: Function) -> tuple[Expr, ...]:
    """The calls that set a count to something else than 0 on a page that is not fresh, frozen or told apart."""
    if not _named(function) or is_home(function):
        return ()
    rows = [n for n, row in function.tables.ref_helpers.items() if row.op == "set" and n in function.calls]
    if not rows or any(_FRESH.match(name) for name in function.calls):
        return ()
    found = []
    for name in rows:
        for node, call in function.calls[name]:
            if len(call.args) == 2 and call.args[1].value != "0" and not _told_apart(function, node):
                found.append(call)
    return tuple(found)


def _told_apart(function: Function, node: Node) -> bool:
    """Whether every way to `node` passes a test of the kind of device memory, or of the count itself."""
    work, seen = [function.cfg.entry], {function.cfg.entry.id}
    while work:
        here = work.pop()
        if here is node:
            return False
        if here.kind == "switch" or (here.kind == "branch" and here.expr is not None and _tells(function, here.expr)):
            continue
        for target, _ in here.succ:
            if target.id not in seen:
                seen.add(target.id)
                work.append(target)
    return True


def _tells(function: Function, test: Expr) -> bool:
    rows = function.tables.ref_helpers
    reads = any(call.value in rows and rows[call.value].op == "read" for call in test.calls())
    return reads or _KIND.search(test.key) is not None


@fact
def ignored_freezes(function: Function) -> tuple[Expr, ...]:
    """The freezes whose result nobody looks at."""
    rows = function.tables.ref_helpers
    return tuple(
        node.expr
        for node in (function.cfg.order if _named(function) else ())
        if node.kind == "expr"
        and node.expr is not None
        and node.expr.kind == "call"
        and node.expr.value in rows
        and rows[node.expr.value].op == "freeze"
    )


@fact
def split_tests(function: Function) -> tuple[tuple[Expr, Expr], ...]:
    """(change, read): a count lowered or raised without a look, and read in a condition straight after."""
    rows = function.tables.ref_helpers
    if not _named(function):
        return ()
    found = []
    for name, calls in function.calls.items():
        row = rows.get(name)
        if row is None or row.op not in ("dec", "inc") or "return" in name or name.startswith("try_"):
            continue
        for node, call in calls:
            read = _next_read(function, node, canon(call.args[row.arg])) if row.arg < len(call.args) else None
            if read is not None:
                found.append((call, read))
    return tuple(found)


def _next_read(function: Function, node: Node, key: str) -> Expr | None:
    here = node
    for _ in range(3):
        if len(here.succ) != 1:
            return None
        here = here.succ[0][0]
        if here.line <= node.line or (here.expr is not None and stores_to(here.expr, key)):
            return None
        for call in here.expr.calls() if here.expr is not None else ():
            row = function.tables.ref_helpers.get(call.value)
            if row is not None and row.op == "read" and call.args and canon(call.args[0]) == key:
                return call if here.kind == "branch" else None
    return None


def references(function: Function, op: str) -> dict[str, list[Expr]]:
    """The calls of reference primitives of one kind, by the page that they are made on."""
    found: dict[str, list[Expr]] = {}
    for name, calls in function.calls.items() if _named(function) else ():
        row = function.tables.ref_helpers.get(name)
        if row is not None and row.op == op:
            for _, call in calls:
                if row.arg < len(call.args):
                    found.setdefault(canon(call.args[row.arg]), []).append(call)
    return found
