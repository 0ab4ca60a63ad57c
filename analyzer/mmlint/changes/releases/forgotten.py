"""Members that a function cleared when it gave up what they tell of, and that a patch leaves as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import given
from mmlint.frozen import dataclass

_NOTHING = frozenset({"NULL", "0"})
_FREES = re.compile(r"free|destroy|delete|put|release|kref|exit|clean|remove|unregister")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`member` was cleared behind `release` (of after) and is not any more; `other` gives up what it tells of, too."""

    member: str
    release: Act
    other: Function


def forgotten(change: FunctionChange) -> list[Forgotten]:
    """The first such member of each release: the thing itself, its count, or the bound of the loop around it."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.scoped:
        return []
    cleared = [store for node in reach(compared.before).order for store in _cleared(compared, node)]
    return [found for node, member in cleared for found in _forgotten(compared, node, member)][:1]


def _cleared(compared: Comparison, node: Node) -> Iterator[tuple[Node, Expr]]:
    """The members that a statement which is gone set to nothing."""
    expr = node.expr
    if node.line in compared.lines or expr is None or expr.kind != "assign" or expr.value != "=":
        return
    if expr.args[0].kind == "field" and expr.args[1].value in _NOTHING:
        yield node, expr.args[0]


def _forgotten(compared: Comparison, store: Node, member: Expr) -> Iterator[Forgotten]:
    old, new = reach(compared.before), reach(compared.after)
    for act in compared.old:
        there = compared.pairs.get(id(act))
        if there is None or there.word != act.word or not _gives(compared.before, act.word, act.expr):
            continue
        if not old.before(act.node, store) or not _tells(compared.before, act, member.key):
            continue
        behind = [n for n in new.order if n is there.node or new.before(there.node, n)]
        if (
            any(n.sets(member.key) for n in behind)
            or _gone_too(behind, member)
            or _set_inside(compared, behind, member)
        ):
            continue
        other = _also_gives(compared.after, member.value)
        if other is not None:
            yield Forgotten(member.key, there, other)
            return


def _gives(function: Function, name: str, call: Expr) -> bool:
    return name in function.tables.gives_resource or bool(given(function, name, call))


def _tells(function: Function, release: Act, key: str) -> bool:
    """Whether a member is what a release gives up, or how much of it, or is asked whether and how often to do so."""
    if any(canon(arg) == key or arg.key == key for arg in release.expr.args):
        return True
    order = reach(function)
    tests = (n for n in order.order if n.kind == "branch" and order.chosen(n, release.node) is not None)
    return any(
        n.expr is not None and n.expr.kind == "binary" and key in {arg.key for arg in n.expr.args} for n in tests
    )


def _gone_too(behind: list[Node], member: Expr) -> bool:
    """Whether the object that the member lies in is given up or freed behind the release."""
    objects = {e.key for e in member.args[0].walk()}
    return any(
        op == "call" and _FREES.search(expr.value) and any(canon(arg) in objects for arg in expr.args)
        for node in behind
        for op, expr in node.events
    )


def _set_inside(compared: Comparison, behind: list[Node], member: Expr) -> bool:
    """Whether a helper that gets the object sets the member to nothing."""
    owner, after = member.args[0].key, compared.after
    for call in (expr for node in behind for op, expr in node.events if op == "call"):
        places = [i for i, arg in enumerate(call.args) if arg.key.removeprefix("&") == owner]
        callee = after.program.resolve(call.value, after.path) if places and call.value else None
        names = callee.params[places[0] : places[0] + 1] if callee is not None else ()
        if callee is not None and any(
            _clears(n, f"{name}->{member.value}") for n in callee.cfg.nodes for name in names
        ):
            return True
    return False


def _clears(node: Node, key: str) -> bool:
    stores = (expr.args for op, expr in node.events if op == "assign" and expr.value == "=")
    return any(target.key == key and value.value in _NOTHING for target, value in stores)


def _also_gives(function: Function, member: str) -> Function | None:
    """A function of the file that speaks of the member and gives up things of some kind: another one, or the function
    itself, if it is not the last that is done to its object.
    """
    for other in function.program.functions(function.path):
        if other is function or other.name == function.name or not other.has(member):
            continue
        if any(_gives(other, name, call) for name, calls in other.calls.items() for _, call in calls):
            return other
    return None if _FREES.search(function.name) else function
