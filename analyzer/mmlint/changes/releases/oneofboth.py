"""Two things that were each done on a test of its own, both of them if both held, and of which a patch leaves a choice:
the one on the outcome of the other's test on which that is not done.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import has_effect
from mmlint.changes.releases.otherways import OtherWays
from mmlint.facts.cfg import Node
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, opposite, plain

_Way = tuple[Node, bool]
"""A test, and the outcome of it on which something is done."""


def one_of_both(change: FunctionChange) -> OtherWays | None:
    """The first such call that is left out where the other is made, its own test being gone."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends:
        return None
    return next(_left_out(compared), None)


def _left_out(compared: Comparison) -> Iterator[OtherWays]:
    old, new = reach(compared.before), reach(compared.after)
    locking = compared.before.tables.takes.keys() | compared.before.tables.drops.keys()
    acts = [act for act in compared.old if has_effect(act) and act.word not in locking]
    kept = [(act, now) for act in acts if (now := compared.pairs.get(id(act))) is not None]
    asked = {plain(node) for node in new.order if node.kind == "branch"}
    if all(plain(node) in asked for node in old.order if node.kind == "branch"):
        return
    made = [(act, now, _hangs_on(old, act.node), _hangs_on(new, now.node)) for act, now in kept if now.key == act.key]
    by_test: dict[int, list[tuple[Act, _Way]]] = {}
    for act, _, was, is_ in made:
        if was is not None and is_ is not None and _same(was, is_):
            by_test.setdefault(is_[0].id, []).append((act, is_))
    for act, now, own, other in made:
        if own is None or other is None or plain(own[0]) in asked or _speak_alike(own[0], other[0]):
            continue
        beside = by_test.get(other[0].id, ())
        if any(is_[1] is not other[1] and _independent(old, act, each) for each, is_ in beside):
            yield OtherWays(now, other[0])


def _hangs_on(order: Reach, node: Node) -> _Way | None:
    test, outcome = order.innermost(node)
    return (test, outcome) if test is not None and outcome is not None else None


def _same(was: _Way, now: _Way) -> bool:
    """Whether two tests ask the same, and the same answer is meant."""
    return plain(was[0]) == plain(now[0]) and (was[1] is opposite(was[0])) is (now[1] is opposite(now[0]))


def _speak_alike(one: Node, other: Node) -> bool:
    """Whether two tests ask about the same thing: what is left may be all that there can be."""
    return one.expr is None or other.expr is None or not one.expr.names().isdisjoint(other.expr.names())


def _independent(order: Reach, one: Act, other: Act) -> bool:
    """Whether the one may be done as well as the other, and neither is done because of the other."""
    return (order.before(one.node, other.node) or order.before(other.node, one.node)) and not (
        order.dominates(one.node, other.node) or order.dominates(other.node, one.node)
    )
