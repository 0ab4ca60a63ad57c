"""Arms of a branch from which every way gave a thing up before a patch, and none does after it: a wrong label.

The exits alone do not tell, where ways that keep the thing and ways that do not end in the same `return`.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.change import FunctionChange
from mmlint.facts.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.held import root_of
from mmlint.facts.ir import Expr
from mmlint.facts.things import WALK, Thing, things
from mmlint.frozen import dataclass

_Release = list[tuple[Node, Expr]]


@dataclass(frozen=True, slots=True)
class Parting:
    """From `start`, after the patch, `thing` is not given up any more, by `release` or another call."""

    thing: Thing
    start: Node
    release: Expr


def partings(change: FunctionChange) -> list[Parting]:
    """The innermost such arm for each thing whose releases are all still there."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    before, after = things(compared.before), things(compared.after)
    found = []
    for thing, old in before.items():
        new = after.get(thing, [])
        if old and len(new) >= len(old) and thing.kind != WALK:
            arms = list(_arms(compared, thing, old, new))
            found += arms[-1:]
    return found


def _arms(compared: Comparison, thing: Thing, old: _Release, new: _Release) -> Iterator[Parting]:
    pairs = {
        (compared.lines[n.line], n.expr.key): n
        for n in compared.before.cfg.order
        if n.kind == "branch" and n.expr is not None and n.line in compared.lines
    }
    for now in compared.after.cfg.order:
        was = pairs.get((now.line, now.expr.key)) if now.kind == "branch" and now.expr is not None else None
        if was is None or was.expr is None or thing.key in {e.key for e in was.expr.walk()}:
            continue
        for outcome in (True, False):
            starts = [next((t for t, label in b.succ if label is outcome), None) for b in (was, now)]
            if starts[0] is None or starts[1] is None or not _changed(compared, starts[0]):
                continue
            kept = _given_up(compared.before, starts[0], old) and not _reached(starts[1], new)
            if kept and not _handed_on(compared, starts[1], thing):
                yield Parting(thing, starts[1], new[-1][1])


def _changed(compared: Comparison, start: Node) -> bool:
    """Whether the patch touches the straight code at the start of the arm: the jump, or what stands before it."""
    node = start
    for _ in range(12):
        if node.line not in compared.lines and node.kind not in ("exit", "nop"):
            return True
        if len(node.succ) != 1 or (len(node.pred) > 1 and node is not start):
            return node.kind == "nop" and bool(node.name)
        node = node.succ[0][0]
    return False


def _given_up(function: Function, start: Node, releases: _Release) -> bool:
    """Whether every way out from `start` meets a release."""
    ids = {node.id for node, _ in releases}
    return start.id in ids or function.cfg.exit.id not in graph.after([start], lambda n: n.id in ids)


def _reached(start: Node, releases: _Release) -> bool:
    """Whether some way from `start` comes to a release, or to `start` from one: the rest may be a matter of values."""
    around = graph.after([start]) | graph.before([start])
    return not around.isdisjoint(node.id for node, _ in releases)


def _handed_on(compared: Comparison, start: Node, thing: Thing) -> bool:
    """Whether a call that the patch adds behind `start` gets the thing, or what it lies in, or it is stored there."""
    reached = graph.after([start])
    stores = (e for n in compared.after.cfg.order if n.id in reached for op, e in n.events if op == "assign")
    if any(e.args[1].key == thing.key and e.args[0].kind != "name" for e in stores):
        return True
    root = root_of(thing.key)
    return any(
        act.node.id in reached and act.expr.kind == "call" and root in act.expr.names() for act in compared.added
    )
