"""Statements that overtake another one which needed them to come later: they change places, and nothing else changes.

What is cleared, freed or overwritten was used by the statement that comes behind it now; what is made ready for use by
the address of a variable was not yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.reordered import Turned, reordered
from mmlint.changes.edits.undone import frees
from mmlint.facts import graph
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types, local_names
from mmlint.facts.loops import moves_on
from mmlint.facts.owners.halves import asks_for, halves
from mmlint.facts.reach import reach
from mmlint.facts.telling import tells
from mmlint.facts.things import given, holder_of
from mmlint.frozen import dataclass

_PLAIN = re.compile(r"(k|v|kv|kz)free(_|$)|kmem_cache_free$|p(te|md|ud)_free")
_COUNTS = re.compile(r"^kref_put(_mutex|_lock)?$")
_READY = re.compile(r"(^|_)init(_|$)")
_LETS_GO = re.compile(r"(^|_)(release|put|drop)(_|$)")
_KEEPING = frozenset({"mmap_lock", "vma_lock", "rcu", "ptl"})
"""Locks under which what is found stays: whoever holds a lock of another kind may have a reference of his own."""
_OWNED = re.compile(r"(^|_)(\w*alloc|create|get|tryget|lookup|find)(_|$)")
"""Calls that may come back with a reference."""
_SETS = frozenset({"=", "+=", "-="})
_NOTHING = frozenset({"NULL", "0", "false"})


@dataclass(frozen=True, slots=True)
class Outrun:
    """`node` (after the patch) uses `what`, which `by`, now in front of it, has `how`: set, freed; or unset: `by`, now
    behind it, makes that ready; or unarmed: `node` may be a release that needs it, and `by` sets it too late; or
    unheld: `node` takes a reference of it, and `by` lets something go; or published: `node` sets it, and `by` lets
    others in who read it.
    """

    how: str
    what: str
    node: Node
    by: Node


def outrun(change: FunctionChange) -> list[Outrun]:
    """The first such use of each thing."""
    compared = comparison(change)
    if compared is None:
        return []
    found: dict[str, Outrun] = {}
    for pair in reordered(change):
        late = [each for find in _LATE for each in find(compared.after, pair)]
        for each in (*late, *_overwritten(compared, pair), *_unready(compared, pair)):
            found.setdefault(each.what, each)
    return list(found.values())


def _freed(function: Function, pair: Turned) -> Iterator[Outrun]:
    """What the second statement frees is looked into by the first, which comes behind it now."""
    for op, call in pair.now_second.events:
        if op != "call" or not call.args:
            continue
        key = ""
        if _COUNTS.match(call.value) and call.args[0].value == "&" and call.args[0].args[0].kind == "field":
            key = call.args[0].args[0].args[0].key
        elif _frees_all(function, call):
            arg = call.args[-1]
            key = canon(arg.args[0] if arg.kind == "call" and len(arg.args) == 1 else arg)
        if key and key not in _NOTHING and _looks_into(pair.now_first, key):
            yield Outrun("freed", key, pair.now_first, pair.now_second)


def _unheld(function: Function, pair: Turned) -> Iterator[Outrun]:
    """What the first statement takes a further reference of, behind a call that lets go of something else now: that may
    have held it.
    """
    tables = function.tables
    going = [e for op, e in pair.now_second.events if op == "call" and _LETS_GO.search(e.value) and e.args]
    for op, call in pair.now_first.events if going else ():
        rows = tables.takes_resource.get(call.value, ()) if op == "call" else ()
        counted = (row for row in rows if row.holder.startswith("arg:") and "reference" in row.resource)
        for key in (holder_of(function, call, row) for row in counted):
            others = [e for e in going if e.value not in tables.drops and key not in {arg.key for arg in e.args}]
            if key and others:
                yield Outrun("unheld", key, pair.now_first, pair.now_second)


def _unlocked(function: Function, pair: Turned) -> Iterator[Outrun]:
    """What the first statement takes a further reference of, which the function gives up later, behind the release of a
    lock now under which such a thing is there to stay.
    """
    call, drop = pair.now_first.expr, pair.now_second.expr
    if call is None or call.kind != "call" or not call.args or drop is None or drop.kind != "call":
        return
    rows = function.tables.drops.get(drop.value, ())
    ordered = (row for row in function.tables.steps.done_by(call.value) if row.role == "order")
    if not any(row.kind in _KEEPING for row in rows) or any(drop.value in row.sinks for row in ordered):
        return
    order, key = reach(function), canon(call.args[0])
    if any(_OWNED.search(each.value) for value in assigned_values(function).get(key, ()) for each in value.calls()):
        return
    later = (each for name, calls in function.calls.items() if halves(call.value, name) for each in calls)
    if any(order.before(pair.now_first, n) and put.args and canon(put.args[0]) == key for n, put in later):
        yield Outrun("unheld", key, pair.now_first, pair.now_second)


def _published(function: Function, pair: Turned) -> Iterator[Outrun]:
    """What the first statement sets of a page comes behind the call that lets others take references of it."""
    helpers = function.tables.ref_helpers
    shown = {
        canon(call.args[0])
        for op, call in pair.now_second.events
        if op == "call" and call.args and (row := helpers.get(call.value)) is not None and row.op == "unfreeze"
    }
    for op, expr in pair.now_first.events if shown else ():
        target = expr.args[0] if op == "assign" else None
        if target is not None and target.kind == "field" and canon(target.args[0]) in shown:
            yield Outrun("published", target.key, pair.now_first, pair.now_second)


def _unarmed(function: Function, pair: Turned) -> Iterator[Outrun]:
    """The callback that the first statement sets in an object is missing where the second one, which may fail, comes in
    front of it now, and its failure leads to a release of the object.
    """
    order = reach(function)
    for op, expr in pair.now_first.events:
        target = expr.args[0] if op == "assign" and expr.value == "=" else None
        if (
            target is None
            or target.kind != "field"
            or function.program.resolve(expr.args[1].key, function.path) is None
        ):
            continue
        for start in (t for n in order.order if asks_for(pair.now_second, n) for t, _ in n.succ):
            reached = graph.after([start])
            ways = (n for n in order.order if n.id in reached and pair.now_first.id not in reached)
            for node in (n for n in ways if _gives_up(function, n, target.args[0].key)):
                yield Outrun("unarmed", target.key, node, pair.now_first)


def _gives_up(function: Function, node: Node, key: str) -> bool:
    calls = (call for op, call in node.events if op == "call")
    return any(thing.key == key for call in calls for thing in given(function, call.value, call))


def _frees_all(function: Function, call: Expr) -> bool:
    """Whether a call frees its last argument, and not a part of it."""
    if _PLAIN.match(call.value) or not frees(call.value):
        return frees(call.value)
    callee = function.program.resolve(call.value, function.path)
    inner = [c for name, calls in callee.calls.items() if frees(name) for _, c in calls] if callee is not None else []
    return any(arg.key == callee.params[-1] for c in inner for arg in c.args[-1:]) if callee is not None else False


def _looks_into(node: Node, key: str) -> bool:
    """Whether a statement reads or writes behind a pointer, or hands it to a call."""
    if node.expr is None:
        return False
    for e in node.expr.walk():
        if e.kind == "call" and not tells(e.value) and any(canon(arg) == key for arg in e.args):
            return True
        if e.kind in ("field", "index") and e.args[0].key == key:
            return True
    return False


def _overwritten(compared: Comparison, pair: Turned) -> Iterator[Outrun]:
    """What the second statement sets anew was read by the first, which gets the new value now."""
    first, second = pair.now_first, pair.now_second
    for op, expr in second.events:
        if op != "assign" or expr.value not in _SETS or first.expr is None or expr.args[0].kind == "index":
            continue
        target, value = expr.args
        if any(e.key == target.key for e in value.walk()) or not reads(first, target.key):
            continue
        if value.key in _NOTHING or _wanted(compared, pair, target):
            yield Outrun("set", target.key, first, second)


def reads(node: Node, key: str) -> bool:
    """Whether a statement uses the value of an lvalue: not its address, not only to set it, not for a message."""
    if node.expr is None or any(tells(call.value) for call in node.expr.calls()):
        return False
    return _in_value(node.expr, key)


def _in_value(e: Expr, key: str) -> bool:
    if e.kind == "unary" and e.value == "&":
        return any(arg.key != key and _in_value(arg, key) for arg in e.args)
    if e.kind == "assign" and e.value == "=" and e.args[0].key == key:
        return _in_value(e.args[1], key)
    return e.key == key or any(_in_value(arg, key) for arg in e.args)


def _wanted(compared: Comparison, pair: Turned, target: Expr) -> bool:
    """Whether both values are used: the old one by the first statement alone, the new one by what comes behind both."""
    function, order = compared.before, reach(compared.before)
    if target.kind != "name":
        return False
    sets = [
        (n, e.args[1].key)
        for n in order.order
        for op, e in n.events
        if op == "assign" and e.args[0].key == target.key and order.before(n, pair.first)
    ]
    given = [value for _, value in sets] or (["a parameter"] if target.value in function.params else [])
    if _comes_round(function, pair, target):
        given.append("an earlier turn")
    readers = (n for n in order.order if n.expr is not None and order.before(pair.second, n) and n is not pair.first)
    return bool(given) and not _NOTHING.issuperset(given) and any(reads(n, target.key) for n in readers)


def _comes_round(function: Function, pair: Turned, target: Expr) -> bool:
    """Whether what the second statement sets gets to the first in the next turn of a loop, in which it is set to
    something else each time.
    """
    key = target.key
    ahead = graph.after([t for t, _ in pair.second.succ], lambda n: n.sets(key))
    if pair.first.id not in ahead:
        return False
    turn = graph.before([pair.first], lambda n: n is not pair.first and n.sets(key)) & ahead
    values = [e.args[1] for op, e in pair.second.events if op == "assign" and e.args[0].key == key]
    names = {e.key for value in values for e in value.walk() if e.kind in ("name", "field")}
    return any(n.id in turn and moves_on(n, *names) for n in function.cfg.order)


def _unready(compared: Comparison, pair: Turned) -> Iterator[Outrun]:
    """What the first statement makes ready is used by the second, which comes in front of it now."""
    call, expr = pair.now_first.expr, pair.now_second.expr
    if call is None or call.kind != "call" or expr is None or tells(call.value):
        return
    if expr.kind == "assign" and expr.args[1].kind == "unary" and expr.args[1].value == "&":
        return  # where it stands is known already
    used = {e.key for e in expr.walk()}
    named = _READY.search(call.value) and not any(_READY.search(c.value) for c in expr.calls())
    for arg in sorted(call.args, key=lambda arg: arg.root not in call.value):
        fresh = arg.kind == "unary" and arg.value == "&" and _untouched(compared.before, pair.first, arg.args[0].key)
        ready = named and arg.key not in _NOTHING and (arg.key == f"&{arg.root}" or "*" in _type(compared, arg))
        parts = f"{arg.key.lstrip('&')}->"
        if (fresh or ready) and any(key == arg.key or key.startswith(parts) for key in used):
            yield Outrun("unset", arg.key.lstrip("&"), pair.now_second, pair.now_first)
            return


def _type(compared: Comparison, arg: Expr) -> str:
    return declared_types(compared.before).get(arg.key, "")


def _untouched(function: Function, node: Node, name: str) -> bool:
    """Whether a local variable is first named by a statement, and gets no value where it is declared."""
    if name not in local_names(function):
        return False
    order = reach(function)
    earlier = (n for n in order.order if order.before(n, node) and n.expr is not None)
    if any(name in n.expr.names() for n in earlier if n.expr is not None):
        return False
    return all(n.expr is None for n in function.cfg.nodes if n.kind == "decl" and n.name == name)


_LATE = (_freed, _unheld, _unlocked, _published, _unarmed)
