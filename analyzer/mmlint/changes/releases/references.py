"""References of things that a patch takes, or gives up, by another number than before, or of another kind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.releases.excused import given_up, released
from mmlint.changes.releases.turn import Turn
from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.loops import in_loop
from mmlint.facts.reach import reach
from mmlint.facts.things import COUNTED, Thing, counts, holder_of, kind_of, things

_FLAG = re.compile(r"[A-Z][A-Z0-9_]+$")


def by_references(change: FunctionChange, before: Function, after: Function) -> Iterator[Turn]:
    """The things of which another number of references, or of another kind, is taken or given up than before."""
    yield from _doors(change, before, after)
    yield from _fewer(before, after)
    yield from _one_taken(change, before, after)
    swapped = tuple(_swapped(change, before, after))
    yield from swapped or _untaken(change, before, after)


def _doors(change: FunctionChange, before: Function, after: Function) -> Iterator[Turn]:
    """A thing that is taken as before, here or nowhere in the patch, and given up by a call for something else."""
    known = after.tables.resources
    old_things, new_things = released(before), released(after)
    for old in old_things.keys() - new_things.keys():
        if old.kind not in known or _taken(before, old) != _taken(after, old):
            continue
        if not _taken(after, old) and (_less_taken(change, old.kind) or len(old_things[old]) != 1):
            continue
        for new, releases in new_things.items():
            if new.key == old.key and new.kind in known and new not in old_things and not _taken(after, new):
                yield Turn("door", old, releases[0][0], releases[0][1])


def _fewer(before: Function, after: Function) -> Iterator[Turn]:
    """A thing that was given up by a count of references and now is by one."""
    old_things = released(before)
    for thing, releases in released(after).items():
        old, new = ([counts(after, call) for _, call in calls] for calls in (old_things.get(thing, []), releases))
        if any(old) and not any(new) and len(old) == len(new) and not _taken_by_one(before, after, thing):
            yield Turn("fewer", thing, releases[-1][0], releases[-1][1])


def _one_taken(change: FunctionChange, before: Function, after: Function) -> Iterator[Turn]:
    """A thing of which a number of references was taken, and now one is, while as many are given up as before."""
    for thing, call in more(after).items():
        if not _taken_by_one(before, after, thing) or _less_released(change, thing.kind):
            continue
        node = next(n for n, each in after.calls[call.value] if each is call)
        if not in_loop(after, node) and not any(counts(before, c) for c in _exchanged(change, thing.kind)):
            yield Turn("one", thing, node, call)


def _taken_by_one(before: Function, after: Function, thing: Thing) -> bool:
    """Whether the function took a number of references of a thing itself, and takes one now."""
    was, now = more(before).get(thing), more(after).get(thing)
    if was is None or now is None or not counts(before, was) or counts(after, now):
        return False
    return was.key not in {call.key for _, call in after.calls.get(was.value, ())}


def _exchanged(change: FunctionChange, kind: str) -> Iterator[Expr]:
    """The releases of things of a kind that are gone from the functions of a patch."""
    for other in change.patch.changes:
        if other.before is None:
            continue
        kept = {c.key for calls in things(other.after).values() for _, c in calls} if other.after is not None else set()
        for thing, calls in things(other.before).items():
            yield from (c for _, c in calls if thing.kind == kind and c.key not in kept)


def _swapped(change: FunctionChange, before: Function, after: Function) -> Iterator[Turn]:
    """One more reference of a thing is taken, of another kind than before, and what gives it up does not change."""
    old, new = more(before), more(after)
    for was in sorted(old.keys() - new.keys()):
        now = [thing for thing in new.keys() - old.keys() if thing.key == was.key]
        if len(now) == 1 and not _less_released(change, was.kind) and released(before).keys() == released(after).keys():
            node = next(n for n, call in after.calls[new[now[0]].value] if call is new[now[0]])
            yield Turn("swapped", was, node, old[was], new[now[0]].value)


def _untaken(change: FunctionChange, before: Function, after: Function) -> Iterator[Turn]:
    """One more reference of a thing that lives on is not taken any more, and the patch takes no release away for it."""
    if _cleared(after) - _cleared(before):
        return
    old, new = more(before), more(after)
    for thing in sorted(old.keys() - new.keys()):
        known = told(before)
        owner = thing.key.removesuffix("->css")
        speaking = [
            c for calls in after.calls.values() for _, c in calls if {thing.key, owner} & {a.key for a in c.args}
        ]
        if (
            (speaking or _handed_out(before, after, thing))
            and all(c.key in known for c in speaking)
            and (thing not in released(after) or _of_another(after, thing))
            and not any(fresh.kind == thing.kind for fresh in new.keys() - old.keys())
            and not _less_released(change, thing.kind)
            and not change.gained_elsewhere(old[thing].value)
            and not _receivertold(before, after, thing, speaking)
        ):
            yield Turn("untaken", thing, after.cfg.order[0], old[thing])


def _receivertold(before: Function, after: Function, thing: Thing, speaking: list[Expr]) -> bool:
    """Whether who is handed the thing is told something else by a flag now, as that it has no reference of its own."""
    receivers = {arg.key for call in speaking for arg in call.args if arg.kind in ("name", "field")} - {thing.key}
    known = told(before)
    fresh = (c for calls in after.calls.values() for _, c in calls if c.key not in known and len(c.args) > 1)
    return any(c.args[0].key in receivers and any(_FLAG.match(arg.key) for arg in c.args[1:]) for c in fresh)


def _of_another(function: Function, thing: Thing) -> bool:
    """Whether all that is given up under the name is what stood there before another thing got the name."""
    order = reach(function)
    stores = [n for n in order.order for op, e in n.events if op == "assign" and e.args[0].key == thing.key]
    releases = [node for node, _ in things(function).get(thing, ())]
    return bool(stores) and all(any(order.before(node, store) for store in stores) for node in releases)


def _handed_out(before: Function, after: Function, thing: Thing) -> bool:
    """Whether the thing is stored, as before, in what the caller gets back; a variable's thing in any object."""
    root, member, _ = thing.key.partition("->")
    stores = _stores(after, thing.key)
    if (not member or root in after.params) and bool(stores) and _stores(before, thing.key) == stores:
        return True
    values = {_source(before, e) for e in _stored(before).get(thing.key, ())} if member else {_found(before, thing.key)}
    kept = {to for to, each in _stored(before).items() if {_source(before, e) for e in each} & values - {""}}
    now = {to for to, each in _stored(after).items() if {_source(after, e) for e in each} & values - {""}}
    return bool(kept) and kept == now and (not member or root in after.params)


