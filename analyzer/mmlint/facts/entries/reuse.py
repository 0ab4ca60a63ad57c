"""Where a function decides that a mapped page is exclusive and may be made writable in place, and by which test.

A test is the comparison of a reference count or a mapcount with one. It decides a reuse that is reached on its
"only one" side alone: a call that makes the entry writable or the page exclusive, or a true result of a function by
which its callers decide the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr, operands
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

_STEPS = ("exclusive-before-reuse", "ksm-before-reuse")
_EQUAL = {"==": True, "!=": False, "<=": True, ">": False}
_BELOW_TWO = {"<": True, ">=": False}
_DECIDERS = ("exclusive", "may_write")


@dataclass(frozen=True, slots=True)
class CountTest:
    """A comparison of a count with one at a branch: `single` is the outcome that means "only one"."""

    node: Node
    call: Expr
    kind: str
    single: bool
    locked: bool


@dataclass(frozen=True, slots=True)
class Reuse:
    """A place that takes a page for exclusive because of `tests`; `ksm` says whether KSM pages were told apart."""

    node: Node
    sink: Expr
    tests: tuple[CountTest, ...]
    ksm: bool
    level: str


def _counted(function: Function, expr: Expr) -> tuple[str, Expr] | None:
    """The kind of count that an expression is, with the call that reads it, also through a variable set once."""
    if expr.kind == "name":
        values = assigned_values(function).get(expr.value, [])
        return _counted(function, values[0]) if len(values) == 1 and values[0].kind == "call" else None
    guard = function.tables.guards.get(expr.value) if expr.kind == "call" else None
    if guard is None or guard.class_ not in ("count", "mapcount"):
        return None
    return guard.class_, expr


def _single(function: Function, expr: Expr, named: bool = True) -> tuple[str, Expr, bool] | None:
    """(kind, call, outcome that means "only one") of a comparison, or (`named`) of a variable that keeps one."""
    if expr.kind == "name":
        values = assigned_values(function).get(expr.value, []) if named else []
        return _single(function, values[0], False) if len(values) == 1 else None
    if expr.kind == "unary" and expr.value == "!":
        inner = _single(function, expr.args[0], named)
        return (inner[0], inner[1], not inner[2]) if inner is not None else None
    if expr.kind == "call" and "shared" in expr.value and (counted := _counted(function, expr)) is not None:
        return (*counted, False)
    if expr.kind != "binary":
        return None
    counted = _counted(function, expr.args[0])
    if counted is None:
        return None
    limit = expr.args[1]
    base = limit.args[0] if limit.kind == "binary" and limit.value == "+" else limit
    meaning = _EQUAL if base.key == "1" else _BELOW_TWO if base.key == "2" else {}
    outcome = meaning.get(expr.value)
    return (*counted, outcome) if outcome is not None else None


@fact
def count_tests(function: Function) -> tuple[CountTest, ...]:
    """The branches on whether a count is one."""
    found: list[CountTest] = []
    if not _may_count(function):
        return ()
    for node in function.cfg.order:
        if node.kind == "branch" and node.expr is not None:
            test = _single(function, node.expr)
            if test is not None:
                kind, call, single = test
                found.append(CountTest(node, call, kind, single, _locked(function, call)))
    return tuple(found)


def _may_count(function: Function) -> bool:
    tables = function.tables
    return function.mentions(tables.with_class("count")) or function.mentions(tables.with_class("mapcount"))


def _locked(function: Function, call: Expr) -> bool:
    """Whether the folio lock may be held at a call: taken here, or by a function of the file that calls this one."""
    if _holds(function, call):
        return True
    users = [f for f in function.program.functions(function.path) if f is not function and f.has(function.name)]
    return any(_holds(user, site) for user in users for _, site in user.calls.get(function.name, ()))


def _holds(function: Function, call: Expr) -> bool:
    facts = locks(function)
    return facts.flow.overflow or any(held.kind == "folio_lock" for held in facts.held_at(call))


@fact
def reuses(function: Function) -> tuple[Reuse, ...]:
    """The places that one count test or several decide, one for each set of tests."""
    if not _may_count(function):
        return ()
    tests = count_tests(function)
    found: dict[tuple[int, ...], Reuse] = {}
    for node, sink in _sinks(function):
        order = reach(function)
        deciding = tuple(t for t in tests if order.chosen(t.node, node) is t.single)
        if node.kind == "return" and node.expr is not None:
            deciding += tuple(_in_result(function, node, node.expr))
        if deciding and not _exclusive(function, node):
            site = Reuse(node, sink, deciding, _without_ksm(function, node, deciding), _level(function))
            found.setdefault(tuple(t.node.id for t in deciding), site)
    return tuple(found.values())


def _sinks(function: Function) -> Iterator[tuple[Node, Expr]]:
    steps = function.tables.steps.by_name
    names = {name for step in _STEPS for name in steps[step].sinks}
    for node in function.cfg.order:
        if node.expr is not None:
            yield from ((node, call) for call in node.expr.calls() if call.value in names)
    if _decides(function):
        for node in function.cfg.order:
            if node.kind == "return" and node.expr is not None and node.expr.key not in ("0", "false"):
                yield node, node.expr


def _decides(function: Function) -> bool:
    """Whether callers make an entry writable on this function's word."""
    guard = function.tables.guards.get(function.name)
    return guard is not None and guard.class_ in _DECIDERS and guard.transitive


def _in_result(function: Function, node: Node, expr: Expr) -> Iterator[CountTest]:
    """The count tests that are conditions of a returned conjunction which does not ask for the exclusive mark."""
    parts = list(operands(expr, "&&"))
    if any(part.kind == "call" and _is_exclusive(function, part) for part in parts):
        return
    for part in parts:
        test = _single(function, part)
        if test is not None and test[2]:
            yield CountTest(node, test[1], test[0], True, _locked(function, test[1]))


def _is_exclusive(function: Function, call: Expr) -> bool:
    guard = function.tables.guards.get(call.value)
    return guard is not None and (guard.class_ == "exclusive" or guard.class_ == "may_write")


def _exclusive(function: Function, sink: Node) -> bool:
    """Whether the mark of an exclusive page, or a function that looks at it, decides the place as well."""
    order = reach(function)
    targets = call_targets(function)
    marked = {
        targets[id(call)].key
        for calls in function.calls.values()
        for _, call in calls
        if id(call) in targets and _is_exclusive(function, call)
    }
    return any(
        (node.expr.kind == "call" and _is_exclusive(function, node.expr)) or node.expr.key in marked
        for node in function.cfg.order
        if node.kind == "branch" and node.expr is not None and order.chosen(node, sink) is True
    )


def _without_ksm(function: Function, sink: Node, tests: tuple[CountTest, ...]) -> bool:
    """Whether KSM pages were told apart before the place; under the page lock, if the count was read under it."""
    order = reach(function)
    under_lock = any(_holds(function, test.call) for test in tests)
    for node in function.cfg.order:
        expr = node.expr
        if node.kind == "branch" and expr is not None and expr.kind == "call" and order.chosen(node, sink) is False:
            guard = function.tables.guards.get(expr.value)
            if guard is not None and guard.class_ == "ksm" and (not under_lock or _holds(function, expr)):
                return True
    return False


def _level(function: Function) -> str:
    """The kind of entry that the function writes: pte unless it only writes others."""
    rows = [function.tables.set_entries[name] for name in function.calls if name in function.tables.set_entries]
    levels = {row.level for row in rows}
    return "pte" if "pte" in levels or not levels else sorted(levels)[0]
