"""Values that were read or looked up once more under a lock taken anew, or behind a call that may have changed them,
and that a patch goes on using as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.consumed import harmless
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import local_names
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, plain
from mmlint.frozen import dataclass

_KINDS = frozenset(
    {"ptl", "spin", "raw_spin", "rwlock", "mutex", "rwsem", "mmap_lock", "folio_lock", "i_mmap", "vma_lock"}
)


@dataclass(frozen=True, slots=True)
class LostReload:
    """`variable` was given `value` again behind `lock`; now `reader` gets what it had before the lock was taken."""

    variable: str
    value: Expr
    lock: Act
    reader: Node


def lost_reloads(change: FunctionChange) -> list[LostReload]:
    """The first reading behind each reload that is gone."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    return list(_lost(compared))


def _lost(compared: Comparison) -> Iterator[LostReload]:
    old = reach(compared.before)
    fresh = compared.fresh
    told = {n.expr.key for n in fresh if n.expr is not None}
    for node in old.order:
        expr = node.expr
        if node.line in compared.lines or expr is None or expr.key in told or not _loads(expr):
            continue
        variable = expr.args[0].key
        if any(n.sets(variable) or _walks(n, variable) for n in fresh) or _given_by_helper(compared, fresh, variable):
            continue
        lock = _lock(compared, old, node, variable) or _changer(compared, old, node)
        now = compared.pairs[id(lock)] if lock is not None else None
        reader = _reader(compared, now.node, variable) if now is not None else None
        if reader is not None and reader in fresh and _looks_up_itself(compared.after, reader, variable):
            continue
        if lock is not None and reader is not None and now is not None:
            yield LostReload(variable, expr.args[1], now, reader)


def _given_by_helper(compared: Comparison, fresh: list[Node], variable: str) -> bool:
    """Whether a helper that the patch calls now sets it: a member of what is known everywhere by its name."""
    after = compared.after
    if "->" not in variable or variable.partition("->")[0] in local_names(after) | frozenset(after.params):
        return False
    names = {call.value for node in fresh if node.expr is not None for call in node.expr.calls()}
    helpers = (after.program.resolve(name, after.path) for name in names - compared.before.calls.keys() if name)
    return any(n.sets(variable) for helper in helpers if helper is not None for n in helper.cfg.order)


def _looks_up_itself(function: Function, node: Node, variable: str) -> bool:
    """Whether a callee that gets the old value gives its parameter another one: it goes on from there."""
    for call in node.expr.calls() if node.expr is not None else ():
        callee = function.program.resolve(call.value, function.path) if call.value else None
        given = [i for i, arg in enumerate(call.args) if arg.key == variable]
        names = [callee.params[i] for i in given if i < len(callee.params)] if callee is not None else []
        if callee is not None and names and any(n.sets(*names) for n in callee.cfg.order):
            return True
    return False


def _walks(node: Node, variable: str) -> bool:
    """Whether an iterator gives the variable its values."""
    return node.kind == "iter" and node.expr is not None and variable in {arg.key for arg in node.expr.args}


@dataclass(frozen=True, slots=True)
class Unasked:
    """`variable` was read from `value` under `lock` and asked for NULL; `reader` (of after) takes it as it is."""

    variable: str
    value: Expr
    lock: Act
    reader: Node


