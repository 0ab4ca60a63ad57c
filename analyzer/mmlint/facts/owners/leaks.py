"""Exits that keep what their siblings give back, and uses of what was given back, read off the ownership facts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import NOT_SHOWN, Function, call_targets, fact
from mmlint.facts.holders import GIVEN, HELD, MOVED, POINTER_ONLY, Own, canon, held_at, mentions_bare
from mmlint.facts.ir import Expr, asks_for_error
from mmlint.facts.owners.giveback import fails, gives_away
from mmlint.facts.owners.resources import Ownership, acquirers, ownership
from mmlint.facts.values import Facts, is_error, is_zero
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Taking
from mmlint.kernel.tables import Tables

_BY_ITSELF = "memcg iterator"
"""What gives itself back at the end of the walk."""
_SET_AGAIN = 2


@dataclass(frozen=True, slots=True)
class Leak:
    """A thing still owned at `exit` though other exits give it back (`given`) or pass it on. `fails`: an error exit.

    `refused`: all that give it back are error exits.
    """

    resource: str
    take: Expr
    row: Taking
    exit: Node
    fails: bool
    given: tuple[Node, ...]
    moved: bool
    refused: bool = False


@fact
def leaks(function: Function) -> tuple[Leak, ...]:
    """The exits on which a thing is kept that another exit of the same function gives back or passes on."""
    owned = ownership(function)
    flow = owned.flow
    if not owned.takes or flow.overflow or function.cfg.truncated:
        return ()
    ends: dict[tuple[int, str], list[tuple[Node, str, bool]]] = {}
    for node, prop, facts, value in flow.returns:
        failed = fails(function, node, value)
        for own in prop:
            state = _status(function, owned, node, own, facts)
            ends.setdefault((own.take, own.resource), []).append((node, state, failed))
    found = []
    for key, exits in ends.items():
        _, take, row = owned.takes[key]
        given = tuple({n.id: n for n, state, _ in exits if state == GIVEN}.values())
        moved = any(state == MOVED and not failed for _, state, failed in exits)
        refused = all(failed for _, state, failed in exits if state == GIVEN)
        for node, failed in dict.fromkeys((n, failed) for n, state, failed in exits if state == HELD):
            if given or moved:
                found.append(Leak(key[1], take, row, node, failed, given, moved, refused))
    if function.program.partial:
        found += _before_hidden_labels(function, owned)
    return tuple(sorted(found, key=lambda leak: (leak.take.line, leak.exit.line)))


def _hands_out(node: Node, own: Own) -> bool:
    """Whether a return gives the caller a part of the thing (`return memcg ? &memcg->css : NULL`)."""
    if node.kind != "return" or node.expr is None:
        return False
    values = node.expr.args[1:] if node.expr.kind == "cond" else (node.expr,)
    return any(v.kind == "unary" and v.value == "&" and v.args[0].root in own.names for v in values)


def released(function: Function, leak: Leak) -> list[Expr]:
    """The calls of the tables that give back what the call took elsewhere: in another turn of a loop, say."""
    target = call_targets(function).get(id(leak.take))
    key = held_at(leak.take, leak.row.holder, target)
    return [
        call
        for name, rows in function.tables.gives_resource.items()
        for _, call in function.calls.get(name, ())
        for row in rows
        if row.resource == leak.resource and key and held_at(call, row.holder, None) == key
    ]


@fact
def never_given(function: Function) -> tuple[tuple[Expr, str], ...]:
    """The calls whose result is held on every way out, in no hands but the function's: with the resource."""
    owned = ownership(function)
    if not owned.takes or owned.flow.overflow or function.cfg.truncated or not function.whole:
        return ()
    ends: dict[tuple[int, str], set[str]] = {}
    searched = {arg.key for _, take, row in owned.takes.values() if row.holder == "result" for arg in take.args}
    for node, prop, facts, _ in owned.flow.returns:
        for own in prop:
            local = all(name.isidentifier() for name in own.names) and not _hands_out(node, own)
            local = local and searched.isdisjoint(own.names)  # the next call of a search gives back where it begins
            ends.setdefault((own.take, own.resource), set()).add(
                _status(function, owned, node, own, facts) if local else MOVED
            )
    found = []
    for key, states in ends.items():
        _, take, row = owned.takes[key]
        if HELD in states and states <= {HELD, "none"} and row.holder == "result" and key[1] != _BY_ITSELF:
            found.append((take, key[1]))
    return tuple(found)


