"""What was done for pages, entries or mappings in one state, and that a patch takes away together with the test."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import undoes
from mmlint.facts.cfg import Node
from mmlint.facts.owners.lifetimes import life
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import things
from mmlint.frozen import dataclass

_STATES = frozenset(
    {"uffd_wp", "soft_dirty", "mapcount", "pinned", "swapcache", "hwpoison", "dirty", "writeback", "zone_device", "ksm"}
)
"""States that somebody else relies on somebody to end."""


@dataclass(frozen=True, slots=True)
class Disarmed:
    """`act` was done where `test` held (both before the patch); `node` stands there now."""

    act: Act
    test: Act
    node: Node


def disarmed(change: FunctionChange) -> list[Disarmed]:
    """The first such call of a change that adds no call and no test, and that makes the call nowhere else."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped:
        return []
    if any(a.expr.kind == "call" or a.use == "test" for a in compared.added):
        return []
    if any(n.kind == "branch" and n.line not in compared.standing for n in reach(compared.after).order):
        return []
    found = []
    for act in (a for a in compared.removed if undoes(change, a)):
        test, place = _state(compared, act), compared.behind(act.node)
        if test is not None and place is not None:
            found.append(Disarmed(act, test, place))
    return found[:1] if len(found) == 1 and not _leaked(compared) else []


def _leaked(compared: Comparison) -> bool:
    """Whether some way out kept what all ways out give up now: the arm went because it left with it."""
    lives = ((life(compared.before, thing), life(compared.after, thing)) for thing in things(compared.after))
    return any(old is not None and new is not None and old.held and not new.held for old, new in lives)


def _state(compared: Comparison, act: Act) -> Act | None:
    """The test of a state, gone as well, that alone decides about a call on the same thing."""
    guards, order = compared.before.tables.guards, reach(compared.before)
    nearest, _ = order.innermost(act.node)
    for test in compared.removed:
        known = guards.get(test.word)
        if known is not None and known.class_ in _STATES and nearest in test.tests and test.names & act.names:
            return test
    return None
