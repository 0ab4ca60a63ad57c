"""Locks released that are not held any more, and locks taken again while they are held."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.consumed import harmless
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks import contract
from mmlint.facts.locks.balance import bypasses, sites, takers
from mmlint.facts.locks.held import Held, local_names, match, root_of, translate
from mmlint.facts.locks.locks import LockFacts, lock_effects, locks, may_hold
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

FIRM = frozenset({"ptl", "spin", "raw_spin", "rwlock", "mutex", "lru_lock", "bit_spin"})
_SLEEPING = frozenset({"mmap_lock", "rwsem"})
_SECTIONS = frozenset({"rcu", "preempt", "bh"})
"""Contexts that are left as often as they were entered."""
_NEAR = 8
"""Nodes that are looked at behind a release."""


@dataclass(frozen=True, slots=True)
class Twice:
    """A release (`again`: a taking) at `call` of a lock that is not (still) held there; `taken`: the line it was taken.

    `ours`: a page-table lock, or one that only this function knows: such a finding stands without a look at callers.
    """

    kind: str
    key: str
    call: Expr
    taken: int
    again: bool
    ours: bool


@fact
def twice(function: Function) -> tuple[Twice, ...]:
    """Releases of what the function took and holds no longer, and takings of what it still holds."""
    if not lock_tokens(function) or not may_hold(function):
        return ()
    facts = locks(function)
    if facts.flow.overflow or function.cfg.truncated or facts.uncertain:
        return ()
    found: dict[tuple[str, str], Twice] = {}
    for name, calls in function.calls.items():
        for node, call in calls:
            hit = _dropped_again(function, facts, node, call) if name in function.tables.drops else None
            hit = hit or (_taken_again(function, facts, node, call) if name in function.tables.takes else None)
            if hit is not None:
                found.setdefault((hit.kind, hit.key), hit)
    return tuple(found.values())


def firm_drops(function: Function) -> Iterator[tuple[str, str, Node, Expr]]:
    """The calls that release a firm lock whatever they answer and take none: its kind, its name, the node, the call."""
    tables = function.tables
    for name, calls in function.calls_of(tables.drops).items():
        drop = tables.drops[name][0]
        if drop.kind not in FIRM or drop.when != "always" or drop.arg is None or name in tables.takes:
            continue
        for node, call in calls:
            if drop.arg < len(call.args) and call.args[drop.arg].key:
                yield drop.kind, call.args[drop.arg].key, node, call


@fact
def gone_already(function: Function) -> tuple[Twice, ...]:
    """Releases of a lock of the caller's that on some way it does not hold any more: a call before has given it up."""
    if function.cfg.truncated or contract.annotated_dropper(function):
        return ()
    found: dict[str, Twice] = {}
    for kind, key, node, call in firm_drops(function):
        if key in found or guarded(node) or not _is_gone(function, call, kind, key):
            continue
        first = next(_released_before(function, node, kind, key), None)
        if first is not None:
            found[key] = Twice(kind, key, call, first.line, again=False, ours=False)
    return tuple(found.values())


def _is_gone(function: Function, call: Expr, kind: str, key: str) -> bool:
    """Whether a call may be reached with the caller's lock given up."""
    return any(h.gone and (h.kind, h.key) == (kind, key) for prop in locks(function).held(call) for h in prop)


def _released_before(function: Function, node: Node, kind: str, key: str) -> Iterator[Expr]:
    """The calls on some way to a node, loops gone through once, that release a lock, nothing in its name set since."""
    order, names = reach(function), set(contract.words(key))
    for name, calls in function.calls.items():
        for at, call in calls:
            if at is node or not order.before(at, node) or not _releases(function, name, call, kind, key):
                continue
            if node.id in graph.after([t for t, _ in at.succ], lambda n: _assigns(n, names)):
                yield call


def _releases(function: Function, name: str, call: Expr, kind: str, key: str) -> bool:
    """Whether a call always gives a lock up, by the tables or by its callee, whatever its result."""
    rows = function.tables.drops.get(name)
    if rows is not None or name in function.tables.takes or not name:
        return any(
            r.kind == kind and r.when == "always" and r.arg is not None and r.arg < len(call.args)
            and call.args[r.arg].key == key
            for r in rows or ()
        )  # fmt: skip
    callee = function.program.resolve(name, function.path)
    effects = lock_effects(callee) if callee is not None and callee is not function else ()
    return bool(effects) and all(
        any((h.kind, translate(h.key, callee, call)) == (kind, key) for h in effect.released)
        for effect in effects
        if callee is not None
    )


@fact
def dropped_in_a_row(function: Function) -> tuple[Twice, ...]:
    """Releases that follow one of the same lock in a straight line: wrong whatever stands above, so hunks will do."""
    if not _drops_twice(function):
        return ()
    found: dict[tuple[str, str], Twice] = {}
    for kind, key, node, call in firm_drops(function):
        again = _next_drop(function, node, call) if not _takes(function, node) else None
        if again is not None:
            own = _own(function, kind, key)
            found.setdefault((kind, key), Twice(kind, key, again, node.line, again=False, ours=own))
    return tuple(found.values())


def _drops_twice(function: Function) -> bool:
    """Whether its text names what gives a lock up more than once."""
    drops = function.words.intersection(function.tables.drops)
    return sum(function.text.count(name.encode()) for name in drops) > 1


def _takes(function: Function, node: Node) -> bool:
    """Whether a statement takes something, too: a waiting macro that is handed a release and a taking."""
    return node.expr is not None and any(call.value in function.tables.takes for call in node.expr.calls())


