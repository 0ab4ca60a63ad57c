"""Releases that a way reaches round the only place where the lock is taken."""

from __future__ import annotations

from collections.abc import Mapping, Set

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.consumed import harmless
from mmlint.facts.function import HOLES, Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks import contract
from mmlint.facts.locks.held import match
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.facts.locks.relock import firm_drops, guarded
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Skipped:
    """A release at `call` that a jump at `jump` comes to although `taken`, where the lock is got, lies behind it."""

    key: str
    call: Expr
    taken: Node
    jump: Node


@fact
def released_untaken(function: Function) -> tuple[Skipped, ...]:
    """Releases that can be reached from the beginning, all lines of the way known, without the lock being taken.

    Only where the lock is this function's: no release of it comes before a taking.
    """
    if not lock_tokens(function) or function.cfg.truncated or contract.annotated_dropper(function):
        return ()
    found: dict[str, Skipped] = {}
    for kind, key, node, call in firm_drops(function):
        hit = _skipped(function, node, call, key) if key not in found and not guarded(node) else None
        if hit is not None and any(match(p, kind, key, "") is None for p in locks(function).held(call)):
            found[key] = hit
    return tuple(found.values())


def _skipped(function: Function, node: Node, call: Expr, key: str) -> Skipped | None:
    takes, drops = _takers(function).get(key, []), _droppers(function).get(key, [])
    if len(takes) != 1 or {n.id for n in takes} & graph.after(drops):
        return None
    taken = takes[0]
    stops = _unsure(function) | {taken.id}
    free = graph.after([function.cfg.entry], lambda n: n.id in stops or n.id == node.id)
    if node.id not in free or node.id not in graph.after([taken]):
        return None
    jump = _last_before(node, free, stops, taken)
    return Skipped(key, call, taken, jump) if jump is not None else None


@fact
def _takers(function: Function) -> dict[str, list[Node]]:
    """The nodes that take a lock, by what names it."""
    return _by_lock(function, function.tables.takes)


@fact
def _droppers(function: Function) -> dict[str, list[Node]]:
    """The nodes that drop a lock, by what names it."""
    return _by_lock(function, function.tables.drops)


def _by_lock(function: Function, rows: Mapping[str, object]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for name, calls in function.calls.items():
        for node, call in calls if name in rows else ():
            for key in {arg.key for arg in call.args}:
                found.setdefault(key, []).append(node)
    return found


@fact
def _unsure(function: Function) -> frozenset[int]:
    """The statements that may take a lock that nothing says anything of."""
    calls = (
        (node.id, call.value) for node in function.cfg.order if node.expr is not None for call in node.expr.calls()
    )
    return frozenset(at for at, name in calls if name in HOLES or not harmless(function, name))


def _last_before(node: Node, free: set[int], stops: Set[int], taken: Node) -> Node | None:
    """The branch at which the way to the release leaves the way to the taking."""
    seen: set[int] = set()
    work = [before for before in node.pred if before.id in free - stops]
    while work:
        here = work.pop()
        if here.id in seen:
            continue
        seen.add(here.id)
        if here.kind == "branch" and taken.id in graph.after([here], lambda n: n.id == node.id):
            return here
        work += [before for before in here.pred if before.id in free - stops]
    return None
