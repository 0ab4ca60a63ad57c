"""New ways out of a loop that gives up one element of an array in each turn: the rest of them stay (PAT115)."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
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
    gives = compared.after.tables.gives_resource
    for act in compared.old:
        now = compared.pairs.get(id(act))
        element = _element(now) if now is not None and now.word == act.word and act.word in gives else None
        if now is None or element is None or innermost_loop(compared.before, act.node) is None:
            continue
        array, index = (arg.key for arg in element.args)
        tests = (t for t in _ways_out(compared, now) if t.expr is not None and index not in t.expr.names())
        test = next((t for t in tests if not _goes_on(compared, t, now, {array, index})), None)
        if test is not None:
            return BrokenOff(test, now, array)
    return None


def _element(act: Act) -> Expr | None:
    """The element of an array that an act is about."""
    return next(
        (e for arg in act.expr.args for e in arg.walk() if e.kind == "index" and e.args[1].kind == "name"), None
    )


def _ways_out(compared: Comparison, act: Act) -> Iterator[Node]:
    """The tests that the patch adds in the loop of an act, of which one outcome leaves it in front of the act."""
    loop, order = innermost_loop(compared.after, act.node), reach(compared.after)
    for node in compared.fresh if loop is not None else ():
        inside = loop is not None and node is not loop[0] and node.id in loop[1]
        if node.kind == "branch" and loop is not None and inside and order.before(node, act.node):
            yield from (node for target, _ in node.succ if target.id not in loop[1])


def _goes_on(compared: Comparison, test: Node, act: Act, names: set[str]) -> bool:
    """Whether something behind a way out names the array, or the number of the element."""
    loop = innermost_loop(compared.after, act.node)
    ways = [target for target, _ in test.succ if loop is not None and target.id not in loop[1]]
    behind = graph.after(ways)
    nodes = (n for n in compared.after.cfg.order if n.id in behind and n.expr is not None)
    return any(e.key in names for n in nodes if n.expr is not None for e in n.expr.walk())
