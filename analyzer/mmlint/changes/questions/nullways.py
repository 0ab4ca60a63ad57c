"""Pointers that a way is known to leave NULL, handed on that way to a helper that looks into them at once."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts import graph
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.values import evaluate, is_zero
from mmlint.facts.watch import NullWays
from mmlint.frozen import dataclass

_FIRST = 12
"""Nodes of a helper's straight beginning that are read."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A call that gets `pointer`, NULL on the way on which `test` found it so; `looks` is the helper's line."""

    call: Expr
    pointer: str
    test: Node
    looks: int


def handed_null(change: FunctionChange) -> list[Handed]:
    """The calls that a patch adds, or whose helper it exchanges, and that may get NULL."""
    after = change.after
    if after is None or not any(change.file.added):
        return []
    tests = _tests(after)
    return [found for found in _candidates(after, change.file.added, tests) if _reached(after, found)] if tests else []


def _candidates(function: Function, added: frozenset[int], tests: dict[str, Node]) -> Iterator[Handed]:
    for name, calls in function.calls.items():
        for _, call in calls:
            keys = {arg.key: i for i, arg in enumerate(call.args) if arg.key in tests}
            if call.line not in added or not name or not keys:
                continue
            callee = function.program.resolve(name, function.path)
            for key, index in keys.items() if callee is not None and callee is not function else ():
                line = looks_into(callee).get(index) if callee is not None else None
                if line is not None:
                    yield Handed(call, key, tests[key], line)


def _tests(function: Function) -> dict[str, Node]:
    """The plain variables and members that a branch asks whether they are NULL."""
    found: dict[str, Node] = {}
    for node in function.cfg.order:
        expr = node.expr
        if node.kind != "branch" or expr is None:
            continue
        inner = expr.args[0] if expr.kind == "unary" and expr.value == "!" else expr
        if inner.kind in ("name", "field"):
            found.setdefault(inner.key, node)
    return found


@fact
def looks_into(function: Function) -> dict[int, int]:
    """The parameters that the function's straight beginning reads a member of, with the line."""
    found: dict[int, int] = {}
    node = function.cfg.entry
    for _ in range(_FIRST):
        unsure = _under_tests(node)
        for each in node.expr.walk() if node.expr is not None else ():
            if (
                id(each) not in unsure
                and each.kind == "field"
                and each.value
                and each.args[0].kind == "name"
                and each.args[0].key in function.params
            ):
                index = function.params.index(each.args[0].key)
                if "*" in function.source.params[index].type_text and not _address_only(node, each):
                    found.setdefault(index, node.line)
        if len(node.succ) != 1:
            break
        node = node.succ[0][0]
    return found


def _under_tests(node: Node) -> frozenset[int]:
    """What an expression evaluates on a condition of its own (`dev ? dev->mask : 0`)."""
    parts = node.expr.walk() if node.expr is not None else ()
    arms = (a for e in parts if e.kind == "cond" or e.value in ("&&", "||") for a in e.args[1:])
    return frozenset(id(e) for arm in arms for e in arm.walk())


def _address_only(node: Node, member: Expr) -> bool:
    """Whether only the member's address is taken there."""
    assert node.expr is not None
    return any(e.kind == "unary" and e.value == "&" and e.args[0] is member for e in node.expr.walk())


def _reached(function: Function, found: Handed) -> bool:
    if function.cfg.truncated or function.source.damaged:
        return False
    ways = NullWays(function, found.pointer)
    if ways.overflow:
        return False
    node = next((n for n, call in function.calls.get(found.call.value, ()) if call is found.call), None)
    return node is not None and ways.come_to(node) and _decided_way(function, ways, node)


def _decided_way(function: Function, ways: NullWays, call: Node) -> bool:
    """Whether a way with NULL comes to the call by no test of something else that may keep it away."""
    reaching = graph.before([call])
    work = [after for node in function.cfg.order if _asks(node, ways.pointer) for after, _ in node.succ]
    seen: set[int] = set()
    while work:
        node = work.pop()
        if node.id in seen or not ways.come_to(node):
            continue
        seen.add(node.id)
        if node is call:
            return True
        keeps_away = node.kind == "branch" and _may_miss(node, call, reaching)
        if not keeps_away or _asks(node, ways.pointer) or _decided(function, ways, node):
            work += [after for after, _ in node.succ]
    return False


def _may_miss(node: Node, call: Node, reaching: set[int]) -> bool:
    """Whether one way on from a branch does not come to the call, or only by coming back to the branch first."""
    if any(after.id not in reaching for after, _ in node.succ):
        return True
    turn = graph.before([call], lambda n: n is node)
    return any(after.id not in turn for after, _ in node.succ)


def _asks(node: Node, pointer: str) -> bool:
    """Whether a branch asks for the pointer itself, not for what it points to."""
    expr = node.expr
    if node.kind != "branch" or expr is None:
        return False
    return pointer in ((expr.key, *(arg.key for arg in expr.args)) if expr.kind in ("unary", "binary") else (expr.key,))


def _decided(function: Function, ways: NullWays, node: Node) -> bool:
    """Whether what is known on the ways with NULL decides a branch, or it asks a local for an error of that way."""
    if node.expr is None:
        return False
    status = node.expr.args[0] if node.expr.kind == "binary" and node.expr.value in ("<", "!=") else node.expr
    if status.kind == "name" and status.value not in function.params and not _is_flag(function, status.value):
        return True
    known = ways.at(node)
    return known is None or is_zero(evaluate(node.expr, known)) is not None


def _is_flag(function: Function, name: str) -> bool:
    """Whether a local is never given anything but truth values: it tells of the way that was taken, not of an error."""
    values = assigned_values(function).get(name, ())
    return bool(values) and all(value.key in ("true", "false") for value in values)