def unasked(change: FunctionChange) -> list[Unasked]:
    """The tests for NULL that a patch takes away of what a member held when its lock was taken."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    old = reach(compared.before)
    gone = [n for n in old.order if n.kind == "branch" and n.line not in compared.lines]
    found = (_unasked(compared, old, test) for test in gone)
    return [each for each in found if each is not None]


def _unasked(compared: Comparison, order: Reach, test: Node) -> Unasked | None:
    variable = _questioned(test)
    stores = [n for n in order.order if n.sets(variable) and order.before(n, test)]
    store = stores[-1] if stores and order.dominates(stores[-1], test) else None
    line = compared.lines.get(store.line, 0) if store is not None else 0
    if store is None or store.expr is None or store.expr.kind != "assign" or store.expr.args[1].kind != "field":
        return None
    there = next((n for n in compared.after.cfg.order if n.line == line and n.sets(variable)), None)
    lock = _holding(compared, order, store)
    if there is None or lock is None:
        return None
    new = reach(compared.after)
    reader = next((n for n in _naming(compared.after).get(variable, ()) if new.before(there, n)), None)
    if reader is None or any(n.kind == "branch" and _questioned(n) == variable for n in compared.after.cfg.order):
        return None
    return Unasked(variable, store.expr.args[1], lock, reader)


def _holding(compared: Comparison, order: Reach, node: Node) -> Act | None:
    """The last lock that is taken on every way to a node and not given up again before it."""
    tables, found = compared.before.tables, None
    for act in compared.old:
        if act.word in tables.drops and order.before(act.node, node):
            found = None if found is not None and found.names & act.names else found
        kinds = {row.kind for row in tables.takes.get(act.word, ()) if row.mode != "try"}
        if kinds & _KINDS and id(act) in compared.pairs and order.dominates(act.node, node) and act.node is not node:
            found = act
    return found


def _questioned(test: Node) -> str:
    """The variable that a test compares with NULL."""
    return plain(test).removeprefix("NULL == ").removesuffix(" == NULL")


def _loads(expr: Expr) -> bool:
    """Whether a statement gives a variable what a call found, or what memory held."""
    if expr.kind != "assign" or expr.value != "=" or expr.args[0].kind not in ("name", "field"):
        return False
    value = expr.args[1]
    return value.kind == "call" or (value.kind == "unary" and value.value == "*")


def _lock(compared: Comparison, order: Reach, node: Node, variable: str) -> Act | None:
    """The nearest lock that is taken before a reload and after the variable had its value."""
    takes = compared.before.tables.takes
    found = None
    for act in compared.old:
        if any(row.kind in _KINDS and row.mode != "try" for row in takes.get(act.word, ())):
            behind = order.before(act.node, node) and order.dominates(act.node, node)
            if behind and id(act) in compared.pairs and _had_value(compared.before, act.node, variable):
                found = act
    if found is None or any(
        n.sets(variable) and order.before(found.node, n) and order.before(n, node) for n in order.order
    ):
        return None
    return found


def _changer(compared: Comparison, order: Reach, node: Node) -> Act | None:
    """The last call between two look-ups of the same that gets what is looked up: it was done again because of that."""
    assert node.expr is not None
    asked, key = node.expr.args[1].names(), node.expr.key
    first = next((n for n in order.order if n is not node and n.expr is not None and n.expr.key == key), None)
    if first is None or first.line not in compared.lines or not order.dominates(first, node):
        return None
    found = None
    for act in compared.old:
        call = act.expr.kind == "call" and act.word == act.expr.value and not act.word.isupper()
        if not call or harmless(compared.before, act.word) or id(act) not in compared.pairs:
            continue
        between = order.dominates(first, act.node) and order.dominates(act.node, node) and act.node is not first
        if between and asked & {arg.key for arg in act.expr.args}:
            found = act
    return found


def _had_value(function: Function, lock: Node, variable: str) -> bool:
    """Whether the variable was used before the lock was taken: what it had then was meant for this."""
    order = reach(function)
    return any(
        n is not lock and order.before(n, lock) and not n.sets(variable) for n in _naming(function).get(variable, ())
    )


@fact
def _naming(function: Function) -> Mapping[str, list[Node]]:
    """The nodes that name a variable or member."""
    found: dict[str, list[Node]] = {}
    for node in reach(function).order:
        for name in _spoken(node):
            found.setdefault(name, []).append(node)
    return found


def _spoken(node: Node) -> frozenset[str]:
    walked = node.expr.walk() if node.expr is not None else ()
    return frozenset(e.key for e in walked if e.kind in ("name", "field"))


def _reader(compared: Comparison, lock: Node, variable: str) -> Node | None:
    reached = graph.after([t for t, _ in lock.succ], lambda n: n.sets(variable))
    return next(
        (
            n
            for n in compared.after.cfg.order
            if n.id in reached and n.expr is not None and not n.sets(variable) and variable in _spoken(n)
        ),
        None,
    )
