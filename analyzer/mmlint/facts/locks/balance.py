"""Whether what a function takes is given up on all its ways out: locks, walks, mappings, notifier ranges, modes.

What leaves by contract (`mmlint.facts.locks.contract`) is right. What is left are exits that differ from their
siblings for no reason that a caller could see, releases of what is not held, and locks taken again while held.
"""

from __future__ import annotations

from collections.abc import Set

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.locks import contract
from mmlint.facts.locks.contract import Site
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import LockFacts, changes_locks, locks, may_hold
from mmlint.facts.values import is_zero
from mmlint.frozen import dataclass

_ORDER = ("ptl", "walk", "notifier", "spin", "raw_spin", "pte_map", "lazy_mmu", "rcu")
_OURS = frozenset({"ptl", "walk", "pte_map", "lazy_mmu", "notifier", "mmap_lock", "i_mmap", "anon_vma", "vma_lock"})
"""Kinds of mm, whose contracts the tables know; for others an unlock that only looks conditional is believed."""
_LOOSE = frozenset({"irq", "preempt", "bh", "srcu", "semaphore"})
"""Kinds that are often given back elsewhere, or by a call that the tables do not know."""
_BY_RESULT = frozenset(
    {"folio_lock", "inode_lock", "kmap", "kmap_atomic", "pagefault_off", "migrate_off", "migrate", "seqcount"}
)
Exit = tuple[Node, Held, str | None]


@dataclass(frozen=True, slots=True)
class Left:
    """A lock still held at `exit`. `drops`: lines that give it up on other ways out. `at`: where the way parts.

    `sure`: nothing tells a caller of that exit that the lock is still held. `ours`: one of mm's kinds, or a lock that
    only this function knows.
    """

    lock: Held
    exit: Node
    at: Node
    drops: tuple[int, ...]
    sure: bool
    ours: bool


@fact
def left_held(function: Function) -> tuple[Left, ...]:
    """The locks that a way out keeps for no visible reason, one for each lock and place where the ways part."""
    if not may_hold(function) or not changes_locks(function):
        return ()
    facts = locks(function)
    if facts.flow.overflow or function.cfg.truncated:
        return ()
    found: dict[tuple[str, str, int], Left] = {}
    for site, exits in sorted(_held_exits(facts, _callers_locks(facts)).items()):
        left = _judge(function, facts, site, exits)
        if left is not None:
            found.setdefault((left.lock.kind, left.lock.key, left.at.id), left)
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Lost:
    """A lock that is still held at `exit` after a patch and was given up on all ways out before it."""

    lock: Held
    exit: Node
    dropped: int


def lost_releases(before: Function, after: Function) -> list[Lost]:
    """The locks of which a patch takes a release away: from all ways out, or from those with one kind of result."""
    old, new = locks(before), locks(after)
    if old.flow.overflow or new.flow.overflow or before.cfg.truncated or after.cfg.truncated:
        return []
    # A release that a failed taker's way came by makes a lock look like the callers' before, and it was ours.
    kept: dict[tuple[str, str, str], set[bool | None]] = {}
    for _, held, value in (exit_ for exits in _held_exits(old, frozenset()).values() for exit_ in exits):
        for taker in ("", held.name):
            kept.setdefault((held.kind, held.key, taker), set()).add(is_zero(value))
    known = {(held.kind, held.key, held.name) for _, held in takers(before)}
    suspects: dict[Site, tuple[Held, list[Exit]]] = {}
    by_result: dict[Site, bool] = {}
    for site, exits in sorted(_held_exits(new, _callers_locks(new)).items()):
        held = min((h for _, h, _ in exits), key=_precedence)
        which = (held.kind, held.key, held.name)
        results = kept.get(which if which in known else (held.kind, held.key, ""), set())
        told = [(e, is_zero(e[2])) for e in exits]
        fresh = [e for e, zero in told if not results or (zero is not None and not {None, zero} & results)]
        if fresh:
            suspects[site] = (held, fresh)
            by_result[site] = bool(results)
    dropped = _drop_lines(before) if suspects else {}
    found: dict[tuple[str, str], Lost] = {}
    for site, (held, fresh) in suspects.items():
        name, which = (held.kind, held.key), (held.kind, held.key, held.name)
        was = (h for _, h in takers(before) if (h.kind, h.key, h.name) == which)
        passed = contract.passed_on(after, held) and not any(contract.passed_on(before, h) for h in was)
        if name not in dropped or name in found or passed:
            continue
        drops = contract.releases(after).get(site, [])
        always = _always_left(new, name)
        ways = [e[0] for e in fresh if always or not bypasses(after, new, site, e[0], drops, ours=True)]
        if ways and (by_result.get(site) or not contract.caller_releases(after)):
            found[name] = Lost(held, ways[0], dropped[name])
    return list(found.values())


