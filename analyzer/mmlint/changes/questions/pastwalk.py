"""Variables of a walk that a patch looks into where the walk has come to its end: they lead to nothing."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.questions.nullasked import looks
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.graph import after
from mmlint.facts.ir import Expr
from mmlint.facts.loops import moves_on
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

_DEPTH = 2


@dataclass(frozen=True, slots=True)
class PastWalk:
    """`pointer`, by which `walk` goes, is looked into at `use` though the walk may have ended."""

    pointer: str
    walk: Node
    use: Node


def past_walk(change: FunctionChange) -> Iterator[PastWalk]:
    """The first such look of each variable, if the function did not have one before."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return
    told = {found.pointer for found in _past(compared.before)}
    for found in _past(compared.after):
        if found.pointer not in told:
            told.add(found.pointer)
            yield found


def _past(function: Function) -> Iterator[PastWalk]:
    ends = function.tables.walk_ends
    for walk in function.cfg.order:
        row = ends.get(walk.expr.value) if walk.kind == "iter" and walk.expr is not None else None
        args = [part for arg in walk.expr.args for part in _parts(arg)] if walk.expr is not None else []
        if row is None or row.arg >= len(args):
            continue
        pointer = args[row.arg].key
        use = _look(function, walk, pointer)
        if use is not None:
            yield PastWalk(pointer, walk, use)


def _parts(arg: Expr) -> list[Expr]:
    """The arguments of a walk, which the grammar reads as operands of commas."""
    return [part for inner in arg.args for part in _parts(inner)] if arg.kind == "comma" else [arg]


def _look(function: Function, walk: Node, pointer: str) -> Node | None:
    """Where a variable is looked into behind the end of a walk, with no question about it, or about what the walk sets,
    in between.
    """
    order = reach(function)
    inside = [n for n in order.order if order.chosen(walk, n)]
    told = {e.args[0].key for n in inside for op, e in n.events if op in ("assign", "update")} - {pointer}
    out = [target for target, label in walk.succ if label is False]

    def stops(node: Node) -> bool:
        if node.kind != "branch" or node.expr is None:
            return moves_on(node, pointer)
        keys = {e.key for e in node.expr.walk()}
        return not told.isdisjoint(keys) or (pointer in keys and not _looks(function, node.expr, pointer))

    behind = after(out, stops)
    nodes = (n for n in function.cfg.order if n.id in behind and n.expr is not None and not stops(n))
    found = (n for n in nodes if n.expr is not None and _looks(function, n.expr, pointer))
    return next((n for n in found if order.before(walk, n) and n not in inside), None)


def _looks(function: Function, expr: Expr, pointer: str) -> bool:
    """Whether an expression looks into what a variable points to: the address of the list in it may be the head's."""
    addresses = [e for e in expr.walk() if (e.kind, e.value) == ("unary", "&") and e.args[0].root == pointer]
    return not addresses and looks(function, expr, pointer, _DEPTH)
