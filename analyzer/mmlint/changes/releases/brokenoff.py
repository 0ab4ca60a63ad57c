"""New ways out of a loop that gives up one element of an array in each turn: the rest of them stay (PAT115)."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.loops import innermost_loop
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """From `test` (after the patch) a way leads out of the loop in front of `release`, of an element of `array`."""

    test: Node
    release: Act
    array: str


def broken_off(change: FunctionChange) -> BrokenOff | None:
    """The first new way out behind which nothing speaks of the array, nor of how far the loop has come."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    after, fresh = compared.after, [n for n in compared.fresh if n.kind == "branch" and n.expr is not None]
    for act in compared.old if fresh else ():
        now = compared.pairs.get(id(act))
        if now is None or now.word != act.word or act.word not in after.tables.gives_resource:
            continue
        element, loop = _element(now), innermost_loop(after, now.node)
        if element is None or loop is None or innermost_loop(compared.before, act.node) is None:
            continue
        array, index = (arg.key for arg in element.args)
        for test in fresh:
            inside = test is not loop[0] and test.id in loop[1] and reach(after).before(test, now.node)
            if not inside or test.expr is None or index in test.expr.names():
                continue
            ways = [target for target, _ in test.succ if target.id not in loop[1]]
            if ways and not _spoken_behind(after, ways, {array, index}):
                return BrokenOff(test, now, array)
    return None


def _element(act: Act) -> Expr | None:
    """The element of an array that an act is about."""
    return next(
        (e for arg in act.expr.args for e in arg.walk() if e.kind == "index" and e.args[1].kind == "name"), None
    )


def _spoken_behind(function: Function, ways: list[Node], names: set[str]) -> bool:
    """Whether something on one of these ways names the array, or the number of the element."""
    behind = graph.after(ways)
    exprs = (n.expr for n in function.cfg.order if n.id in behind and n.expr is not None)
    return any(e.key in names for expr in exprs for e in expr.walk())