def _before_hidden_labels(function: Function, owned: Ownership) -> Iterator[Leak]:
    """Jumps to a label that the hunks do not show, with a thing that another jump to it gives back just before.

    Whatever stands at the label, one of the two is wrong. Only where all lines from the taking call on are shown.
    """
    gaps = [node.line for node, _ in function.calls.get(NOT_SHOWN, ())]
    for label in function.cfg.order:
        if label.succ or label.kind != "nop":
            continue
        ways = [node for node in function.cfg.order if any(after is label for after, _ in node.succ)]
        ways = [node for node in ways if node.kind in ("expr", "branch")]
        given = {(own.take, own.resource): node for node in ways for own in _gives_back(function, owned, node)}
        for node in ways:
            for own in {own for prop in owned.flow.states(node) for own in prop if own.state == HELD}:
                other = given.get((own.take, own.resource))
                _, take, row = owned.take(own)
                if other is None or node.kind != "branch" or any(take.line < gap < node.line for gap in gaps):
                    continue
                yield Leak(own.resource, take, row, node, True, (other,), False)


def _gives_back(function: Function, owned: Ownership, node: Node) -> Iterator[Own]:
    """The held things that a statement gives back by a call of the tables."""
    calls = [call for call in node.expr.calls() if call.value in function.tables.gives_resource] if node.expr else []
    for own in {own for prop in owned.flow.states(node) for own in prop if own.state == HELD}:
        rows = ((row, call) for call in calls for row in function.tables.gives_resource[call.value])
        if any(row.resource == own.resource and held_at(call, row.holder, None) in own.names for row, call in rows):
            yield own


def _status(function: Function, owned: Ownership, node: Node, own: Own, facts: Facts) -> str:
    """What became of a thing at an exit: returned is moved, and a holder known to be NULL or an error holds nothing."""
    if own.state != HELD:
        return own.state
    if node.kind == "return" and node.expr is not None and any(mentions_bare(node.expr, n) for n in own.names):
        return MOVED
    values = [facts.get(name) for name in own.names]
    nothing = any(is_zero(v) or is_error(v) for v in values) or _out_of_nothing(function, *owned.take(own)[1:], facts)
    return "none" if nothing else HELD


def _out_of_nothing(function: Function, take: Expr, row: Taking, facts: Facts) -> bool:
    """Whether what a thing was looked up in is NULL on this way: `parent = of_get_parent(np)`, where `np` is."""
    key = canon(take.args[0]) if row.holder == "result" and take.args else ""
    return bool(is_zero(facts.get(key))) and len(assigned_values(function).get(key, ())) < _SET_AGAIN


@dataclass(frozen=True, slots=True)
class After:
    """A use (`again` False) or a second release of a thing whose only reference was given back."""

    node: Node
    at: Expr
    own: Own
    take: Expr
    again: bool


@fact
def afters(function: Function) -> tuple[After, ...]:
    """Uses and second releases, on some path, of what the function took and has given back."""
    owned = ownership(function)
    if owned.flow.overflow or not owned.takes:
        return ()
    found: dict[int, After] = {}
    for node in function.cfg.order:
        if node.expr is None:
            continue
        for prop in owned.flow.states(node):
            kept = {name for o in prop if o.state != GIVEN for name in o.names}
            for own in prop:
                names = own.names - kept
                if own.state != GIVEN or not names:
                    continue
                last = _last(function, owned.take(own)[2])
                for at, again in _touches(function, node.expr, own, names):
                    if last or (again and _alone(function, own)):
                        found.setdefault(id(at), After(node, at, own, owned.take(own)[1], again))
    return tuple(sorted(found.values(), key=lambda a: (a.at.line, a.at.column)))


def _last(function: Function, row: Taking) -> bool:
    """Whether the reference taken may be the only one its taker has: it came with a look-up or an allocation.

    A helper of the file may return a page that its caller holds by another variable as well.
    """
    known = row.name in function.tables.takes_resource
    return known and row.resource == "folio reference" and row.holder == "result"