def _always_left(facts: LockFacts, name: tuple[str, str]) -> bool:
    """Whether every way out leaves a lock held."""
    return all(any((h.kind, h.key) == name and not h.gone for h in prop) for _, prop, _, _ in facts.flow.returns)


def _drop_lines(function: Function) -> dict[tuple[str, str], int]:
    """The last line on which each lock that the function takes is given up."""
    releases = contract.releases(function)
    found: dict[tuple[str, str], int] = {}
    for _, held in takers(function):
        nodes = releases.get((held.line, held.name))
        if nodes:
            found.setdefault((held.kind, held.key), nodes[-1].line)
    return found


def _held_exits(facts: LockFacts, owed: Set[tuple[str, str]]) -> dict[Site, list[Exit]]:
    """The ways out by the taker of what they leave held, but for the locks that are `owed` to the callers."""
    found: dict[Site, list[Exit]] = {}
    for node, prop, _, value in facts.flow.returns:
        best: dict[Site, Held] = {}
        for held in prop:
            if held.gone or (held.kind, held.key) in owed or (held.kind, "") in owed:
                continue
            site = (held.line, held.name)
            if site not in best or _precedence(held) < _precedence(best[site]):
                best[site] = held
        for site, held in best.items():
            found.setdefault(site, []).append((node, held, value))
    return found


def _callers_locks(facts: LockFacts) -> set[tuple[str, str]]:
    """Locks that the function is entered with, since it drops them without having taken them."""
    return {(h.kind, h.key) for states in facts.flow.before.values() for prop in states for h in prop if h.gone}


def _precedence(held: Held) -> int:
    return _ORDER.index(held.kind) if held.kind in _ORDER else len(_ORDER)


def _judge(function: Function, facts: LockFacts, site: Site, exits: list[Exit]) -> Left | None:
    held = min((h for _, h, _ in exits), key=_precedence)
    if site[1] not in function.tables.takes and not contract.plain_taker(function, site[1]):
        return None
    drops = contract.releases(function).get(site, [])
    if not drops and any(held.kind in t.kinds for t in function.tables.takes.get(function.name, ())):
        return None
    ours = held.kind in _OURS or contract.nameless(function, held)
    if not ours and (facts.uncertain or not drops or held.kind in _LOOSE):
        return None
    exits = [e for e in exits if not bypasses(function, facts, site, e[0], drops, ours=ours)]
    if held.kind == "mmap_lock":
        exits = [e for e in exits if graph.always_through(function.cfg, sites(function, site), e[0])]
    if not exits or contract.passed_on(function, held):
        return None
    free = _free_exits(function, facts, held, drops)
    sure = _unexplained(function, held, exits, free)
    if sure is None or (not sure and (facts.uncertain or not ours)):
        return None
    exits.sort(key=lambda e: (contract.outcome(function, e[2]) != "bad", e[0].line))
    exit_ = exits[0][0]
    at = _parting(facts, site, exit_, drops) if drops else exit_
    if _asked_for(function, facts, held, at, exit_):
        return None
    return Left(held, exit_, at, tuple(sorted({n.line for n in drops})), sure, ours)


def _free_exits(function: Function, facts: LockFacts, lock: Held, drops: list[Node]) -> list[str | None]:
    """The results of the exits behind a release, those behind a jump back aside: the lock is not taken anew either."""
    reach = graph.after(drops, graph.is_retry(function.cfg))
    return [
        value
        for node, prop, _, value in facts.flow.returns
        if node.id in reach and not any((h.kind, h.key) == (lock.kind, lock.key) and not h.gone for h in prop)
    ]


