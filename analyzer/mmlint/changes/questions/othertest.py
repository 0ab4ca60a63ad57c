"""Results that a patch has tested for the kind of failure which the callee does not have: NULL for error pointers, or
the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.results import first_tests
from mmlint.frozen import dataclass

_ERRORS = frozenset({"ERR_PTR", "ERR_CAST"})
_DEPTH = 2
_FINE, _MAYBE = "", "maybe IS_ERR"
_ANY = (_FINE, "NULL", _MAYBE)
"""What may be returned by a function that is not seen."""


@dataclass(frozen=True, slots=True)
class OtherTest:
    """`test` looks for `looked` (NULL or IS_ERR) in what `call` gives, which fails by `fails` alone."""

    call: Expr
    test: Expr
    looked: str
    fails: str


def other_tests(change: FunctionChange) -> Iterator[OtherTest]:
    """Such tests that are new: the function did not put them to a result of this callee before."""
    after = change.after
    if after is None or change.patch.partial:
        return
    asked = {(name, looked) for name, _, _, looked in _tests(change.before)} if change.before is not None else set()
    told: set[tuple[str, str]] = set()
    for name, call, test, looked in _tests(after):
        if (name, looked) in asked | told or name in after.tables.pointer_senses:
            continue
        callee = after.program.resolve(name, after.path)
        fails = _only_kind(failing(callee, _DEPTH)) if callee is not None and callee is not after else ""
        if fails and fails != looked:
            told.add((name, looked))
            yield OtherTest(call, test, looked, fails)


def _only_kind(kinds: frozenset[str]) -> str:
    """The one kind of failure, if there is one alone for sure."""
    return "IS_ERR" if kinds - {_MAYBE} == {"IS_ERR"} else "NULL" if kinds == {"NULL"} else ""


def _tests(function: Function) -> Iterator[tuple[str, Expr, Expr, str]]:
    """The first test of each result that a variable takes: the callee, its call, the test, and what it looks for."""
    targets = call_targets(function)
    for name, calls in function.calls.items():
        for node, call in calls if name else ():
            target = targets.get(id(call))
            if node.expr is None or node.expr.kind != "assign" or node.expr.args[1] is not call:
                continue  # two variables take the result, and the other one may be tested
            for test, looked in first_tests(node, target) if target is not None else ():
                yield name, call, test, looked


def failing(function: Function, depth: int) -> frozenset[str]:
    """How the pointer that a function returns tells of failure, by what it is to be tested for (NULL, IS_ERR);
    nothing for one that always fails, as the stub of a configuration does.
    """
    if "*" not in function.source.returns or function.cfg.truncated:
        return frozenset()
    kinds = _by_value(function) if depth == _DEPTH else _kinds(function, depth)
    return kinds - {_FINE} if _FINE in kinds else frozenset()


@fact
def _by_value(function: Function) -> frozenset[str]:
    return _kinds(function, _DEPTH)


def _kinds(function: Function, depth: int) -> frozenset[str]:
    results = [(n, n.expr) for n in function.cfg.order if n.kind == "return" and n.expr is not None]
    return frozenset(kind for node, result in results for kind in _of_value(function, node, result, depth))


def _of_value(function: Function, node: Node, value: Expr, depth: int) -> Iterator[str]:
    if value.kind == "cond":
        for each in value.args[1:]:
            yield from _of_value(function, node, each, depth)
    elif value.key in ("NULL", "0"):
        yield "NULL"
    elif value.kind == "name":
        yield from _of_variable(function, node, value.value, depth)
    elif value.kind == "call":
        yield from _of_call(function, value, depth)
    elif (value.kind, value.value) == ("unary", "&"):
        yield _FINE
    else:
        yield from _ANY


def _of_call(function: Function, call: Expr, depth: int) -> Iterator[str]:
    sense = function.tables.pointer_senses.get(call.value)
    callee = function.program.resolve(call.value, function.path) if call.value and sense is None else None
    if call.value in _ERRORS:
        yield "IS_ERR"
    elif sense is not None:
        yield from (_FINE, sense)
    elif callee is not None and callee is not function and depth > 0:
        yield from (_FINE, *(failing(callee, depth - 1) or _ANY))
    else:
        yield from _ANY


def _of_variable(function: Function, node: Node, name: str, depth: int) -> Iterator[str]:
    """The failures of a result that stands in a variable, but for those that a test has turned away."""
    values = assigned_values(function).get(name, [])
    kinds = {kind for value in values for kind in _assigned(function, node, value, depth)}
    for test in function.cfg.order:
        if test.kind != "branch" or test.expr is None or not kinds:
            continue
        is_error = test.expr.key == f"IS_ERR({name})"
        if (is_error or test.expr.key == name) and reach(function).dominates(test, node):
            outcome = reach(function).chosen(test, node)
            kinds -= {"IS_ERR", _MAYBE} if is_error and outcome is False else set()
            kinds -= {"NULL"} if not is_error and outcome is True else set()
    yield from kinds if values else _ANY


def _assigned(function: Function, node: Node, value: Expr, depth: int) -> Iterator[str]:
    """What a variable is given; of what another variable holds nothing is known."""
    ways = value.args[1:] if value.kind == "cond" else (value,)
    for way in ways:
        copied = way.kind in ("name", "assign", "cond") and way.key != "NULL"
        yield from _ANY if copied else _of_value(function, node, way, depth)
