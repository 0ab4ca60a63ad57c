"""Steps back that were told how far a loop had come, and that a patch tells how far it was to go: they undo what was
never done.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.compare import Comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.loops import natural_loops
from mmlint.facts.telling import undoes


def to_the_goal(compared: Comparison) -> Iterator[tuple[Expr, Expr, Expr]]:
    """The calls (of after) that undo a range, each with what it was told before and what it is told now."""
    for act, now, was, new in compared.reworded():
        if was is act.expr.args[0] or not undoes(act.word) or not _never_set(compared.after, new):
            continue
        if any(_cut_short(compared.before, name, new, act.node) for name in was.names() - new.names()):
            yield now.expr, was, new


def _never_set(function: Function, value: Expr) -> bool:
    """Whether a value is told by parameters alone that keep it throughout."""
    names = value.names()
    return names <= set(function.params) and not any(node.sets(name) for node in function.cfg.order for name in names)


def _cut_short(function: Function, name: str, goal: Expr, call: Node) -> bool:
    """Whether a loop goes on until a variable that it sets has come to the goal, and is left before on a way to a call
    behind it.
    """
    for _, body in natural_loops(function):
        inside = [node for node in function.cfg.order if node.id in body]
        if call.id in body or not any(node.sets(name) for node in inside):
            continue
        tests = [n for n in inside if n.kind == "branch" and n.expr is not None and name in n.expr.names()]
        ends = [n for n in tests if n.expr is not None and not n.expr.names().isdisjoint(goal.names())]
        early = (to for node in inside if node not in ends for to, _ in node.succ if to.id not in body)
        if ends and call.id in graph.after(early):
            return True
    return False
