"""Releases of a lock that stood on one arm of a branch, and that a patch takes away while the arm stays.

The ways out tell of it only where their results differ. Here the arm itself is looked at: from its start every way met
a release, and now one leads out, or back to where the lock is taken, without any.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts import graph
from mmlint.facts.brought import owed_by
from mmlint.facts.cfg import Node
from mmlint.facts.change import FunctionChange
from mmlint.facts.compare import Comparison, comparison
from mmlint.facts.function import Function, call_targets
from mmlint.facts.held import family
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks import locks
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, performed
from mmlint.frozen import dataclass
from mmlint.kernel.tables import Tables

_GUARDS = frozenset({"guard", "scoped_guard", "CLASS"})
_LOCKS = frozenset(
    {"ptl", "spin", "raw_spin", "rwlock", "mutex", "rwsem", "mmap_lock", "i_mmap", "anon_vma", "vma_lock"}
)


@dataclass(frozen=True, slots=True)
class KeptOnArm:
    """`release` is gone from the arm that starts at `start`; a way from there keeps the lock of text `key`."""

    release: Expr
    kind: str
    key: str
    start: Node


def kept_on_arms(change: FunctionChange) -> list[KeptOnArm]:
    """The first such arm, for locks of the function's own or of its callers."""
    compared = comparison(change)
    if compared is None or locks(compared.after).flow.overflow:
        return []
    if any(word in _GUARDS for word in compared.after.words - compared.before.words):
        return []
    if any(
        side is not None and side.name != change.name and side.has(change.name)
        for other in change.patch.changes
        for side in (other.before, other.after)
    ):
        return []
    return list(_kept(compared))[:1]


def _kept(compared: Comparison) -> Iterator[KeptOnArm]:
    old = reach(compared.before)
    for act in compared.removed:
        row = next(iter(compared.before.tables.drops.get(act.word, ())), None)
        if row is None or row.kind not in _LOCKS or row.arg is None or row.arg >= len(act.expr.args):
            continue
        key = canon(act.expr.args[row.arg])
        for start_old, start_new in _arm(compared, old, act):
            if (
                _meets(compared.before, start_old, key)
                and not _meets(compared.after, start_new, key)
                and _held(compared, start_new, row.kind, key)
                and not _handed_on(compared, row.kind, key)
            ):
                yield KeptOnArm(act.expr, row.kind, key, start_new)


def _arm(compared: Comparison, old: Reach, act: Act) -> Iterator[tuple[Node, Node]]:
    """The start of the innermost arm that the act stands on, before and after."""
    branches = [b for b in old.order if b.kind == "branch" and old.chosen(b, act.node) is not None]
    if not branches:
        return
    nearest = max(branches, key=lambda b: old.rank[b.id])
    side = old.chosen(nearest, act.node)
    line = compared.lines.get(nearest.line)
    assert nearest.expr is not None
    for now in reach(compared.after).order:
        if now.kind == "branch" and now.line == line and now.expr is not None and now.expr.key == nearest.expr.key:
            starts = [[t for t, label in b.succ if label is side] for b in (nearest, now)]
            if starts[0] and starts[1]:
                yield starts[0][0], starts[1][0]
            return


def _meets(function: Function, start: Node, key: str) -> bool:
    """Whether every way from `start` meets a release of the lock before the end or the next taking of it."""
    tables = function.tables
    drops = _nodes(function, key, tables.drops) | {
        node.id for node in function.cfg.order if node.kind == "cleanup" and node.name.startswith("guard")
    }
    targets = call_targets(function)
    takes = _nodes(function, key, tables.takes) | {
        node.id
        for name in tables.takes.keys() & function.calls.keys()
        for node, call in function.calls[name]
        if id(call) in targets and canon(targets[id(call)]) == key
    }
    reached = graph.after([start], lambda n: n.id in drops)
    return function.cfg.exit.id not in reached and not (takes & reached)


def _nodes(function: Function, key: str, table: object) -> set[int]:
    assert isinstance(table, dict)
    return {
        node.id
        for name in table.keys() & function.calls.keys()
        for node, call in function.calls[name]
        if not call.args or any(canon(arg).removeprefix("&") == key.removeprefix("&") for arg in call.args)
    }


def _held(compared: Comparison, node: Node, kind: str, key: str) -> bool:
    """Whether the lock is held at the node: taken in the function, or its callers' and not given up yet."""
    name = (family(kind), key)
    states = list(locks(compared.after).flow.states(node))
    own = any((family(h.kind), h.key) == name and not h.gone for prop in states for h in prop)
    free = any(not any((family(h.kind), h.key) == name and h.gone for h in prop) for prop in states)
    return own or (name in owed_by(compared.before) and free)


def _handed_on(compared: Comparison, kind: str, key: str) -> bool:
    """Whether the patch adds a call that gets the lock or what it lies in, or whose body releases such a lock."""
    after, known = compared.after, _known(compared.after.tables)
    drops = {name for name, rows in after.tables.drops.items() if any(row.kind == kind for row in rows)}
    bodies = (f for act in compared.added for f in after.program.named(after.path, act.word)[:1] if f is not after)
    if any(not drops.isdisjoint(performed(body)) for body in bodies):
        return True
    return any(
        act.expr.kind == "call"
        and act.word not in known
        and any(canon(a).startswith(key.split("->")[0]) for a in act.expr.args)
        for act in compared.added
    )


def _known(tables: Tables) -> set[str]:
    return {*tables.takes, *tables.guards}
