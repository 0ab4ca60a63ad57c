"""How the result of a call is tested first, on each path after it."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr, stores_to

_ERR_TESTS = {"IS_ERR": "IS_ERR", "IS_ERR_OR_NULL": "", "PTR_ERR_OR_ZERO": "IS_ERR", "IS_ERR_VALUE": "IS_ERR"}
_MAX_NODES = 60


def first_tests(node: Node, target: Expr) -> Iterator[tuple[Expr, str]]:
    """The first tests of `target` after `node`: the tested expression, and NULL or IS_ERR; not where both are asked."""
    key = target.key
    work = [t for t, _ in node.succ]
    seen: set[int] = set()
    while work and len(seen) < _MAX_NODES:
        here = work.pop()
        if here.id in seen:
            continue
        seen.add(here.id)
        if here.expr is not None and stores_to(here.expr, key):
            continue
        kind = _test(here, key)
        if kind is None:
            work += [t for t, _ in here.succ]
        elif kind and here.expr is not None and not _asks_for_the_other(here, key, kind):
            yield here.expr, kind


def _asks_for_the_other(node: Node, key: str, kind: str) -> bool:
    """Whether the next question is for the other kind of failure."""
    return any(t.kind == "branch" and _test(t, key) not in (None, "", kind) for t, _ in node.succ)


def _test(node: Node, key: str) -> str | None:
    """NULL, IS_ERR, the empty string for any other use that ends the search, or None where `key` is not tested."""
    expr = node.expr
    if expr is None:
        return None
    for call in expr.calls():
        if call.value in _ERR_TESTS and call.args and call.args[0].key == key:
            return _ERR_TESTS[call.value]
    if node.kind == "branch":
        if expr.key == key:
            return "NULL"
        if (
            expr.kind == "binary"
            and expr.value in ("==", "!=")
            and {expr.args[0].key, expr.args[1].key} >= {key, "NULL"}
        ):
            return "NULL"
    return "" if key in {e.key for e in expr.walk()} else None
