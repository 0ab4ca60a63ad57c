"""Whether every way that gave a thing up before a patch gives it up after it, by whichever of several equal lines."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mmlint.changes.about import alike_about
from mmlint.facts.cfg import Node
from mmlint.facts.steps import Act, plain_null
from mmlint.kernel.tables import Tables

if TYPE_CHECKING:
    from mmlint.changes.sides import Sides


def released_on_every_way(sides: Sides, act: Act, sink: Act, there: Act) -> bool:
    """Whether every way to the exit that met a release of this thing before does so after: which of several equal
    lines is the removed one is a matter of how the texts are laid side by side.
    """
    alike = sides.tables.steps.equals(act.word) | {act.word}
    mine = {node.id for node in _where(act)}
    before = [n for a in sides.compared.old if a.word in alike and alike_about(a, act) for n in _where(a)]
    after = [n for a in sides.compared.new if a.word in alike and alike_about(a, act) for n in _where(a)]
    judged, others = False, [node for node in before if node.id not in mine]
    if not after:
        return False
    needed = sides.old.meets(sink.node, before) and not sides.old.meets(sink.node, others)
    if sink.word in _takes(sides.tables) and needed:
        judged = True
        if not sides.new.meets(there.node, after):
            return False
    for branch in sides.old.order:
        if branch.kind != "branch" or branch.expr is None or not sides.old.before(branch, act.node):
            continue
        now = sides.counterparts(branch)
        for outcome in (True, False):
            needed = sides.old.always_meets(branch, outcome, before)
            if now and needed and not sides.old.always_meets(branch, outcome, others):
                judged = True
                if not any(sides.new.always_meets(n, outcome, after) or _met(sides, there, n, after) for n in now):
                    return False
    return judged


def _met(sides: Sides, there: Act, branch: Node, after: list[Node]) -> bool:
    """Whether the thing that `there` took is given up by the time that the branch decides, whoever took it."""
    return sides.new.before(there.node, branch) and not sides.new.escapes(there.node, branch, after)


def _where(release: Act) -> list[Node]:
    """The node of a release, and the test right before it whether there is anything to release."""
    names = {arg.key for arg in release.expr.args}
    tests = ((n, plain_null(n.expr)) for n in release.node.pred if n.kind == "branch" and n.expr is not None)
    return [release.node, *(node for node, asked in tests if asked is not None and asked.key in names)]


@cache
def _takes(tables: Tables) -> frozenset[str]:
    return frozenset((*tables.takes, *tables.takes_resource, "ptl:spin_lock", "ptl:spin_lock_nested"))
