"""Where an order of strength holds: what its row says of the place, and whether the code is such a place."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from mmlint.changes.about import target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison
from mmlint.changes.locks.irqsmixed import meant_everywhere, nowhere_irqs_off, taken_with_irqs_off
from mmlint.changes.locks.lockset import done_to
from mmlint.changes.weaker.entryforms import known_present
from mmlint.changes.weaker.lastput import shared
from mmlint.changes.weaker.ownmask import stays_out
from mmlint.changes.weaker.unfilled import UNFILLED, meant, unfilled
from mmlint.changes.weaker.unraw import in_raw_section, told_of
from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.locks.irqsoff import enables_irqs, entered_with_irqs_off
from mmlint.facts.locks.locks import atomic, locks
from mmlint.facts.owners.doors import by_wrong_door
from mmlint.facts.pins.beside import only_gets_beside, unpins_beside
from mmlint.facts.private import known_to_others
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, acts, opposite, plain
from mmlint.kernel.entries import Stronger

_NOT_PRESENT = {("swap_kind", True), ("present", False)}
"""Tests, by class, with the outcome on which an entry is not present."""
_MIXED, _NOWHERE = "mixed", "nowhere"
_SIZES = frozenset({"<", "<=", ">", ">="})
_RCU = re.compile(r"(^|_)s?rcu(_|$)", re.I)
_UNLESS_ZERO = re.compile(r"not_zero|unless_zero|(^|_)try_?get(_|$)|add_unless|inc_unless")
_TAKES_DOWN = re.compile(
    r"(^|_)(k?v?free\w*|destroy|exit|fini|release|remove|teardown|shutdown|evict|unregister|cleanup|uninit)(_|$)"
)
_ENTRY = re.compile(r"(const )?p(te|md|ud|4d|gd)_t \*")
_BY_GUP = frozenset({"page pin", "GUP page reference"})
_PREPARES = re.compile(r"^mem(set|cpy)$|^(IS_ERR|PTR_ERR|ERR_)|free|(^|_)(put|destroy)(_|$)")


def holds(compared: Comparison, row: Stronger, was: Act, now: Act) -> bool:
    """Whether an order of strength says something of this place."""
    kind, _, reader = row.only.partition(":")
    if kind == "asked":
        return _asked_apart(compared, was, now, reader)
    if kind == "without":
        return compared.after.calls.keys().isdisjoint(reader.split(","))
    if kind == "uncompared":
        return not _compared_later(compared.after, now, reader)
    return row.only not in _ONLY or _ONLY[row.only](compared, was, now)


def matters(function: Function, row: Stronger, now: Act) -> bool:
    """Whether a flag that is gone was needed: no other has come in its place, or nobody asks what it ruled out."""
    kind, _, instead = row.only.partition(":")
    if kind == "unasked":
        return _unasked(function, now)
    if kind == UNFILLED:
        return unfilled(function, now)
    return not instead or not any(instead in arg.names() for arg in now.expr.args)


def _gives_pins(compared: Comparison, act: Act) -> bool:
    """Whether an act gives up what was pinned: pages that were only got are given up by another call, and rightly."""
    rows = compared.before.tables.gives_resource.get(act.word, ())
    pins = any(row.resource == "page pin" for row in rows) and not only_gets_beside(compared.after)
    return pins and not by_wrong_door(compared.before, act.expr)


def _of_current(function: Function, act: Act) -> bool:
    """Whether what the call gets belongs to the current task, by itself or as a test has said."""
    names = {arg.key for arg in act.expr.args}
    order = reach(function)
    return any("current->" in name for name in names) or any(
        node.kind == "branch"
        and "current->" in plain(node)
        and names & set(plain(node).split(" == "))
        and order.chosen(node, act.node) is not opposite(node)
        and order.dominates(node, act.node)
        for node in order.order
    )


def _nonpresent(function: Function, act: Act) -> bool:
    """Whether the act stands where a test has said that the entry is not a present one."""
    order, guards = reach(function), function.tables.guards
    for node in order.order:
        guard = guards.get(node.expr.value) if node.kind == "branch" and node.expr is not None else None
        if guard is not None and (guard.class_, order.chosen(node, act.node)) in _NOT_PRESENT:
            return True
    return False


def _asks_for_any(act: Act) -> bool:
    """Whether a count is compared with one: then every reference counts but the asker's, pins as well."""
    tests = (e for test in act.tests if test.expr is not None for e in test.expr.walk())
    return any(e.kind == "binary" and [a.key for a in e.args] == [act.expr.key, "1"] for e in tests)


