"""Helpers that lower the count of the page they are handed and then ask what kind it is: it may be gone by then."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr

_LOWERS = re.compile(r"(raw_|arch_)?atomic(_fetch)?_(dec|sub)\w*$")
_MAX_PARAMS = 2


@fact
def read_after_drop(function: Function) -> tuple[tuple[Expr, Expr], ...]:
    """(question, drop): the first question behind each drop, in functions of a page and perhaps a number.

    Where the drop says that it was the last one, the page belongs to who dropped it: that side is no such way.
    """
    if function.words.isdisjoint(function.tables.with_class("zone_device")):
        return ()
    if not 0 < len(function.params) <= _MAX_PARAMS or function.source.damaged:
        return ()
    found: dict[int, tuple[Expr, Expr]] = {}
    for node, drop, key in _drops(function):
        uses = [use for after in _behind(function, node, drop) for use in _uses(function, after, key)]
        if uses:
            use = min(uses, key=lambda u: (u.line, u.column))
            found.setdefault(id(use), (use, drop))
    return tuple(found.values())


def _drops(function: Function) -> Iterator[tuple[Node, Expr, str]]:
    rows = function.tables.ref_helpers
    for name, calls in function.calls.items():
        row = rows.get(name)
        for node, call in calls if name else ():
            if row is not None and row.op in ("dec", "test") and row.arg < len(call.args):
                key = canon(call.args[row.arg])
            elif _LOWERS.match(name):
                key = next((p for arg in call.args if (p := _counted(arg))), "")
            else:
                continue
            if key in function.params:
                yield node, call, key


def _counted(arg: Expr) -> str:
    """The page whose count an address is (`&page->_refcount`), or the empty string."""
    if arg.kind == "unary" and arg.value == "&" and arg.args[0].kind == "field" and arg.args[0].value == "_refcount":
        return canon(arg.args[0].args[0])
    return ""


def _behind(function: Function, start: Node, drop: Expr) -> list[Node]:
    """The nodes behind a drop that may not have been the last one."""
    target = call_targets(function).get(id(drop))
    told = {drop.key, target.key if target is not None else drop.key}
    work, seen, found = [start], {start.id}, []
    while work:
        here = work.pop()
        for after, label in here.succ:
            if here.kind == "branch" and here.expr is not None and label and here.expr.key in told:
                continue
            if after.id not in seen:
                seen.add(after.id)
                found.append(after)
                work.append(after)
    return found


def _uses(function: Function, node: Node, key: str) -> Iterator[Expr]:
    """The questions what kind of memory the page is: asked for its end, which whoever else holds it would see to."""
    kinds = function.tables.with_class("zone_device")
    for call in node.expr.calls() if node.expr is not None else ():
        if call.value in kinds and any(canon(arg) == key for arg in call.args):
            yield call
