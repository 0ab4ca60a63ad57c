"""Releases of a lock that stood on one arm of a branch, and that a patch takes away while the arm stays.

The ways out tell of it only where their results differ. Here the arm itself is looked at: from its start every way met
a release, and now one leads out, or back to where the lock is taken, without any.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.locks.brought import owed_by
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import family, naming, root_of
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, performed
from mmlint.frozen import dataclass

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
    if change.named_elsewhere or compared.scoped:
        return []
    return list(_kept(compared))[:1]


def _kept(compared: Comparison) -> Iterator[KeptOnArm]:
    old = reach(compared.before)
    for act in compared.removed:
        row = next(iter(compared.before.tables.drops.get(act.word, ())), None)
        if row is None or row.kind not in _LOCKS or row.arg is None or row.arg >= len(act.expr.args):
            continue
        key = canon(act.expr.args[row.arg])
        for start_old, start_new, branch in _arm(compared, old, act):
            if (
                _meets(compared.before, start_old, key)
                and not _meets(compared.after, start_new, key)
                and _held(compared, start_new, row.kind, key)
                and not _handed_on(compared, row.kind, key)
            ):
                back = start_new.line < branch.line  # a jump to a label above
                yield KeptOnArm(act.expr, row.kind, key, branch if back else start_new)


def _arm(compared: Comparison, old: Reach, act: Act) -> Iterator[tuple[Node, Node, Node]]:
    """The start of the innermost arm that the act stands on, before and after, and the branch after."""
    nearest, side = old.innermost(act.node)
    if nearest is None or nearest.expr is None:
        return
    line = compared.lines.get(nearest.line)
    branches = [n for n in reach(compared.after).order if n.kind == "branch" and n.expr is not None]
    alike = [n for n in branches if n.expr is not None and n.expr.key == nearest.expr.key]
    fresh = [n for n in alike if n.line not in compared.standing]  # `if (a) {` has lost its brace
    for now in [n for n in alike if n.line == line] if line is not None else fresh if len(fresh) == 1 else []:
        starts = [[t for t, label in b.succ if label is side] for b in (nearest, now)]
        if starts[0] and starts[1]:
            yield starts[0][0], starts[1][0], now
        return


def _meets(function: Function, start: Node, key: str) -> bool:
    """Whether every way from `start` meets a release of the lock before the end or the next taking of it."""
    tables, targets = function.tables, call_targets(function)
    drops = {node.id for node, _ in naming(function, tables.drops, key)}
    takes = {node.id for node, _ in naming(function, tables.takes, key)} | {
        node.id
        for name in tables.takes.keys() & function.calls.keys()
        for node, call in function.calls[name]
        if id(call) in targets and canon(targets[id(call)]) == key
    }
    reached = graph.after([start], lambda n: n.id in drops)
    return function.cfg.exit.id not in reached and not (takes & reached)


def _held(compared: Comparison, node: Node, kind: str, key: str) -> bool:
    """Whether the lock is held at the node: taken in the function, or its callers' and not given up yet."""
    name = (family(kind), key)
    states = list(locks(compared.after).flow.states(node))
    own = any((family(h.kind), h.key) == name and not h.gone for prop in states for h in prop)
    free = any(not any((family(h.kind), h.key) == name and h.gone for h in prop) for prop in states)
    return own or (name in owed_by(compared.before) and free)


def _handed_on(compared: Comparison, kind: str, key: str) -> bool:
    """Whether the patch adds a call that gets the lock or what it lies in, or whose body releases such a lock."""
    after = compared.after
    known = after.tables.takes.keys() | after.tables.guards.keys()
    drops = {name for name, rows in after.tables.drops.items() if any(row.kind == kind for row in rows)}
    bodies = (after.program.resolve(act.word, after.path) for act in compared.added if act.expr.kind == "call")
    if any(body is not after and not drops.isdisjoint(performed(body)) for body in bodies if body is not None):
        return True
    return any(
        act.expr.kind == "call"
        and act.word not in known
        and any(canon(arg).lstrip("&").startswith(root_of(key)) for arg in act.expr.args)
        for act in compared.added
    )