def _same_args(was: Act, now: Act) -> bool:
    return [arg.key for arg in was.expr.args] == [arg.key for arg in now.expr.args]


def _narrowed(compared: Comparison, act: Act, other: Act) -> bool:
    """Whether a call about a batch became one about an entry: its count is gone, and no loop makes up for it."""
    counts = act.expr.names() - other.expr.names()
    spoken = frozenset().union(*(n.expr.names() for n in compared.after.cfg.order if n.expr is not None))
    return bool(counts & spoken) and _loops(compared.after) <= _loops(compared.before)


def _of_more_pages(compared: Comparison, act: Act, other: Act) -> bool:
    """Whether a call about a range, begin to end, that is not one page long became one about its first page alone."""
    begins = {arg.key for arg in other.expr.args}
    pairs = [(a, b) for a, b in pairwise(act.expr.args) if a.key in begins and b.key not in begins]
    one_page = (b.kind == "binary" and b.value == "+" and b.args[1].key == "PAGE_SIZE" for _, b in pairs)
    return bool(pairs) and not any(one_page) and _loops(compared.after) <= _loops(compared.before)


def _loops(function: Function) -> int:
    order = reach(function)
    return sum(order.rank[t.id] <= order.rank[n.id] for n in order.order for t, _ in n.succ if t.id in order.rank)


def _in_atomic(function: Function, expr: Expr) -> bool:
    call = expr if expr.kind == "call" else None
    return call is not None and any(atomic(function, prop) for prop in locks(function).held(call))


def _turns_on(compared: Comparison, now: Act) -> bool:
    """Whether a function that is entered with interrupts off, and left them so, turns them on now, other than by taking
    a lock of its callers' again that it gave up.
    """
    again = any(h.gone for prop in locks(compared.after).held(now.expr) for h in prop)
    return not again and not enables_irqs(compared.before) and entered_with_irqs_off(compared.after)


def _unwaited(function: Function, was: Act, now: Act) -> bool:
    """Whether a call that waits for nobody is about the object of one that did, and others may know that: a caller, or
    whom it was handed to since the function made it.
    """
    handed = now.word in {arg.key for arg in was.expr.args}
    if not _RCU.search(was.word) or (_RCU.search(now.word) and not handed):
        return False
    root = was.expr.args[0].root if was.expr.args else ""
    if not root or root not in {arg.root for arg in now.expr.args}:
        return False
    return known_to_others(function, root, was.node, _PREPARES)


def _written(function: Function, act: Act) -> bool:
    """Whether a member of something, or a list, is changed here with the lock held that a call takes."""
    flow = locks(function).flow
    return any(
        done_to(node) and "->" in node.expr.key
        for node in function.cfg.order
        if node.expr is not None
        and any(held.line == act.line and not held.gone for prop in flow.states(node) for held in prop)
    )


def _torn_down(function: Function, act: Act) -> bool:
    """Whether what a call is about lies in something that is taken down: by this function, or by a call behind it."""
    if _TAKES_DOWN.search(function.name):
        return True
    order, root = reach(function), act.expr.args[0].root if act.expr.args else ""
    return any(
        _TAKES_DOWN.search(name) and order.before(act.node, node) and root in {arg.root for arg in call.args}
        for name, calls in function.calls.items()
        for node, call in calls
    )


def _with_others(function: Function, act: Act) -> bool:
    """Whether others may get at what a call changes at the same time: no lock is held, and they know of it."""
    root = next((arg.root for arg in reversed(act.expr.args) if arg.root), "")
    own = root in declared_types(function) and "*" not in declared_types(function)[root]
    return not own and not locks(function).held_at(act.expr) and known_to_others(function, root, act.node, _PREPARES)


