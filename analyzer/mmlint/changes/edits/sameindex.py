"""Loops that a patch has go by the wrong counter: by that of the loop around them, or by one that stands still."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.loops import loop_body, natural_loops
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import given

_START = re.compile(r"-?\d+$")


def shared_counter(change: FunctionChange) -> tuple[Node, str] | None:
    """The setting of a counter in front of a loop that lies in another one of the same counter, which was not so."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    was = {name for _, name in _shared(compared.before)}
    return next(((n, name) for n, name in _shared(compared.after) if name not in was), None)


def _shared(function: Function) -> list[tuple[Node, str]]:
    found = []
    loops = [(head, body, _counters(function, body)) for head, body in natural_loops(function)]
    order = reach(function)
    for head, body, counts in loops:
        for outer, around, theirs in loops if counts else ():
            if not (counts & theirs and body < around and head.id != outer.id):
                continue
            own = {name for name in counts if _asks(head, name) and _asks(outer, name)}
            own &= {name for name in theirs if _counts_on(function, around - body, name)}
            if not own:
                continue
            sets = (n for n in function.cfg.order if n.id in around - body and order.before(n, head))
            found += [(n, name) for n in sets for name in sorted(own) if _starts(n, name)]
    return found


def _counters(function: Function, body: frozenset[int]) -> set[str]:
    nodes = (n for n in function.cfg.order if n.id in body)
    return {e.args[0].key for n in nodes for op, e in n.events if op == "update" and e.args[0].kind == "name"}


def _counts_on(function: Function, nodes: frozenset[int], name: str) -> bool:
    events = (each for n in function.cfg.order if n.id in nodes for each in n.events)
    return any(op == "update" and e.args[0].key == name for op, e in events)


def _asks(head: Node, name: str) -> bool:
    """Whether what a loop begins with asks for a variable."""
    tests = [n for n in (head, *(t for t, _ in head.succ)) if n.kind == "branch" and n.expr is not None]
    return any(n.expr is not None and name in n.expr.names() for n in tests[:1])


def _starts(node: Node, name: str) -> bool:
    return any(op == "assign" and e.args[0].key == name and _START.match(e.args[1].key) for op, e in node.events)


def stands_still(change: FunctionChange) -> tuple[Act, str] | None:
    """The release of an element in a loop that moves neither array nor index on, and did before: each turn gives up the
    same one.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    before = [act for act in compared.old if _element(compared.before, act) is not None]
    for act in compared.new:
        element = _element(compared.after, act)
        if element is None or _moves(compared.after, act, element):
            continue
        array = element.args[0].key
        old = [(each, e) for each in before if (e := _element(compared.before, each)) and e.args[0].key == array]
        if any(each.word == act.word and _moves(compared.before, each, e) for each, e in old):
            return act, element.key
    return None


def _element(function: Function, act: Act) -> Expr | None:
    """The element of an array that a call in a loop gives up."""
    if act.expr.kind != "call" or not given(function, act.word, act.expr):
        return None
    elements = [arg for arg in act.expr.args if arg.kind == "index" and arg.args[1].names()]
    return elements[0] if elements and loop_body(function, act.node) else None


def _moves(function: Function, act: Act, element: Expr) -> bool:
    """Whether something in the innermost loop sets the array or a part of the index, or the element to nothing."""
    body = loop_body(function, act.node)
    names = {element.key, element.args[0].key} | {e.key for e in element.args[1].walk() if e.kind in ("name", "field")}
    nodes = [n for n in function.cfg.order if n.id in body]
    leaves = any(t.id not in body for t, _ in act.node.succ) or _ends(act, body)
    return leaves or any(n.sets(*names) or _handed(n, names) for n in nodes)


def _ends(act: Act, body: frozenset[int]) -> bool:
    """Whether the loop is left behind the release: it does not come to it again."""
    seen, work = set(), [t for t, _ in act.node.succ if t.id in body]
    while work:
        node = work.pop()
        if node is act.node:
            return False
        if node.id not in seen:
            seen.add(node.id)
            work += [t for t, _ in node.succ if t.id in body]
    return True


def _handed(node: Node, names: set[str]) -> bool:
    """Whether a call may set one of some variables by its address, or a walk does."""
    walks = node.kind == "iter" and node.expr is not None and not names.isdisjoint(arg.key for arg in node.expr.args)
    return walks or any(
        arg.kind == "unary" and arg.value == "&" and arg.args[0].key in names
        for op, call in node.events
        if op == "call"
        for arg in call.args
    )
