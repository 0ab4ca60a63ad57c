"""Statements that change places with the lock that they ran under: they stand outside of its section now.

Only what is about the locked object counts: its members that are set, calls that are handed it for their effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.reordered import Turned, reordered
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types, local_names
from mmlint.facts.reach import reach
from mmlint.facts.steps import performed
from mmlint.facts.telling import keeps_count, tells
from mmlint.facts.things import given
from mmlint.frozen import dataclass

_NO_NEED = re.compile(r"(^|_)(wake|complete|queue|schedule|resched|init|INIT|k?v?free|alloc|flush|prefetch\w*)(_|$)")
"""Calls that are as good without the lock, or better."""
_ASSERTS = re.compile(r"(^|_)assert_(\w+_)?(held|locked)")
_LOCKS = re.compile(r"(^|_)and_lock(_|$)")
_UNDER_RCU = re.compile(r"^(READ_ONCE|rcu_dereference|xas?_load|radix_tree_lookup|find_\w+_rcu)")
_COPIES = re.compile(r"^(folio_(mc_|migrate_)?copy|copy_(mc_)?(user_)?highpage|(filemap_)?migrate_folio)$")
"""What copies a page that is about to be replaced: whoever writes to it does so under the spinlock, if there is one."""
_SPINS = frozenset({"spin", "raw_spin"})
_RCU = "rcu"
_FOLIO = "folio_lock"
"""Who locks a folio owns none of its members: the list that it is on, say."""


@dataclass(frozen=True, slots=True)
class Outside:
    """`node` (after the patch) ran in the section of `lock`, and stands in front of it now, or (`late`) behind it."""

    lock: Expr
    node: Node
    late: bool


def outside(change: FunctionChange) -> list[Outside]:
    """The first such statement of each lock."""
    after = change.after
    if after is None:
        return []
    before = change.before
    found: dict[str, Outside] = {}
    for pair in reordered(change):
        for left in _left(after, pair) if before is not None and not _apart(before, pair) else ():
            found.setdefault(left.lock.key, left)
    return list(found.values())


def _apart(before: Function, pair: Turned) -> bool:
    """Whether what the one takes was given up before the other came: it did not run in that section at all."""
    order, tables = reach(before), before.tables
    for lock, others in ((pair.first, tables.drops), (pair.second, tables.takes)):
        call = lock.expr if lock.expr is not None and lock.expr.kind == "call" else None
        mine = tables.takes if others is tables.drops else tables.drops
        if call is None or call.value not in mine:
            continue
        for name in others.keys() & before.calls.keys():
            for node, other in before.calls[name]:
                same = [arg.key for arg in other.args[:1]] == [arg.key for arg in call.args[:1]]
                if same and order.before(pair.first, node) and order.before(node, pair.second):
                    return True
    return False


def _left(function: Function, pair: Turned) -> Iterator[Outside]:
    for lock, other, late in ((pair.now_first, pair.now_second, False), (pair.now_second, pair.now_first, True)):
        if lock.expr is None or lock.expr.kind != "call" or _covered(function, lock.expr, other):
            continue
        inside = any(_about(function, other, kind, of) for kind, of in _sections(function, lock.expr, late))
        if inside or (late and (_uses_map(function, lock.expr, other) or _given_with(function, lock.expr, other))):
            yield Outside(lock.expr, other, late)


def _sections(function: Function, call: Expr, ends: bool) -> Iterator[tuple[str, Expr | None]]:
    """The kinds of lock that a call takes, or drops, each with the argument that tells which lock."""
    tables = function.tables
    rows = tables.drops.get(call.value, ()) if ends else tables.takes.get(call.value, ())
    for row in rows:
        if row.mode != "try":
            yield row.kind, call.args[row.arg] if row.arg is not None and row.arg < len(call.args) else None


def _uses_map(function: Function, drop: Expr, node: Node) -> bool:
    """Whether a call is handed the mapped pointer that a drop gives back."""
    places = {row.map_arg for row in function.tables.drops.get(drop.value, ())}
    mapped = {arg.key for i, arg in enumerate(drop.args) if i in places}
    calls = (e for op, e in node.events if op == "call" and not tells(e.value))
    return any(mapped & {arg.key for arg in call.args} for call in calls)


def _given_with(function: Function, drop: Expr, node: Node) -> bool:
    """Whether a call is handed what was found by one that, by its name, came back with the lock of the same object."""
    order, owner = reach(function), _owner(drop.args[0]) if drop.args else ""
    calls = [e for op, e in node.events if op == "call" and _has_effect(function, e)]
    return any(
        e.kind == "assign"
        and e.args[1].kind == "call"
        and _LOCKS.search(e.args[1].value)
        and owner in {canon(arg) for arg in e.args[1].args}
        and e.args[0].key in {arg.key for call in calls for arg in call.args}
        for found in order.order
        if order.dominates(found, node)
        for op, e in found.events
    )


def _covered(function: Function, lock: Expr, node: Node) -> bool:
    """Whether another section of the same lock holds the statement."""
    order, tables = reach(function), function.tables
    key = lock.args[0].key if lock.args else ""
    mine = [
        (n, name in tables.takes)
        for name, calls in function.calls.items()
        for n, call in calls
        if (name in tables.takes or name in tables.drops) and (call.args[0].key if call.args else "") == key
    ]
    takes = [n for n, takes in mine if takes and order.before(n, node)]
    return any(
        not any(order.before(t, d) and order.before(d, node) for d, is_take in mine if not is_take) for t in takes
    )


def _about(function: Function, node: Node, kind: str, lock: Expr | None) -> bool:
    """Whether a statement does something to what the lock protects."""
    if kind == _RCU:
        return node.expr is not None and node.expr.kind == "assign" and _read_under_rcu(node.expr.args[1])
    if lock is None:
        return False
    if kind in _SPINS and any(op == "call" and _COPIES.match(expr.value) for op, expr in node.events):
        return True
    target = lock.args[0] if lock.kind == "unary" and lock.value == "&" else lock
    if target.kind == "name" and lock is not target and target.value not in local_names(function):
        return _of_global(function, node, target.value)
    owner = _owner(lock)
    if any("alloc" in value.value for value in assigned_values(function).get(owner, ())):
        return False
    return any(_touches(function, node, op, expr, kind, owner) for op, expr in node.events)


def _owner(lock: Expr) -> str:
    """The object that a lock is a member of, or that is locked itself."""
    target = lock.args[0] if lock.kind == "unary" and lock.value == "&" else lock
    return canon(target.args[0] if target.kind == "field" and lock is not target else target)


def _read_under_rcu(value: Expr) -> bool:
    return any(_UNDER_RCU.match(call.value) for call in value.calls())


def _touches(function: Function, node: Node, op: str, expr: Expr, kind: str, owner: str) -> bool:
    """Whether a call or an assignment is for its effect on a locked object, or needs it locked."""
    if op != "call":
        return expr.args[0].kind == "field" and expr.args[0].key.startswith(f"{owner}->")
    if not _has_effect(function, expr):
        return False
    handed = {canon(arg) for arg in expr.args}
    inside = kind != _FOLIO and any(key.startswith(f"&{owner}->") for key in handed)
    of_mm = kind == "mmap_lock" and any("vm_area_struct" in declared_types(function).get(key, "") for key in handed)
    if owner not in handed and not of_mm:
        return inside
    return node.expr is expr or _asserts(function, expr) or _finds(function, node, expr)


def _has_effect(function: Function, call: Expr) -> bool:
    tables, name = function.tables, call.value
    if not name or name in tables.takes or name in tables.drops or name in tables.takes_resource:
        return False
    if tells(name) or keeps_count(name) or _NO_NEED.search(name) or name in tables.guards:
        return False
    return not given(function, name, call)


def _asserts(function: Function, call: Expr) -> bool:
    callee = function.program.resolve(call.value, function.path)
    return callee is not None and any(_ASSERTS.search(word) for word in callee.words)


def _finds(function: Function, node: Node, call: Expr) -> bool:
    """Whether what a call finds in the object is looked into: a pointer."""
    expr = node.expr
    if expr is None or expr.kind != "assign" or expr.args[1] is not call:
        return False
    return "*" in declared_types(function).get(expr.args[0].key, "")


def _of_global(function: Function, node: Node, lock: str) -> bool:
    """Whether a statement is about what a lock of the file protects: a callee gives that lock up on its way, or what
    is set is set by other functions of the file, most of which name the lock.
    """
    for op, expr in node.events:
        if op == "call":
            callee = function.program.resolve(expr.value, function.path) if expr.value else None
            if callee is not None and callee.path == function.path and _needs(callee, lock):
                return True
            continue
        target = expr.args[0]
        known = target.root in local_names(function) or target.root in function.params
        if known and target.kind != "field":
            continue
        name = target.value if known else target.root
        others = [f for f in function.program.functions(function.path) if f.name != function.name and _sets(f, name)]
        if others and sum(lock in other.words for other in others) >= len(others) / 2:
            return True
    return False


def _needs(callee: Function, lock: str) -> bool:
    """Whether a function is called with a lock held: it asserts that, or gives it up before it takes it."""
    if lock not in performed(callee):
        return False
    if lock in callee.words and any(_ASSERTS.search(name) for name in callee.calls):
        return True
    order, tables = reach(callee), callee.tables
    mine = [
        (n, name)
        for name, calls in callee.calls.items()
        for n, call in calls
        if (name in tables.takes or name in tables.drops) and call.args and lock in call.args[0].names()
    ]
    drops = [n for n, name in mine if name in tables.drops]
    return any(not any(order.before(t, d) for t, name in mine if name in tables.takes) for d in drops)


def _sets(function: Function, name: str) -> bool:
    if name not in function.words:
        return False
    stores = (e.args[0] for n in function.cfg.order for op, e in n.events if op != "call")
    return any(name in (to.root, to.value if to.kind == "field" else "") for to in stores)