def _locks_behind(compared: Comparison, was: Act, now: Act) -> bool:
    """Whether the lock that a call took at the last reference is taken behind it now, though others may still find the
    object under it: none of the file looks whether the count is zero as it gets one.
    """
    after, order = compared.after, reach(compared.after)
    if len(was.expr.args) < 2 or not now.expr.args or was.expr.args[0].key != now.expr.args[0].key:
        return False
    lock, kind = was.expr.args[1].key, _type_of(after, now.expr.args[0])
    takes = (a for a in compared.added if a.word in after.tables.takes and lock in {arg.key for arg in a.expr.args})
    if not any(order.before(now.node, act.node) for act in takes):
        return False
    asking = (
        _type_of(f, call.args[0])
        for f in after.program.functions(after.path)
        for name, calls in f.calls.items()
        for _, call in (calls if _UNLESS_ZERO.search(name) else ())
        if call.args
    )
    return not any(each in ("", kind) for each in asking)


def _puts_back(function: Function, act: Act) -> bool:
    """Whether a call puts into a page-table entry what was made of its own value: others may have changed it since."""
    place = act.expr.args[0] if act.expr.args else None
    entry = next((arg for arg in act.expr.args if _ENTRY.match(_type_of(function, arg))), None)
    if place is None or entry is None:
        return False
    values = [act.expr.args[-1]]
    values += [value for name in values[0].names() for value in assigned_values(function).get(name, ())]
    reads = (e for value in values for e in value.walk() if e.kind in ("unary", "call"))
    return any(entry.root in e.names() and (e.kind == "call" or e.value == "*") for e in reads)


def _of_users(function: Function, act: Act) -> bool:
    """Whether pages that GUP gave are given up behind a call, which is made where it may sleep and holds no folio
    lock: nothing but the lock keeps truncation away from their mapping.
    """
    order, gives = reach(function), function.tables.gives_resource
    about = {arg.key for arg in act.expr.args}
    puts = (
        node
        for name in function.calls.keys() & gives.keys()
        if any(row.resource in _BY_GUP for row in gives[name])
        for node, call in function.calls[name]
        if not about.isdisjoint(arg.key for arg in call.args)
    )
    if not any(order.before(act.node, node) for node in puts):
        return False
    held = locks(function).held_at(act.expr)
    pinning = (f.mentions(f.tables.gup) for f in function.program.functions(function.path))
    return not any(h.kind == "folio_lock" for h in held) and not _in_atomic(function, act.expr) and any(pinning)


def _type_of(function: Function, expr: Expr) -> str:
    """The type of the variable that an expression is a member of; "" if it is not known."""
    return declared_types(function).get(expr.root, "")


_ONLY: dict[str, Callable[[Comparison, Act, Act], bool]] = {
    "atomic": lambda compared, _, now: _in_atomic(compared.after, now.expr),
    _MIXED: taken_with_irqs_off,
    _NOWHERE: nowhere_irqs_off,
    "irqs-off": lambda compared, _, now: _turns_on(compared, now),
    "nested": lambda compared, _, now: bool(locks(compared.after).held_at(now.expr)),
    "pins": lambda compared, was, _: _gives_pins(compared, was),
    "unpinned": lambda compared, _, __: unpins_beside(compared.after),
    "batch": _narrowed,
    "enters": lambda compared, was, _: any(stays_out(compared.before, arg) for arg in was.expr.args),
    "range": _of_more_pages,
    "another": lambda compared, _, now: not _of_current(compared.after, now),
    "any": lambda _, was, __: _asks_for_any(was),
    "seldom": lambda _, __, now: not _asks_for_any(now),
    "as-is": lambda _, was, now: _same_args(was, now),
    "raw": lambda compared, was, now: _same_args(was, now) and not in_raw_section(compared.after, now.expr),
    "locks-behind": _locks_behind,
    "ignored": lambda _, was, now: was.use == now.use == "bare",
    "written": lambda compared, _, now: _written(compared.after, now),
    "freed": lambda compared, _, now: _torn_down(compared.after, now),
    "shared": lambda compared, _, now: _with_others(compared.after, now),
    "found": lambda _, __, now: "NULL" not in {arg.key for arg in now.expr.args},
    "by-hand": lambda *_: False,
    "user-pages": lambda compared, _, now: _of_users(compared.after, now),
    "last": lambda compared, was, _: shared(compared, was),
    "order": lambda _, was, now: was.expr.args[0].key == now.expr.args[0].key and was.expr.args[-1].key != "0",
    UNFILLED: lambda compared, _, now: unfilled(compared.after, now),
    "readers": lambda compared, was, now: _unwaited(compared.before, was, now),
    "nonpresent": lambda compared, _, now: _nonpresent(compared.after, now),
    "put-back": lambda compared, was, now: _puts_back(compared.after, now) and not _puts_back(compared.before, was),
    "present": lambda compared, was, _: known_present(compared.before, was),
}
"""Where an order of strength holds, by what its row says."""


