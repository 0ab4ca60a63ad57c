"""What calling a function does to its caller's locks, read off the states at its returns."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Flow
from mmlint.facts.function import Function, fact
from mmlint.facts.locks.held import (
    CONTEXTS,
    INNER,
    NOTHING,
    RESULT,
    Effect,
    Held,
    Prop,
    family,
    handed_out,
    local_names,
    result_class,
    root_of,
)

_MAX_EFFECTS = 8
_Way = tuple[frozenset[Held], frozenset[Held]]
"""What is taken, and what is released of the caller's."""


def ways_of(function: Function, flow: Flow[Prop]) -> tuple[Effect, ...]:
    """The ways of a function whose parameters decide what becomes of the locks; empty where they do not tell either.

    Which of them a call may take depends on its arguments (`told_apart`).
    """
    steady = _steady(function)
    groups: dict[tuple[str | None, tuple[tuple[int, str], ...]], set[_Way]] = {}
    for node, prop, facts, value in flow.returns if steady else ():
        given = tuple((i, facts[name]) for i, name in steady if facts.get(name, "")[:1] == "$")
        groups.setdefault((_result(function, node, prop, value), given), set()).add(
            _way(function, flow, node, prop, value)
        )
    effects = [_one_effect(value, ways)._replace(given=given) for (value, given), ways in groups.items()]
    if len(effects) > _MAX_EFFECTS or not any(e.given for e in effects) or any(e.uncertain for e in effects):
        return ()
    return tuple(sorted(effects, key=lambda e: (*_by_content(e), e.given)))


def _steady(function: Function) -> list[tuple[int, str]]:
    """The parameters that keep the value which they were given."""
    changed = set()
    for node in function.cfg.nodes:
        for expr in node.expr.walk() if node.expr is not None else ():
            if expr.kind == "assign" or (expr.kind == "unary" and expr.value in ("&", "++", "--", "p++", "p--")):
                changed.add(expr.args[0].key)
    return [(i, name) for i, name in enumerate(function.params) if name and name not in changed]


def effects_of(function: Function, flow: Flow[Prop], *, uncertain: bool) -> tuple[Effect, ...]:
    """The ways in which `function` changes its caller's locks, by its result; empty if it changes none.

    `uncertain`: a callee's effect is not told by its result, so that what is held at the end is not known.
    """
    by_value: dict[str | None, set[_Way]] = {}
    for node, prop, _, value in flow.returns:
        way = _way(function, flow, node, prop, value)
        by_value.setdefault(_result(function, node, prop, value), set()).add(way)
    if all(not taken and not released for ways in by_value.values() for taken, released in ways):
        return ()
    effects = [_one_effect(value, ways) for value, ways in by_value.items()]
    if uncertain or len(effects) > _MAX_EFFECTS:
        effects = [e._replace(taken=NOTHING, uncertain=True) for e in effects]
    return tuple(sorted(set(told_apart(effects)), key=_by_content))[:_MAX_EFFECTS]


def _taken(function: Function, node: Node, prop: Prop) -> frozenset[Held]:
    named = (handed_out(node, h) for h in prop if not h.gone)
    return frozenset(h for h in named if _visible(function, h))


def _result(function: Function, node: Node, prop: Prop, value: str | None) -> str | None:
    handed = any(RESULT in h.key for h in _taken(function, node, prop))
    return result_class(value) or ("ok" if handed else None)


def _way(function: Function, flow: Flow[Prop], node: Node, prop: Prop, value: str | None) -> _Way:
    return _taken(function, node, prop), _given_up(function, flow, prop, result_class(value))


def _by_content(effect: Effect) -> tuple[list[Held], list[Held], str]:
    return sorted(effect.taken), sorted(effect.released), effect.value or ""


def _one_effect(value: str | None, ways: set[_Way]) -> Effect:
    """The effect behind one result: where it differs by path, what may be released counts as released, and what is
    taken on every path as taken (`double_lock`, which takes a second lock if it is another one).
    """
    released = frozenset[Held]().union(*(r for _, r in ways))
    same = len({(_anywhere(t), r) for t, r in ways}) == 1
    first = min(ways, key=lambda way: sorted(way[0]))[0]
    shared = frozenset.intersection(*(_anywhere(taken) for taken, _ in ways))
    always = {h for h in first if h._replace(line=0, name="") in shared}
    return Effect(first if same else NOTHING if released else frozenset(always), released, value, not same)


def _anywhere(taken: frozenset[Held]) -> frozenset[Held]:
    """The locks, whichever call took them."""
    return frozenset(h._replace(line=0, name="") for h in taken)


def told_apart(effects: list[Effect]) -> list[Effect]:
    """Effects that a caller cannot tell apart by the result are uncertain, and take nothing."""
    blind = [e for e in effects if e.value in (None, "!err")]
    ways = {(_anywhere(e.taken), e.released) for e in effects}
    if blind and len(ways) > 1:
        released = frozenset[Held]().union(*(e.released for e in effects))
        return [Effect(NOTHING, released, None, True)]
    return effects


def _visible(function: Function, held: Held) -> bool:
    """Whether a lock that is still held at the end has a name that callers share: a parameter's or a global's."""
    kinds = function.tables.kinds
    if not held.key or held.kind in CONTEXTS or not (held.kind in kinds and kinds[held.kind].atomic):
        return True
    if RESULT in held.key:
        return True
    root = root_of(held.key)
    return bool(root and (root in function.params or root not in local_names(function))) or bool(held.map)


def _given_up(function: Function, flow: Flow[Prop], prop: Prop, result: str | None) -> frozenset[Held]:
    """The caller's locks that are released in a state in which the function returns `result`.

    A spinlock by the name of a local counts only if every way out with that result releases it (an alias of the
    caller's lock): on some ways only, it is one that the function takes itself where this analysis does not see it. The
    lock of what a call handed out here (`&page`) is none of the caller's.
    """
    if not any(held.gone for held in prop):
        return NOTHING
    ways = [p for _, p, _, value in flow.returns if result_class(value) == result]
    kinds = function.tables.kinds
    found = set()
    for held in prop:
        if not held.gone:
            continue
        inner = held.key.startswith(INNER) or root_of(held.key) in local_names(function)
        if inner and held.kind in kinds and kinds[held.kind].atomic:
            if not all(any(_alike(held, other) for other in way) for way in ways):
                continue
            held = held._replace(key=INNER + held.key.removeprefix(INNER))
        elif inner and root_of(held.key) in _filled(function):
            continue
        found.add(held._replace(line=0, name=""))
    return frozenset(found)


@fact
def _filled(function: Function) -> frozenset[str]:
    """The locals of which a call gets the address."""
    args = (arg for calls in function.calls.values() for _, call in calls for arg in call.args)
    addressed = {arg.args[0].key for arg in args if arg.kind == "unary" and arg.value == "&"}
    return frozenset(addressed & local_names(function))


def _alike(held: Held, other: Held) -> bool:
    return other.gone and family(other.kind) == family(held.kind)