def _stored(function: Function) -> dict[str, list[Expr]]:
    """What is stored in each member."""
    found: dict[str, list[Expr]] = {}
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "assign" and expr.args[0].kind == "field":
                found.setdefault(expr.args[0].key, []).append(expr.args[1])
    return found


def _source(function: Function, value: Expr) -> str:
    """The call that a value comes from, by its text: itself, or what a variable is only set to."""
    return value.key if value.kind == "call" else _found(function, value.key) if value.kind == "name" else ""


def _found(function: Function, name: str) -> str:
    values = assigned_values(function).get(name, ())
    return values[0].key if len(values) == 1 and values[0].kind == "call" else ""


def _stores(function: Function, key: str) -> set[str]:
    """What a member is given, or the members that are given what a variable holds."""
    if "->" in key:
        return {value.key for value in _stored(function).get(key, ())}
    return {to for to, values in _stored(function).items() if any(canon(value) == key for value in values)}


def _cleared(function: Function) -> frozenset[str]:
    """The members that are set to nothing: who held something by one lets another have it."""
    return frozenset(
        expr.args[0].key
        for node in function.cfg.order
        for op, expr in node.events
        if op == "assign" and expr.args[0].kind == "field" and expr.args[1].value in ("0", "NULL")
    )


def told(function: Function) -> frozenset[str]:
    """The text of every call and field of the function."""
    exprs = (node.expr for node in function.cfg.order if node.expr is not None)
    return frozenset(e.key for expr in exprs for e in expr.walk() if e.kind in ("call", "field"))


def more(function: Function) -> dict[Thing, Expr]:
    """The calls that take one more reference of what the function holds already."""
    found: dict[Thing, Expr] = {}
    for name, rows in function.tables.takes_resource.items():
        for row in rows:
            if row.holder.startswith("arg:") and COUNTED.search(kind := kind_of(row.resource)):
                found |= {Thing(holder_of(function, c, row), kind): c for _, c in function.calls.get(name, ())}
    return {thing: call for thing, call in found.items() if thing.key}


def _less_released(change: FunctionChange, kind: str) -> bool:
    """Whether some function of the patch gives fewer things of the kind up than before."""
    for other in change.patch.changes:
        old, new = (given_up(side, kind) if side is not None else 0 for side in (other.before, other.after))
        if new < old:
            return True
    return False


def _less_taken(change: FunctionChange, kind: str) -> bool:
    """Whether some function of the patch takes the kind another number of times than before."""
    rows = change.patch.tables.takes_resource
    names = [name for name, each in rows.items() if any(kind_of(row.resource) == kind for row in each)]
    return any(
        len({sum(len(side.calls.get(n, ())) for n in names) if side else 0 for side in (other.before, other.after)}) > 1
        for other in change.patch.changes
    )


def _taken(function: Function, thing: Thing) -> list[str]:
    rows = function.tables.takes_resource
    return sorted(
        call.key
        for name, calls in function.calls.items()
        if any(row.resource == thing.kind for row in rows.get(name, ()))
        for _, call in calls
        if thing.key in call.names() or thing.key in (arg.key for arg in call.args)
    )
