"""Elements of an array of pages that could not be had, and that the way out of the failure gives up all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Label, Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass
from mmlint.kernel.tables import PAGES

_MAX_STEPS = 400
_NUMBER = re.compile(r"\d+$")
_Env = dict[str, int]


@dataclass(frozen=True, slots=True)
class FailedElement:
    """`release` gives up the element of `array` of which `test` has just found that it is NULL."""

    array: str
    test: Node
    release: Expr


@fact
def failed_elements(function: Function) -> tuple[FailedElement, ...]:
    """The first such release behind each test of an element right behind what fills it."""
    found = []
    for test in function.cfg.order:
        element = test.expr if test.kind == "branch" else None
        if element is None or element.kind != "index" or element.args[1].kind != "name":
            continue
        filled = any(op == "assign" and e.args[0].key == element.key for node in test.pred for op, e in node.events)
        release = _released(function, test, element) if filled else None
        if release is not None:
            found.append(FailedElement(element.args[0].key, test, release))
    return tuple(found)


def _released(function: Function, test: Node, element: Expr) -> Expr | None:
    """The release of the element on the way on from where it is NULL; variables are followed by how far they are from
    its index.
    """
    array = element.args[0].key
    work: list[tuple[Node, _Env]] = [(t, {element.args[1].value: 0}) for t, label in test.succ if label is False]
    seen: set[tuple[int, tuple[tuple[str, int], ...]]] = set()
    while work and len(seen) < _MAX_STEPS:
        node, env = work.pop()
        state = (node.id, tuple(sorted(env.items())))
        if state in seen or not env or node is test:
            continue
        seen.add(state)
        env, done = _passed(function, node, env, array)
        if done is not None:
            if done.args and _offset(_index(done, array), env) == 0:
                return done
            continue
        work += [(target, env) for target, label in node.succ if not _known_null(node, label, array, env)]
    return None


def _passed(function: Function, node: Node, env: _Env, array: str) -> tuple[_Env, Expr | None]:
    """What is known behind a statement, and the release of an element in it."""
    now = dict(env)
    for op, expr in node.events:
        if op == "call":
            rows = function.tables.gives_resource.get(expr.value, ())
            if any(row.resource in PAGES for row in rows) and _index(expr, array) is not None:
                return now, expr
            for arg in expr.args:
                if (arg.kind, arg.value) == ("unary", "&"):
                    now.pop(arg.args[0].key, None)
            continue
        name = expr.args[0].key
        offset = _stepped(expr, now) if op == "update" else _offset(expr.args[1], now) if expr.value == "=" else None
        now.pop(name, None)
        if offset is not None and expr.args[0].kind == "name":
            now[name] = offset
    return now, None


def _stepped(expr: Expr, env: _Env) -> int | None:
    was = env.get(expr.args[0].key)
    return None if was is None else was + (1 if expr.value.endswith("++") else -1)


def _index(call: Expr, array: str) -> Expr | None:
    """The index of the element that a call gets."""
    elements = (arg for arg in call.args[:1] if arg.kind == "index" and arg.args[0].key == array)
    return next((element.args[1] for element in elements), None)


def _offset(expr: Expr | None, env: _Env) -> int | None:
    """How far a number is from the index, None where that is not known; increments in it are made already."""
    if expr is None:
        return None
    if expr.kind == "name":
        return env.get(expr.value)
    if expr.kind == "unary" and expr.value.endswith(("++", "--")):
        now = env.get(expr.args[0].key)
        behind = (-1 if expr.value.endswith("++") else 1) if expr.value.startswith("p") else 0
        return None if now is None else now + behind
    if expr.kind == "binary" and expr.value in ("+", "-") and _NUMBER.match(expr.args[1].key):
        left = _offset(expr.args[0], env)
        return None if left is None else left + int(expr.args[1].key) * (1 if expr.value == "+" else -1)
    return None


def _known_null(node: Node, label: Label, array: str, env: _Env) -> bool:
    """Whether an edge is taken only where the element is there."""
    asked = node.expr if node.kind == "branch" else None
    if asked is None or asked.kind != "index" or asked.args[0].key != array:
        return False
    return label is True and _offset(asked.args[1], env) == 0


def released_arrays(function: Function) -> Iterator[str]:
    """The arrays of which an element that failed is given up."""
    return (found.array for found in failed_elements(function))
