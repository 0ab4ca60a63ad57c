"""A thing that a function owns and how it is known: by the variables, members and elements that hold it."""

from __future__ import annotations

from typing import NamedTuple

from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr

HELD, GIVEN, MOVED = "held", "given", "moved"
HEADS = frozenset({"page_folio", "compound_head", "virt_to_head_page"})
"""Calls that give the head page, or the folio, of a page."""
SAME_PAGE = HEADS | {"folio_page", "folio_file_page"}
"""Calls that give what is held by one reference or pin together with what they are handed first."""
POINTER_ONLY = frozenset({"page_to_pfn", "folio_pfn", "page_to_phys", "IS_ERR", "PTR_ERR", "ERR_PTR", "IS_ERR_OR_NULL"})
"""Calls that look at a pointer, and not into what it points to."""

_PART = frozenset({"page", "css"})
"""Members that hold the count of the object they lie in."""


class Own(NamedTuple):
    """One thing taken: which resource, the variables that hold it, the call that took it and what became of it."""

    resource: str
    names: frozenset[str]
    take: int
    state: str = HELD


Prop = frozenset[Own]


def canon(expr: Expr) -> str:
    """The variable or lvalue behind a page or folio expression: conversions between the two mean the same thing."""
    while True:
        if expr.kind == "call" and expr.value in SAME_PAGE and expr.args:
            expr = expr.args[0]
        elif (
            expr.kind == "unary" and expr.value == "&" and expr.args[0].kind == "field" and expr.args[0].value in _PART
        ):
            expr = expr.args[0].args[0]
        elif expr.kind == "assign" and expr.value == "=":
            expr = expr.args[0]
        else:
            return expr.key


def held_at(expr: Expr, holder: str, target: Expr | None) -> str:
    """The key of a holder of a call, or the empty string: `result`, `arg:N`, `*arg:N`, `arg:N->member`."""
    if holder == "result":
        return canon(target) if target is not None else ""
    if holder == "-":
        return "-"
    pointee, _, place = holder.partition("arg:")
    index, arrow, member = place.partition("->")
    if int(index) >= len(expr.args):
        return ""
    arg = expr.args[int(index)]
    if pointee == "*":
        return canon(arg.args[0] if arg.kind == "unary" and arg.value == "&" else arg).split("[")[0].split(" + ")[0]
    if arrow:
        return f"{canon(arg.args[0] if arg.kind == 'unary' and arg.value == '&' else arg)}->{member}"
    return canon(arg)


def mentions_bare(expr: Expr, name: str) -> bool:
    """Whether the value of `name` itself goes into the expression: not by a member, a comparison or a call."""
    if expr.key == name:
        return True
    if expr.kind in ("field", "call") or (expr.kind == "binary" and expr.value in ("==", "!=", "&&", "||", "<", ">")):
        return False
    if expr.kind == "unary" and expr.value in ("!", "*"):
        return False
    return any(mentions_bare(arg, name) for arg in (expr.args[1:] if expr.kind == "cond" else expr.args))


def found_another(function: Function, test: Expr, outcome: bool, prop: Prop) -> set[Own]:
    """What a test for equality says not to be there: a variable that may be given another, and is found to be that."""
    if test.kind != "binary" or test.value != ("==" if outcome else "!="):
        return set()
    same = frozenset(arg.key for arg in test.args)
    return {o for o in prop if o.state == HELD and len(same & o.names) == 1} if same in _given(function) else set()


@fact
def _given(function: Function) -> frozenset[frozenset[str]]:
    """Pairs of variables of which one is given the other somewhere."""
    events = (event for node in function.cfg.order for event in node.events)
    plain = (expr.args for op, expr in events if op == "assign" and expr.value == "=")
    return frozenset(frozenset((a.key, b.key)) for a, b in plain if a.kind == "name" and b.kind == "name")


def choices(arg: Expr) -> tuple[Expr, ...]:
    """What an argument may come to: both values of a choice."""
    return arg.args[1:] if arg.kind == "cond" else (arg,)