def _unexplained(function: Function, held: Held, exits: list[Exit], free: list[str | None]) -> bool | None:
    """None if a contract may explain it; True if none does, False if it only seems so."""
    kept = {contract.outcome(function, value) for _, _, value in exits}
    given = {contract.outcome(function, value) for value in free}
    is_bool = "bool" in function.source.returns.split()
    if "bad" in kept and not is_bool and free:
        if contract.named_taker(function) and "bad" not in given:
            return None
        return None if contract.caller_releases(function) else True
    if held.kind in _BY_RESULT or contract.named_taker(function):
        return None
    if contract.visible(function, held, [n for n, _, _ in exits], dropped=bool(free)) or contract.caller_releases(
        function
    ):
        return None
    if free and function.source.returns.strip() == "void":
        return True
    if contract.nameless(function, held):
        return True
    mixed = {v for _, _, v in exits} & set(free)
    if mixed:
        return bool(mixed - {None})
    return None if contract.twin_releases(function, held) else False


def _asked_for(function: Function, facts: LockFacts, lock: Held, at: Node, exit_: Node) -> bool:
    """Whether a parameter decides that the caller gets the lock: the ways join again, and leave by one return."""
    if at.kind != "branch" or at.expr is None or at.expr.key not in function.params:
        return False
    return any(
        node is exit_ and not any((h.kind, h.key) == (lock.kind, lock.key) and not h.gone for h in prop)
        for node, prop, _, _ in facts.flow.returns
    )


def _parting(facts: LockFacts, site: Site, exit_: Node, drops: list[Node]) -> Node:
    """The last place from which the lock could still have been given up, on a way to `exit_`."""
    hopeful = graph.before(drops)
    if all(any((h.line, h.name) == site and not h.gone for h in prop) for prop in facts.flow.states(exit_)):
        return exit_
    seen = {exit_.id}
    work = [exit_]
    best = exit_
    while work:
        node = work.pop(0)
        for before in node.pred:
            if before.id in seen or before in drops or not _holds(facts, before, site):
                continue
            seen.add(before.id)
            if before.id in hopeful:
                return before if before.kind in ("branch", "switch", "iter") else node
            best = before
            work.append(before)
    return best


def _holds(facts: LockFacts, node: Node, site: Site) -> bool:
    return any((h.line, h.name) == site and not h.gone for prop in facts.flow.states(node) for h in prop)


def bypasses(function: Function, facts: LockFacts, site: Site, exit_: Node, drops: list[Node], *, ours: bool) -> bool:
    """Whether the way to `exit_` goes round an `if (flag) unlock()`: the flag knows what this analysis does not."""
    seen = {exit_.id}
    work = [exit_]
    ids = {n.id for n in drops}
    end = function.cfg.exit
    if exit_.kind == "branch" and any(graph.rejoins(t, end, ids) for t, _ in exit_.succ if t is not end):
        return True
    while work and ids:
        node = work.pop()
        for before in node.pred:
            if not _holds(facts, before, site):
                continue
            if (
                before.kind in ("branch", "switch")
                and not _jumps(function, before, node)
                and (
                    graph.skips(before, node, ids)
                    if ours
                    else any(graph.rejoins(t, node, ids) for t, _ in before.succ if t is not node)
                )
            ):
                return True
            if before.id not in seen:
                seen.add(before.id)
                work.append(before)
    return False


def _jumps(function: Function, branch: Node, target: Node) -> bool:
    """Whether the way from `branch` to the label `target` is a goto: such a way leaves its siblings on purpose."""
    if target.kind != "nop" or not target.name:
        return False
    others = [t.line for t, _ in branch.succ if t is not target]
    first = function.source.start_line
    lines = function.text.split(b"\n")[branch.line - first : min(others, default=branch.line) - first + 1]
    return any(b"goto " in line for line in lines)


@fact
def takers(function: Function) -> tuple[tuple[Node, Held], ...]:
    """Each lock that the function takes or finds held, with the node of its taking call where there is one."""
    facts = locks(function)
    found: dict[tuple[int, Held], tuple[Node, Held]] = {}
    for node in function.cfg.order:
        for prop in facts.flow.states(node):
            for held in prop:
                found.setdefault((held.line, held), (node, held))
    at_line = {n.line: n for name in function.calls for n, _ in function.calls[name]}
    calls = {(c.line, c.value): n for each in function.calls.values() for n, c in each}
    return tuple((calls.get((h.line, h.name), at_line.get(h.line, n)), h) for n, h in found.values() if not h.gone)


def sites(function: Function, site: Site) -> list[Node]:
    """The nodes of a lock's taking call."""
    return [node for node, held in takers(function) if (held.line, held.name) == site]
