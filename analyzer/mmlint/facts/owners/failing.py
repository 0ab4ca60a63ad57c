"""What a call does to owned things that are handed to it by another name, or to code that is not seen."""

from __future__ import annotations

import re

from mmlint.facts.cfg import Node
from mmlint.facts.holders import HELD, MOVED, Own, Prop, canon
from mmlint.facts.ir import Expr
from mmlint.kernel.tables import PINNED

OTHER = {"0": "!0", "!0": "0"}
_NEAR = 5
_LINKS = re.compile(r"(h?list|hlist_nulls|rb|llist)_\w*(add|insert|link)")
"""Calls that put an object into a list or a tree, by the address of a member."""
_ERROR = re.compile(r"-E|ERR_PTR|ERR_CAST|PTR_ERR")


def fails_with(call: Expr, node: Node) -> str:
    """What a call returns where it fails, if a branch asks just for it: the side that leaves the function at once.

    A callee that is not seen and fails leaves what it was handed with its caller.
    """
    if node.kind != "branch" or node.expr is None or node.expr.kind not in ("call", "unary"):
        return ""
    negated = node.expr.kind == "unary" and node.expr.value == "!" and node.expr.args[0] is call
    ways = {label: _leaves(target) for target, label in node.succ}
    out = [label for label, left in ways.items() if left] if not all(ways.values()) else []
    out = out or [label for label, left in ways.items() if left is not None and _ERROR.match(_returned(left))]
    if len(out) != 1 or not (negated or node.expr is call):
        return ""
    return "!0" if bool(out[0]) is not negated else "0"


def _leaves(node: Node) -> Node | None:
    """The return, or the label that ways jump to, that the way from here goes straight to."""
    for _ in range(_NEAR):
        if node.kind == "return" or (node.kind == "nop" and node.name and len(node.pred) > 1):
            return node
        if len(node.succ) != 1:
            return None
        node = node.succ[0][0]
    return None


def _returned(node: Node) -> str:
    return node.expr.key if node.kind == "return" and node.expr is not None else ""


def contains(value: Expr | None, names: frozenset[str]) -> bool:
    """Whether a value is the object that a thing lies in."""
    found = value is not None and value.kind == "call" and value.value == "container_of" and bool(value.args)
    return found and value is not None and canon(value.args[0]) in names


def inside(own: Own, key: str) -> bool:
    """Whether a thing is known only as a member of the object `key`, which goes to code that is not seen."""
    return bool(own.names) and all(name.startswith(f"{key}->") for name in own.names)


def linked(prop: Prop, call: Expr) -> Prop:
    """The property after a call put the object that holds things into a list or tree (`list_add(&region->node, all)`):
    who walks that gives them back.
    """
    first = call.args[0] if call.args and _LINKS.match(call.value) else None
    member = first.args[0] if first is not None and first.value == "&" else None
    if member is None or member.kind != "field":
        return prop
    mine = {o for o in prop if o.state == HELD and inside(o, canon(member.args[0]))}
    return prop - mine | {o._replace(state=MOVED) for o in mine} if mine else prop


def element(own: Own, key: str) -> bool:
    """Whether `key` is an element of the array in which pins are held: who hands on one in a loop hands on all."""
    array, bracket, _ = key.partition("[")
    return bool(bracket) and own.resource in PINNED and array in own.names
