"""How a function takes device memory away: kill, wait, remove, and what is asked on the way in place of a wait."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr

_COMPLAINS = re.compile(r"(dev_)?WARN\w*$|(VM_)?(BUG|WARN)_ON\w*$|dev_(err|warn)\w*$|pr_(err|warn)\w*$")
_BY_NUMBER = frozenset({"pfn_to_page", "pfn_folio"})
_MAX_DEPTH = 2

Pair = tuple[Expr, Expr]


@fact
def unwaited(function: Function) -> tuple[Pair, ...]:
    """(end, removal): the struct pages go away after new users are refused, with no wait for the old ones between.

    Users are refused by a kill, or by the driver's own references that are put page by page.
    """
    if not _removes(function):
        return ()
    return tuple(_ways(function, [*_calls(function, "kill"), *_own_puts(function)]))


@fact
def only_asked(function: Function) -> tuple[Pair, ...]:
    """(question, removal): a complaint about users that are still there, and the struct pages go away all the same."""
    if not _removes(function):
        return ()
    asked = [(node, call) for node, call in _calls(function, "alive") if _complains(node)]
    return tuple(_ways(function, asked))


def _removes(function: Function) -> bool:
    """Whether the file of a function names a removal at all."""
    return _file_removes(function.program.functions(function.path)[0])


@fact
def _file_removes(first: Function) -> bool:
    names = {name for name, row in first.tables.teardowns.items() if row.what == "remove"}
    return any(not f.words.isdisjoint(names) for f in first.program.functions(first.path))


def _ways(function: Function, starts: list[tuple[Node, Expr]]) -> Iterator[Pair]:
    if not starts:
        return
    removals = list(_calls(function, "remove"))
    waits = {node.id for node, _ in _calls(function, "wait")}
    found: set[int] = set()
    for start, call in starts:
        reached = _reachable(start, waits)
        for node, removal in removals:
            if node.id in reached and id(removal) not in found:
                found.add(id(removal))
                yield call, removal


def _own_puts(function: Function) -> Iterator[tuple[Node, Expr]]:
    """The puts of pages that are reached by their number: `put_page(pfn_to_page(pfn))`."""
    for name, rows in function.tables.gives_resource.items():
        if any(row.resource == "folio reference" and row.holder == "arg:0" for row in rows):
            for node, call in function.calls.get(name, ()):
                if call.args and any(inner.value in _BY_NUMBER for inner in call.args[0].calls()):
                    yield node, call


def _calls(function: Function, what: str) -> Iterator[tuple[Node, Expr]]:
    """The calls that make a step, by the tables or as a helper of the file that does."""
    for name, calls in function.calls.items():
        if name and what in _steps(function, name, 0 if what != "alive" else _MAX_DEPTH):
            yield from calls


def _steps(function: Function, name: str, depth: int) -> frozenset[str]:
    row = function.tables.teardowns.get(name)
    if row is not None:
        return frozenset((row.what,))
    callee = next(iter(function.program.named(function.path, name)), None) if depth < _MAX_DEPTH else None
    if callee is None or callee is function:
        return frozenset()
    return frozenset().union(*(_steps(callee, inner, depth + 1) for inner in callee.calls if inner))


def _complains(node: Node) -> bool:
    """Whether what a call says goes into a warning: as its condition, or as the branch before one."""
    if node.expr is not None and any(_COMPLAINS.match(call.value) for call in node.expr.calls()):
        return True
    inside = [target for target, _ in node.succ] if node.kind == "branch" else []
    return any(t.expr is not None and any(_COMPLAINS.match(c.value) for c in t.expr.calls()) for t in inside)


def _reachable(start: Node, without: set[int]) -> set[int]:
    work = [target for target, _ in start.succ]
    seen: set[int] = set()
    while work:
        here = work.pop()
        if here.id not in seen and here.id not in without:
            seen.add(here.id)
            work += [target for target, _ in here.succ]
    return seen
