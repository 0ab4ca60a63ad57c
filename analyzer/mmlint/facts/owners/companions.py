"""Pointers that lead into a thing: into its memory, or filled in by the very call that came up with the thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.owners.aliases import handed_out, looks_into


def used_behind(function: Function, key: str, releases: Iterable[Node]) -> Mapping[int, list[str]]:
    """The uses of such pointers that come behind a release of the thing before they are set anew, by node (id)."""
    found: dict[int, list[str]] = {}
    nodes = list(releases)
    for name in sorted(_companions(function, key)):
        ahead = graph.after([t for n in nodes for t, _ in n.succ], partial(_set_anew, name))
        for node in function.cfg.order:
            if node.id in ahead and node.expr is not None:
                found.setdefault(node.id, []).extend(_uses(node.expr, name))
    return found


def _companions(function: Function, key: str) -> set[str]:
    """The pointers that a call is handed the addresses of together with that of the thing, or that are set to an
    address inside it and to nothing else.
    """
    types = declared_types(function)
    found: set[str] = set()
    others: set[str] = set()
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "call":
                out = {arg.args[0].key for arg in expr.args if arg.kind == "unary" and arg.value == "&"}
                found |= {name for name in out if "*" in types.get(name, "")} if key in out else set()
            elif op == "assign" and expr.args[0].kind == "name" and expr.args[1].key != "NULL":
                (found if _inside(expr.args[1], key) else others).add(expr.args[0].key)
    return found - others - {key}


def _inside(value: Expr, key: str) -> bool:
    return value.kind == "unary" and value.value == "&" and value.args[0].key.startswith(f"{key}->")


def _set_anew(name: str, node: Node) -> bool:
    return node.sets(name) or any(op == "call" and handed_out(e, name) for op, e in node.events)


def _uses(expr: Expr, name: str) -> list[str]:
    """Where an expression looks into what the pointer leads to, or hands it to a call."""
    return [
        e.key
        for e in expr.walk()
        if looks_into(e, frozenset((name,))) or (e.kind == "call" and any(arg.key == name for arg in e.args))
    ]
