"""What calling a function does to its caller's locks, read off the states at its returns."""

from __future__ import annotations

from mmlint.facts.flow import Flow
from mmlint.facts.function import Function
from mmlint.facts.held import (
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


def effects_of(function: Function, flow: Flow[Prop], *, uncertain: bool) -> tuple[Effect, ...]:
    """The ways in which `function` changes its caller's locks, by its result; empty if it changes none.

    `uncertain`: a callee's effect is not told by its result, so that what is held at the end is not known.
    """
    by_value: dict[str | None, set[tuple[frozenset[Held], frozenset[Held]]]] = {}
    for node, prop, _, value in flow.returns:
        named = (handed_out(node, h) for h in prop if not h.gone)
        taken = frozenset(h for h in named if _visible(function, h))
        handed = any(RESULT in h.key for h in taken)
        result = result_class(value)
        gone = _given_up(function, flow, prop, result)
        by_value.setdefault(result or ("ok" if handed else None), set()).add((taken, gone))
    if all(not taken and not released for ways in by_value.values() for taken, released in ways):
        return ()
    effects = [_one_effect(value, ways) for value, ways in by_value.items()]
    if uncertain or len(effects) > _MAX_EFFECTS:
        effects = [e._replace(taken=NOTHING, uncertain=True) for e in effects]
    return tuple(sorted(set(_apart(effects)), key=_by_content))[:_MAX_EFFECTS]


def _by_content(effect: Effect) -> tuple[list[Held], list[Held], str]:
    return sorted(effect.taken), sorted(effect.released), effect.value or ""


def _one_effect(value: str | None, ways: set[tuple[frozenset[Held], frozenset[Held]]]) -> Effect:
    """The effect behind one result: where it differs by path, what may be released counts as released, and what is
    taken on every path as taken (`double_lock`, which takes a second lock if it is another one).
    """
    released = frozenset[Held]().union(*(r for _, r in ways))
    same = len({(frozenset(h._replace(line=0) for h in t), r) for t, r in ways}) == 1
    first = next(iter(ways))[0]
    shared = frozenset.intersection(*(frozenset(h._replace(line=0) for h in taken) for taken, _ in ways))
    always = {h for h in first if h._replace(line=0) in shared}
    return Effect(first if same else NOTHING if released else frozenset(always), released, value, not same)


def _apart(effects: list[Effect]) -> list[Effect]:
    """Effects that a caller cannot tell apart by the result are uncertain, and take nothing."""
    blind = [e for e in effects if e.value in (None, "!err")]
    ways = {(frozenset(h._replace(line=0) for h in e.taken), e.released) for e in effects}
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
    caller's lock): on some ways only, it is one that the function takes itself where this analysis does not see it.
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
        found.add(held._replace(line=0, name=""))
    return frozenset(found)


def _alike(held: Held, other: Held) -> bool:
    return other.gone and family(other.kind) == family(held.kind)
