"""Members set before others could find the object, and that the caller of the maker sets afterwards now."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

_FOUND = re.compile(r"(^|_)(add|insert|link|store|assign_pointer)(_|$)")
"""Calls after which others find what they are handed, by their names."""


@dataclass(frozen=True, slots=True)
class SetByCaller:
    """`node` (of after) sets `target`, a member of what `maker` gives, which has let others find it by `found`."""

    node: Node
    target: Expr
    maker: Function
    found: Expr


def set_by_caller(change: FunctionChange) -> SetByCaller | None:
    """The first such member, if others read it and no lock is held from the call to the setting."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    for node, target in _fresh_settings(compared):
        for other in change.others:
            call = _made_by(compared.after, target, other.name) if other.name in compared.after.calls else None
            if call is None or _locked(compared.after, call, node):
                continue
            found = _set_before(other, target.value)
            if found is not None and other.after is not None and _read(change, other, target.value):
                return SetByCaller(node, target, other.after, found)
    return None


def _fresh_settings(compared: Comparison) -> Iterator[tuple[Node, Expr]]:
    known = {expr.key for node in compared.before.cfg.order for op, expr in node.events if op == "assign"}
    for node in compared.fresh:
        for op, expr in node.events:
            if op == "assign" and expr.key not in known and expr.args[0].kind == "field":
                yield node, expr.args[0]


def _made_by(function: Function, target: Expr, maker: str) -> Expr | None:
    """The call of a function that gives what a member is set of."""
    targets = call_targets(function)
    calls = (call for _, call in function.calls[maker] if id(call) in targets)
    return next((call for call in calls if targets[id(call)].key == target.args[0].key), None)


def _locked(function: Function, call: Expr, node: Node) -> bool:
    """Whether some lock is held at both the call and another statement."""
    facts = locks(function)
    states = [{held.key for held in prop if not held.gone} for prop in facts.flow.states(node)]
    return bool(states) and bool(facts.always_held(call).intersection(*states))


def _set_before(maker: FunctionChange, member: str) -> Expr | None:
    """The call by which a function lets others find an object, if the member was set in front of it and is not now."""
    before, after = maker.before, maker.after
    if before is None or after is None or any(name == member for _, _, name in _members_set(after)):
        return None
    order = reach(before)
    for node, root, name in _members_set(before):
        for at, call in _publications(before, root) if name == member else ():
            if order.before(node, at) and any(now.key == call.key for _, now in _publications(after, root)):
                return call
    return None


def _members_set(function: Function) -> Iterator[tuple[Node, str, str]]:
    """The settings of members of variables: where, of which variable, which member."""
    for node in function.cfg.order:
        for op, expr in node.events:
            target = expr.args[0]
            if op == "assign" and target.kind == "field" and target.args[0].kind == "name":
                yield node, target.args[0].value, target.value


def _publications(function: Function, name: str) -> Iterator[tuple[Node, Expr]]:
    for node in function.cfg.order:
        for op, call in node.events:
            if op == "call" and _FOUND.search(call.value) and any(arg.root == name for arg in call.args):
                yield node, call


def _read(change: FunctionChange, maker: FunctionChange, member: str) -> bool:
    """Whether another function of either file reads a member of this name."""
    reads = re.compile(rf"(->|\.){re.escape(member)}\b(?!\s*=[^=])")
    sides = {id(f.file): f.file.path for f in (change, maker)}
    others = (f for path in sides.values() for f in change.patch.after.functions(path) if f.has(member))
    names = {change.name, maker.name}
    return any(f.name not in names and reads.search(f.text.decode(errors="replace")) for f in others)
