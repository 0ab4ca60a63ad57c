"""What was read out of a thing that the end of a block gives up, and is used behind that block."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass

_CLASS = re.compile(rb"\bCLASS\(\s*\w+\s*,\s*(\w+)\s*\)")
_TAKEN_OUT = frozenset({"no_free_ptr", "return_ptr", "retain_and_null_ptr", "take_fd", "not_released"})
_HOLDS = re.compile(r"(^|_)(try)?(get|hold|grab|dup|pin)(_|$)|(^[di]|[a-z])(get|hold|grab)$")


@dataclass(frozen=True, slots=True)
class Behind:
    """`use` is of `name`, which `read` took out of `thing`; the block that ends at `end` has given that up."""

    name: str
    thing: str
    read: Node
    end: Node
    use: Node


@fact
def behind_scope(function: Function) -> tuple[Behind, ...]:
    """The first use of each pointer behind the block whose end gives up what it was read out of."""
    if not function.has("CLASS", "__free") or not function.words.isdisjoint(_TAKEN_OUT):
        return ()
    classes = _classes(function)
    pointers = {n.name for n in function.cfg.order if n.kind == "decl" and n.type.rstrip().endswith("*")}
    found: dict[str, Behind] = {}
    for end in (n for n in function.cfg.order if n.kind == "cleanup" and n.expr is not None):
        thing = _thing(end, classes)
        for read, name in _reads(end, thing) if thing else ():
            if name in pointers and name != thing and not _held(function, name):
                use = next(_uses(end, name), None)
                if use is not None:
                    found.setdefault(name, Behind(name, thing, read, end, use))
    return tuple(found.values())


def _classes(function: Function) -> dict[int, str]:
    """The variables of `CLASS(kind, variable)` by line."""
    first = function.source.start_line
    lines = function.text.split(b"\n") if function.has("CLASS") else []
    found = ((at, _CLASS.search(line)) for at, line in enumerate(lines, first))
    return {at: match[1].decode() for at, match in found if match is not None}


def _thing(end: Node, classes: dict[int, str]) -> str:
    """The variable whose thing the end of a block gives up; '' for a lock's guard."""
    assert end.expr is not None
    return end.expr.key if end.name.startswith("free:") else classes.get(end.expr.line, "")


def _reads(end: Node, thing: str) -> Iterator[tuple[Node, str]]:
    """The assignments before the end of the block that read a member of the thing."""
    seen: set[int] = set()
    work = list(end.pred)
    while work:
        node = work.pop()
        if node.id in seen:
            continue
        seen.add(node.id)
        work += node.pred
        for op, expr in node.events:
            if op == "assign" and expr.value == "=" and expr.args[0].kind == "name" and _member(expr.args[1], thing):
                yield node, expr.args[0].value


def _member(value: Expr, thing: str) -> bool:
    """Whether a value is a member of the thing, or of what an accessor gives of it."""
    while value.kind == "field":
        value = value.args[0]
        if value.key == thing or (value.kind == "call" and any(arg.key == thing for arg in value.args)):
            return True
    return False


def _held(function: Function, name: str) -> bool:
    """Whether some call takes a reference on it of its own."""
    return any(
        _HOLDS.search(callee) and any(name in (arg.key, arg.key.lstrip("&").split("->")[0]) for arg in call.args)
        for callee, calls in function.calls.items()
        for _, call in calls
    )


def _uses(end: Node, name: str) -> Iterator[Node]:
    """The statements behind the block that look into the pointer, or hand it on, before it gets another value."""
    seen: set[int] = set()
    work = [after for after, _ in end.succ]
    while work:
        node = work.pop(0)
        if node.id in seen:
            continue
        seen.add(node.id)
        exprs = list(node.expr.walk()) if node.expr is not None else []
        if any(e.kind == "assign" and e.args[0].key == name for e in exprs) or (
            node.kind == "decl" and node.name == name
        ):
            continue
        if any(
            (e.kind == "field" and e.args[0].key == name) or (e.kind == "call" and any(a.key == name for a in e.args))
            for e in exprs
        ):
            yield node
        work += [after for after, _ in node.succ]