def _next_drop(function: Function, node: Node, call: Expr) -> Expr | None:
    """The same release further on, where the way to it has no branch and nothing but labels and tables' own calls."""
    for _ in range(_NEAR):
        if len(node.succ) != 1:
            return None
        node = node.succ[0][0]
        for each in node.expr.calls() if node.expr is not None else ():
            if each.key == call.key:
                return each
            if each.value in function.tables.takes or not harmless(function, each.value):
                return None
        if node.kind == "return" or _assigns(node, set(contract.words(call.key))):
            return None
    return None


def _dropped_again(function: Function, facts: LockFacts, node: Node, call: Expr) -> Twice | None:
    if call.value in function.tables.takes or contract.annotated_dropper(function):
        return None
    for drop in function.tables.drops[call.value]:
        section = drop.kind in _SECTIONS
        if not (section or (drop.kind in FIRM | _SLEEPING and drop.arg is not None)) or drop.when != "always":
            continue
        key = call.args[drop.arg].key if drop.arg is not None and drop.arg < len(call.args) else ""
        mapped = call.args[drop.map_arg].key if drop.map_arg is not None and drop.map_arg < len(call.args) else ""
        states = facts.at_call.get(id(call), {}).items()
        if all(match(p, drop.kind, key, mapped) is not None or "0" in (f.get(key), f.get(mapped)) for p, f in states):
            continue
        if drop.kind in _callee_kinds(function):
            continue
        taken_at = [
            n
            for n, held in takers(function)
            if held.key == key and (key or (section and held.kind == drop.kind)) and _for_sure(function, held)
        ]
        if (
            not taken_at
            or not _same_place(function, taken_at, key)
            or guarded(node)
            or not graph.always_through(function.cfg, taken_at, node)
        ):
            continue
        return Twice(drop.kind, key, call, taken_at[0].line, again=False, ours=_own(function, drop.kind, key))
    return None


def _own(function: Function, kind: str, key: str) -> bool:
    return kind == "ptl" or (kind not in _SLEEPING and key in local_names(function))


def _for_sure(function: Function, held: Held) -> bool:
    """Whether the taking call takes but for rare failures (no trylock)."""
    return all(take.mode != "try" for take in function.tables.takes.get(held.name, ()))


def _same_place(function: Function, takers: list[Node], key: str) -> bool:
    """Whether nothing that the lock's text names is assigned behind the place where it is first taken."""
    names = set(contract.words(key))
    behind = graph.after([t for n in takers for t, _ in n.succ])
    return not any(n.id in behind and _assigns(n, names) for n in function.cfg.order)


@fact
def _callee_kinds(function: Function) -> frozenset[str]:
    """The kinds of locks that callees take or release for this function, where it is not known how."""
    kinds: set[str] = set()
    tables = function.tables
    for name in function.calls:
        if not name or name in tables.takes or name in tables.drops:
            continue
        callee = function.program.resolve(name, function.path)
        if callee is not None and callee is not function and not _clear(callee):
            kinds |= {h.kind for effect in lock_effects(callee) for h in (*effect.taken, *effect.released)}
    return frozenset(kinds | ({"ptl", "spin", "raw_spin"} if kinds & {"ptl", "spin", "raw_spin"} else set()))


def _clear(callee: Function) -> bool:
    """Whether the result tells what the function gives up, which is a lock of its parameters, and it takes none."""
    params = set(callee.params)
    return all(
        not effect.uncertain and not effect.taken and all(root_of(held.key) in params for held in effect.released)
        for effect in lock_effects(callee)
    )


def guarded(node: Node) -> bool:
    """Whether it is the body of an `if` that goes on as if nothing was (`if (flag) unlock()`)."""
    return any(
        before.kind == "branch" and any(graph.skips(before, t, {node.id}) for t, _ in before.succ if t is not node)
        for before in node.pred
    )


def _taken_again(function: Function, facts: LockFacts, node: Node, call: Expr) -> Twice | None:
    for take in function.tables.takes[call.value]:
        if take.kind not in FIRM or take.mode in ("read", "try", "relock"):
            continue
        place = take.out if take.out is not None else take.arg
        if place is None or place >= len(call.args):
            continue
        key = call.args[place].key
        if take.out is not None:
            key = call.args[place].args[0].key if key.startswith("&") else f"*{key}"
        for prop in facts.at_call.get(id(call), ()):
            for held in prop:
                site = (held.line, held.name)
                drops = contract.releases(function).get(site, [])
                if (
                    held.gone
                    or (held.kind, held.key) != (take.kind, key)
                    or bypasses(function, facts, site, node, drops, ours=False)
                ):
                    continue
                if _same_lock(function, held, node):
                    return Twice(take.kind, key, call, held.line, again=True, ours=_own(function, take.kind, key))
    return None


def _same_lock(function: Function, held: Held, node: Node) -> bool:
    """Whether nothing that the lock's text names is assigned on some way from the taking to `node`."""
    names = set(contract.words(held.key))
    starts = sites(function, (held.line, held.name))
    return any(
        node.id in graph.after([t for t, _ in start.succ], lambda n: _assigns(n, names)) and not _assigns(start, names)
        for start in starts
    )


def _assigns(node: Node, names: set[str]) -> bool:
    if node.kind == "decl" and node.name in names:
        return True
    if node.expr is None:
        return False
    if node.kind == "iter" and any(arg.root in names for arg in node.expr.args):
        return True
    return any(
        (e.kind == "assign" or (e.kind == "unary" and e.value.endswith(("++", "--")))) and _name(e.args[0]) in names
        for e in node.expr.walk()
    )


def _name(target: Expr) -> str:
    """What an assignment changes: the member of a structure, or else the variable that its text begins with."""
    return target.value if target.kind == "field" else target.root
