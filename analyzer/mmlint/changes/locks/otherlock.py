"""Members that a patch has changed under another lock than before, and than the rest of the file does.

Both locks are taken by the same call, so that nothing but the one word is another; no count of calls is off.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.locks.lockset import ENOUGH, asserted, done_to, held_above, lock_name, takes_lock
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.locks.bylock import holds, under
from mmlint.facts.locks.locks import locks
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class OtherLock:
    """`node` (after the patch) does something to `member` under `now`; it and others did so under `was`."""

    node: Node
    member: str
    was: str
    now: str


def under_another(change: FunctionChange) -> OtherLock | None:
    """The first member of a function that has come under another lock."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.scoped:
        return None
    pairs = {
        (lock_name(was), lock_name(now))
        for was, now in (
            (act.expr, there.expr) for act, there, _, _ in compared.reworded() if takes_lock(compared.before, act)
        )
    }
    for was, now in sorted(pairs):
        if was and now and was != now and not change.patch.speaks_of(was) and not change.patch.speaks_of(now):
            found = next(_exchanged(change, compared, was, now), None)
            if found is not None and not asserted(compared.after, was) and not held_above(compared.after, was):
                return found
    return None


def _exchanged(change: FunctionChange, compared: Comparison, was: str, now: str) -> Iterator[OtherLock]:
    before, after = compared.before, compared.after
    changed = frozenset(each.name for each in change.patch.changes)
    there = {node.line: node for node in after.cfg.order if done_to(node)}
    for node in before.cfg.order:
        place = there.get(compared.lines.get(node.line, 0))
        if place is None or not under(before, node, was) or not under(after, place, now):
            continue
        if any(holds(prop, now) for prop in locks(before).flow.states(node)):
            continue
        if any(holds(prop, was) for prop in locks(after).flow.states(place)):
            continue
        for member in sorted(done_to(node) & done_to(place)):
            if _belongs(after, changed, member, was, now):
                yield OtherLock(place, member, was, now)


def _belongs(function: Function, changed: frozenset[str], member: str, lock: str, other: str) -> bool:
    """Whether others in the file, which the patch leaves alone, do something to a member under the lock, or one that
    asserts it, and none under the other lock.
    """
    touching = [
        (f, node)
        for f in function.program.functions(function.path)
        if f.name not in changed and member in f.words and not locks(f).flow.overflow
        for node in f.cfg.order
        if member in done_to(node)
    ]
    mine = {f.name for f, node in touching if under(f, node, lock)}
    sure = len(mine) >= ENOUGH or any(asserted(f, lock) for f, _ in touching)
    return sure and not any(holds(prop, other) for f, node in touching for prop in locks(f).flow.states(node))