def _alone(function: Function, own: Own) -> bool:
    return own.resource == "pagemap reference" or function.tables.resources[own.resource].single


def _touches(function: Function, expr: Expr, own: Own, names: frozenset[str]) -> Iterator[tuple[Expr, bool]]:
    if expr.kind == "assign" and expr.args[0].key in names:
        expr = expr.args[1]
    for each in expr.walk():
        if each.kind == "field" and each.args[0].key in names:
            yield each, False
        elif each.kind == "call" and each.value not in POINTER_ONLY:
            rows = function.tables.gives_resource.get(each.value, ())
            if any(r.resource == own.resource for r in function.tables.takes_resource.get(each.value, ())):
                continue
            away = gives_away(function, each)
            if any(r.resource == own.resource and held_at(each, r.holder, None) in names for r in rows) or any(
                i < len(each.args) and r == own.resource and canon(each.args[i]) in names for i, r in away
            ):
                yield each, True
            elif any(canon(arg) in names for arg in each.args) and each.value in _readers(function.tables):
                yield each, False


@lru_cache(maxsize=8)
def _readers(t: Tables) -> frozenset[str]:
    """The calls that look at what a pointer points to, and do not keep it."""
    return (
        frozenset(t.marks)
        | frozenset(t.ref_helpers)
        | {n for n in t.guards if n not in POINTER_ONLY}
        | frozenset(t.takes_resource)
    )


def _tested(function: Function, key: str) -> bool:
    """Whether a branch asks if the variable holds something: else its look-up may be one that cannot fail."""
    return key in _asked(function)


@fact
def _asked(function: Function) -> frozenset[str]:
    """What the branches ask about."""
    found = set()
    for expr in (node.expr for node in function.cfg.order if node.kind == "branch" and node.expr is not None):
        found.add(canon(expr.args[0] if expr.kind == "binary" or asks_for_error(expr) else expr))
    return frozenset(found)


def _reset(function: Function, key: str) -> bool:
    """Whether a variable is set to NULL somewhere: then its tests are flags, and paths to be told apart by more."""
    exprs = (node.expr for node in function.cfg.order if node.expr is not None)
    return any(
        e.kind == "assign" and e.args[0].key == key and e.args[1].value == "NULL" for x in exprs for e in x.walk()
    )


def _from_helpers(function: Function) -> set[str]:
    """The variables that get a page from a helper: when it gives none depends on what it is asked for."""
    targets = call_targets(function)
    calls = (call for name in acquirers(function) for _, call in function.calls.get(name, ()))
    return {canon(target) for call in calls if (target := targets.get(id(call))) is not None}


def _by_release(function: Function) -> frozenset[str]:
    """The variables that hold the result of a call which fails with NULL or an error pointer, as the release has it:
    hunks alone do not tell the release.
    """
    targets = call_targets(function)
    calls = (call for each in function.calls_of(function.tables.turned_senses).values() for _, call in each)
    return frozenset(canon(targets[id(call)]) for call in calls if id(call) in targets)


@fact
def bad_puts(function: Function) -> tuple[tuple[Expr, str, str], ...]:
    """Puts of a page that some path reaches with an error pointer or NULL: the call, the variable, what it holds."""
    if function.words.isdisjoint(function.tables.page_puts):
        return ()
    owned = ownership(function)
    helped = _from_helpers(function)
    unsettled = _by_release(function) if function.program.partial else frozenset()
    found: dict[int, tuple[Expr, str, str]] = {}
    for calls in function.calls_of(function.tables.page_puts).values():
        for node, call in calls:
            key = canon(call.args[0]) if call.args else ""
            if key in helped or key in unsettled:
                continue
            for facts in owned.flow.states(node).values() if _tested(function, key) else ():
                known = facts.get(key)
                if known == "err" or (known == "0" and not _reset(function, key)):
                    what = "NULL" if known == "0" else "an error pointer"
                    found.setdefault(id(call), (call, key, what))
    return tuple(sorted(found.values(), key=lambda f: (f[0].line, f[0].column)))
