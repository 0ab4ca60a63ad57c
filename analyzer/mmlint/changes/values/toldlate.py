"""Members that a helper asks for, on a way out perhaps, and that a patch sets only behind the call."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_STEM = 3
"""Letters that a call and a member have in common: `map`, `mapped`."""
_CLEARED = frozenset({"NULL", "0", "false"})


@dataclass(frozen=True, slots=True)
class ToldLate:
    """`call` (of after) asks for `what`, which `setter` sets, now behind it only."""

    call: Act
    what: str
    setter: Node


def told_late(change: FunctionChange) -> ToldLate | None:
    """The first call on a way from where a member was set, to which no setting of it leads any more."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped:
        return None
    return next(_late(compared), None)


def _late(compared: Comparison) -> Iterator[ToldLate]:
    standing = compared.standing
    for setter, target in _settings(compared.before):
        now = [node for node, other in _settings(compared.after) if other.key == target.key]
        if setter.line in compared.lines or not now or any(node.line in standing for node in now):
            continue
        behind = _until_set(setter, target.key)
        told = set[int]().union(*(graph.after([t for t, _ in node.succ]) for node in now))
        for act in compared.old:
            there = compared.pairs.get(id(act))
            if there is None or act.node.id not in behind or there.node.id in told or there.key != act.key:
                continue
            if _asks(compared.after, there.expr, target) and not _says_so(compared.after, there, target):
                yield ToldLate(there, target.key, now[0])


def _says_so(function: Function, call: Act, member: Expr) -> bool:
    """Whether the call is made because that failed which the member, by its name, is about: it has not been done."""
    test, _ = reach(function).innermost(call.node)
    if test is None or test.expr is None:
        return False
    asked = {name for name in test.expr.names() if name in assigned_values(function)}
    values = [test.expr, *(value for name in asked for value in assigned_values(function)[name])]
    done = {word for value in values for each in value.calls() for word in each.value.split("_") if len(word) >= _STEM}
    return any(word.startswith(stem) for word in member.value.split("_") for stem in done)


def _until_set(setter: Node, key: str) -> set[int]:
    return graph.after([t for t, _ in setter.succ], lambda n: n.sets(key))


def _settings(function: Function) -> Iterator[tuple[Node, Expr]]:
    """The statements that say something of a member of what a variable points to."""
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "assign" and expr.value == "=" and expr.args[1].key not in _CLEARED:
                target = expr.args[0]
                if target.kind == "field" and target.args[0].kind == "name":
                    yield node, target


def _asks(function: Function, call: Expr, member: Expr) -> bool:
    """Whether a call is handed the object, and its function decides by the member what to do."""
    index = next((i for i, arg in enumerate(call.args) if arg.key == member.args[0].key), None)
    callee = function.program.resolve(call.value, function.path) if index is not None and call.kind == "call" else None
    if index is None or callee is None or index >= len(callee.params) or callee is function:
        return False
    mine = f"{callee.params[index]}->{member.value}"
    tests = (node.expr for node in callee.cfg.order if node.kind == "branch" and node.expr is not None)
    return any(each.key == mine for test in tests for each in test.walk())
