"""Results of calls that a patch no longer asks for NULL: it asks what the call puts through an argument instead."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.questions.nullasked import Unasked
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.graph import after
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.steps import Act, plain_null

_GIVES_UP = ("free", "put", "unmap", "release")


def by_other_answer(change: FunctionChange) -> Iterator[Unasked]:
    """The variables whose test for NULL right behind the call is gone, where the first test there is about what the
    call got the address of; nothing asks about the variable before it is handed on.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or now.key != act.key or act.expr.kind != "call" or act.use != now.use or act.use != "value":
            continue
        pointer, filled = _target(now), _pointers_filled(compared.after, now.expr)
        if not pointer or pointer != _target(act):
            continue
        if _first_asked(act.node) != pointer or _first_asked(now.node) not in filled:
            continue
        use = _used(compared.after, now, pointer)
        if use is not None:
            yield Unasked(pointer, use, compared.after, now.expr, now.word)


def _target(act: Act) -> str:
    """The variable that takes the result of a call."""
    expr = act.node.expr
    taken = expr is not None and expr.kind == "assign" and expr.args[1] is act.expr and expr.args[0].kind == "name"
    return expr.args[0].key if taken and expr is not None else ""


def _pointers_filled(function: Function, call: Expr) -> set[str]:
    """The pointers whose addresses a call gets: an error number there would tell of its failure."""
    handed = (arg.args[0].key for arg in call.args if (arg.kind, arg.value) == ("unary", "&"))
    return {key for key in handed if "*" in declared_types(function).get(key, "")}


def _first_asked(node: Node) -> str:
    """What the next branch behind a statement asks whether it is NULL, with nothing else done in between."""
    while len(node.succ) == 1:
        node = node.succ[0][0]
        if node.kind == "branch" and node.expr is not None:
            asked: Expr | None = plain_null(node.expr)
            return asked.key if asked is not None else ""
        if node.kind != "nop":
            return ""
    return ""


def _used(function: Function, act: Act, pointer: str) -> Node | None:
    """Where a variable is handed to a call that does not give it up, with no branch about it before."""
    asks = (n.id for n in function.cfg.order if n.kind == "branch" and n.expr is not None and pointer in n.expr.names())
    asking = frozenset(asks)
    behind = after([n for n, _ in act.node.succ], lambda n: n.id in asking or n.sets(pointer))
    for node in (n for n in function.cfg.order if n.id in behind - asking):
        calls = (call for op, call in node.events if op == "call" and not any(w in call.value for w in _GIVES_UP))
        if any(arg.key == pointer for call in calls for arg in call.args):
            return node
    return None