def excused(change: FunctionChange, row: Stronger, step: Act) -> bool:
    """Whether a patch says why it takes a lock with interrupts on: then a row that claims less may still hold. Or
    whether it pins less often elsewhere, for what it unpins less often.
    """
    if row.only == "pins":
        takes = change.patch.tables.takes_resource
        pinning = {name for name, rows in takes.items() if any(r.resource == "page pin" for r in rows)}
        sides = ((o.before, o.after) for o in change.others)
        return any(old and new and (old.words - new.words) & pinning for old, new in sides)
    return change.patch.mends if row.only == _MIXED else row.only == _NOWHERE and meant_everywhere(change, step)


def read_otherwise(change: FunctionChange, row: Stronger, step: Act, now: Act) -> bool:
    """Whether a patch that makes `now` of `step`, which waited for readers, changes more about who reads under RCU, or
    waits for those; or says why memory need not be zero, or a lock need not be raw.
    """
    if row.only == UNFILLED:
        return meant(change)
    if row.only == "raw":
        return told_of(change, step)
    if row.only not in ("readers", "found"):
        return False
    own = {now.word, step.word, *(part.value for part in step.expr.walk())}
    sides = ((each.before, each.after) for each in change.patch.changes)
    words = ((old.words if old else frozenset()) ^ (new.words if new else frozenset()) for old, new in sides)
    return any(_RCU.search(word) and word not in own for each in words for word in each)


def _asked_apart(compared: Comparison, was: Act, now: Act, reader: str) -> bool:
    """Whether the answer that a call gave is got by a second one, which the patch adds, under no lock held at both."""
    after, about = compared.after, {arg.key for arg in now.expr.args}
    asking = (a for a in compared.added if a.word == reader and a.tests and about & {arg.key for arg in a.expr.args})
    held = locks(after).always_held(now.expr)
    return was.use != "bare" and any(held.isdisjoint(locks(after).always_held(a.expr)) for a in asking)


def _unasked(function: Function, act: Act) -> bool:
    """Whether nothing asks for what a call gave: no branch, no caller, no other call that gets it as it is."""
    expr = act.node.expr
    keeper = expr.args[0].key if expr is not None and expr.kind == "assign" and expr.args[1] is act.expr else ""
    asked = (n.expr for n in function.cfg.order if n.kind in ("branch", "return") and n.expr is not None)
    return bool(keeper) and not act.tests and not any(e.key == keeper for each in asked for e in each.walk())


def _compared_later(function: Function, act: Act, member: str) -> bool:
    """Whether a member of what a call finds is compared by size, here or by whoever gets it."""
    found = target(act)
    if act.use == "return" or not found:
        return True
    if _compares_by_size(function, member):
        return True
    handed = [other for other in acts(function) if found & {arg.key for arg in other.expr.args}]
    callees = (function.program.resolve(other.word, function.path) for other in handed if other.tests)
    returned = any(other.word == "return" and other.expr.key in found for other in acts(function))
    return returned or any(callee is not None and _compares_by_size(callee, member) for callee in callees)


def _compares_by_size(function: Function, member: str) -> bool:
    """Whether a function asks anywhere whether a member is less or more than something."""
    exprs = (n.expr for n in function.cfg.order if n.expr is not None)
    sizes = (e for expr in exprs for e in expr.walk() if e.kind == "binary" and e.value in _SIZES)
    return any(e.kind == "field" and e.value == member for each in sizes for e in each.walk())
