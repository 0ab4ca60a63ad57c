"""Objects that a patch lets others find too early: before a step whose failure frees them, or before they are whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import frees
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_PUBLISHES = re.compile(
    r"^(h?list|llist|hlist_nulls|list_lru|rhashtable|hash|rb)_(\w+_)?(add|insert|link)|^(xa|radix_tree|idr|mas|mtree)_(\w+_)?(store|insert|alloc|cmpxchg)"
    r"|^rcu_assign_pointer$"
)
_TAKES_OUT = re.compile(r"(^|_)(del|remove|erase|unlink|unhash|splice|move)(_|$)|_del_init")


@dataclass(frozen=True, slots=True)
class Published:
    """`act` (of after) lets others find `what`, in front of `node`: that frees it, or (`late`) sets a member of it."""

    act: Act
    what: str
    node: Node
    late: bool = False


def published(change: FunctionChange) -> Published | None:
    """The first object that others find too early, where the patch does nothing about its being found elsewhere."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or change.patch.large:
        return None
    for act in compared.new:
        was = compared.sources.get(id(act))
        if was is None or not _PUBLISHES.search(act.word) or was.word != act.word:
            continue
        for what in _objects(act):
            found = _freed(compared, was, act, what) or _set_late(compared, was, act, what)
            if found is not None:
                return found
    return None


def _objects(act: Act) -> Iterator[str]:
    """What a call makes others find: variables, or those whose part it is handed."""
    for arg in act.expr.args:
        part = arg.args[0] if arg.kind == "unary" and arg.value == "&" else arg
        if part.kind == "name" and arg is part:
            yield part.key
        elif part.kind == "field" and part.args[0].kind == "name" and arg is not part:
            yield part.args[0].key


def _freed(compared: Comparison, was: Act, act: Act, what: str) -> Published | None:
    """The free that comes behind the publication, with no taking out between, and did not before."""
    if _freed_behind(compared.before, was, what) is not None:
        return None
    node = _freed_behind(compared.after, act, what)
    old = {other.key for other in compared.old}
    known = node is not None and node.expr is not None and node.expr.key in old
    return Published(act, what, node) if known and node is not None else None


def _freed_behind(function: Function, act: Act, what: str) -> Node | None:
    reached = graph.after([t for t, _ in act.node.succ], lambda n: _taken_out(n, what) or n.sets(what))
    return next((n for n in function.cfg.order if n.id in reached and _frees(n, what)), None)


def _frees(node: Node, what: str) -> bool:
    calls = (call for op, call in node.events if op == "call")
    return any(frees(call.value) and call.args and call.args[-1].key == what for call in calls)


def _taken_out(node: Node, what: str) -> bool:
    calls = (call for op, call in node.events if op == "call")
    return any(_TAKES_OUT.search(call.value) and what in {arg.root for arg in call.args} for call in calls)


def _set_late(compared: Comparison, was: Act, act: Act, what: str) -> Published | None:
    """The member that was set on every way to the publication, is set behind it now, and that others read."""
    before, after = reach(compared.before), reach(compared.after)
    for node, expr in _sets(compared.after, what):
        if not after.before(act.node, node) or after.before(node, act.node):
            continue
        old = [n for n, e in _sets(compared.before, what) if e.key == expr.key]
        if len(old) != 1 or not before.dominates(old[0], was.node) or before.before(was.node, old[0]):
            continue
        others = (n for n, e in _sets(compared.after, what) if e.args[0].key == expr.args[0].key and n is not node)
        if any(after.before(n, act.node) for n in others) or _one_section(compared.after, act, node):
            continue
        if _read_by_others(compared.after, expr.args[0].value):
            return Published(act, what, node, late=True)
    return None


def _sets(function: Function, what: str) -> Iterator[tuple[Node, Expr]]:
    """The settings of single members of an object."""
    for node in function.cfg.order:
        for op, expr in node.events:
            target = expr.args[0] if op == "assign" and expr.value == "=" else None
            if target is not None and target.kind == "field" and target.args[0].key == what:
                yield node, expr


def _one_section(function: Function, act: Act, node: Node) -> bool:
    """Whether some lock is held from the publication to the setting: the readers may take it."""
    drops = function.tables.drops
    between = graph.after([t for t, _ in act.node.succ], lambda n: n is node)
    ends = (n for n in function.cfg.order if n.id in between and reach(function).before(n, node))
    dropped = any(call.value in drops for n in ends for op, call in n.events if op == "call")
    return bool(locks(function).always_held(act.expr)) and not dropped


def _read_by_others(function: Function, member: str) -> bool:
    """Whether another function of the file reads a member of this name."""
    reads = re.compile(rf"(->|\.){re.escape(member)}\b(?!\s*=[^=])")
    others = (f for f in function.program.functions(function.path) if f.name != function.name and f.has(member))
    return any(reads.search(other.text.decode(errors="replace")) for other in others)
