"""What a patch does to the lives of things: exits that keep what they gave up before, uses that come too late now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.releases.excused import by_new_member, comes_otherwise, done_by_callee, given_up, instead, released
from mmlint.changes.releases.mapped import spared
from mmlint.changes.releases.tailcall import released_on_failure
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.loops import in_loop
from mmlint.facts.owners.lifetimes import early_calls, life
from mmlint.facts.owners.states import HELD, TWICE, Life
from mmlint.facts.reach import reach
from mmlint.facts.things import COUNTED, WALK, Thing, counts, given, holder_of, kind_of, plain, things
from mmlint.facts.wayout import Way
from mmlint.frozen import dataclass

_FLAG = re.compile(r"[A-Z][A-Z0-9_]+$")


@dataclass(frozen=True, slots=True)
class Turn:
    """What became worse for a thing at `node`. `release` is a call that gives it up (or, `untaken`, took it).

    It is `kept` on a way out, `lost` in a new assignment, used `late`, given up `again`, with an `idle` count, by
    another `door` or `fewer` times; or one more reference of it is `untaken`, or `swapped` for one of another kind.
    """

    how: str
    thing: Thing
    node: Node
    release: Expr | None
    text: str = ""


def turns(change: FunctionChange) -> tuple[Turn, ...]:
    """Everything that a patch makes worse, by thing; things that only one side knows are not compared. Kept."""
    before, after = change.before, change.after
    if before is None or after is None:
        return ()
    key = ("turns", id(before))
    if key not in after.cache:
        after.cache[key] = tuple(_turns(change, before, after))
    found: tuple[Turn, ...] = after.cache[key]
    return found


def settled(change: FunctionChange, release: Expr) -> bool:
    """Whether a release of before that is not there any more needs no other look: the thing is given up on all ways
    out, was given up twice before or behind its mapping, or a turn of `turns` tells of it.
    """
    before, after = change.before, change.after
    if before is None or after is None:
        return False
    for thing in given(before, release.value, release):
        old, new = _lives(before, after, thing)
        unheld = old is not None and any(call is release and node in old.unheld for node, call in old.releases)
        if thing.key in spared(change):
            return True
        if new is None:
            continue
        followed = not unheld and (new.releases or _handed_anew(change, thing))
        if (followed and not new.held) or any(turn.thing == thing for turn in turns(change)):
            return True
        if unheld and old is not None and len(new.again) < len(old.again) and new.levels == old.levels:
            return True
    return False


def _handed_anew(change: FunctionChange, thing: Thing) -> bool:
    """Whether the thing is handed to a function that was not called before."""
    before, after = change.before, change.after
    fresh = after.calls.keys() - before.words if before is not None and after is not None else set()
    calls = (call for name in fresh for _, call in (after.calls[name] if after is not None else ()))
    return any(thing.key in {plain(arg) for arg in call.args} for call in calls)


def _turns(change: FunctionChange, before: Function, after: Function) -> Iterator[Turn]:
    compared = comparison(change)
    yield from _doors(change, before, after)
    yield from _fewer(before, after)
    yield from _one_taken(change, before, after)
    swapped = tuple(_swapped(change, before, after))
    yield from swapped or _untaken(change, before, after)
    for thing in things(after):
        if thing not in things(before):
            continue
        old, new = _lives(before, after, thing)
        if new is None or not (new.held or new.late or new.idle or new.again or new.lost):
            continue
        if old is not None and not by_new_member(change, after, new) and not done_by_callee(change, thing):
            held = {fresh.key for fresh in _more(after).keys() - _more(before).keys()}
            elsewhere = instead(before, after, thing) or comes_otherwise(before, after, thing)
            excused = {"kept"} if elsewhere or released_on_failure(change, thing) else set()
            if thing in _more(before).keys() - _more(after).keys():
                excused.add("lost")  # the reference of before was one more, which nobody followed
            for turn in _worse(old, new, _told(before), held, compared.lines if compared is not None else {}):
                if turn.how in excused or (turn.how == "again" and _taken_back(after, turn.node)):
                    continue
                if turn.how != "late" or not _behind_another(after, old, new, turn.node):
                    yield turn


def _lives(before: Function, after: Function, thing: Thing) -> tuple[Life | None, Life | None]:
    """The life of a thing on both sides. What came before a release of it is known to leave it alone."""
    keepers = early_calls(before, thing)
    return life(before, thing, keepers), life(after, thing, keepers)


def _worse(old: Life, new: Life, told: Set[str], held: Set[str], lines: Mapping[int, int]) -> Iterator[Turn]:
    """`told`: what the function said before, by text; what is new only counts where nothing came too late before.
    `held`: what the function has a reference of its own of.
    """
    release = new.releases[-1][1] if new.releases else None
    for text, node in new.late.items():
        if text not in old.late and text not in held and (text in told or not old.late):
            yield Turn("late", new.thing, node, _behind(new, node), text)
            break
    if new.thing.kind == WALK:
        return
    kept = _kept(old, new, lines)
    if kept is not None and not _only_conditional(old, new, lines):
        yield Turn("kept", new.thing, kept, release)
    if new.lost and not old.lost and not _gained_lost(old, new):
        yield Turn("lost", new.thing, new.lost[0], release)
    for text, node in new.idle.items():
        if text not in old.idle:
            yield Turn("idle", new.thing, node, release, text)
            break
    if new.again and not old.again and not old.in_parts:
        yield Turn("again", new.thing, new.again[0], _behind(new, new.again[0]))


def _behind_another(function: Function, old: Life, new: Life, node: Node) -> bool:
    """Whether a use that came too late before, for all that was known, stands in front of one on every way to it."""
    order = reach(function)
    return any(order.dominates(use, node) for text, use in new.late.items() if text in old.late and use is not node)


def _taken_back(function: Function, release: Node) -> bool:
    """Whether every way from a release clears a place in memory, through which the thing had been handed on."""
    clears = [
        node
        for node in function.cfg.order
        for op, expr in node.events
        if op == "assign" and expr.args[0].kind != "name" and expr.args[1].key == "NULL"
    ]
    return reach(function).meets(release, clears)


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
    for thing, call in _more(after).items():
        if not _taken_by_one(before, after, thing) or _less_released(change, thing.kind):
            continue
        node = next(n for n, each in after.calls[call.value] if each is call)
        if not in_loop(after, node) and not any(counts(before, c) for c in _exchanged(change, thing.kind)):
            yield Turn("one", thing, node, call)


def _taken_by_one(before: Function, after: Function, thing: Thing) -> bool:
    """Whether the function took a number of references of a thing itself, and takes one now."""
    was, now = _more(before).get(thing), _more(after).get(thing)
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
    old, new = _more(before), _more(after)
    for was in sorted(old.keys() - new.keys()):
        now = [thing for thing in new.keys() - old.keys() if thing.key == was.key]
        if len(now) == 1 and not _less_released(change, was.kind) and released(before).keys() == released(after).keys():
            node = next(n for n, call in after.calls[new[now[0]].value] if call is new[now[0]])
            yield Turn("swapped", was, node, old[was], new[now[0]].value)


def _untaken(change: FunctionChange, before: Function, after: Function) -> Iterator[Turn]:
    """One more reference of a thing that lives on is not taken any more, and the patch takes no release away for it."""
    if _cleared(after) - _cleared(before):
        return
    old, new = _more(before), _more(after)
    for thing in sorted(old.keys() - new.keys()):
        told = _told(before)
        owner = thing.key.removesuffix("->css")
        speaking = [
            c for calls in after.calls.values() for _, c in calls if {thing.key, owner} & {a.key for a in c.args}
        ]
        if (
            (speaking or _handed_out(before, after, thing))
            and all(c.key in told for c in speaking)
            and (thing not in released(after) or _of_another(after, thing))
            and not any(fresh.kind == thing.kind for fresh in new.keys() - old.keys())
            and not _less_released(change, thing.kind)
            and not change.gained_elsewhere(old[thing].value)
            and not _receiver_told(before, after, thing, speaking)
        ):
            yield Turn("untaken", thing, after.cfg.order[0], old[thing])


def _receiver_told(before: Function, after: Function, thing: Thing, speaking: list[Expr]) -> bool:
    """Whether who is handed the thing is told something else by a flag now, as that it has no reference of its own."""
    receivers = {arg.key for call in speaking for arg in call.args if arg.kind in ("name", "field")} - {thing.key}
    known = _told(before)
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


def _told(function: Function) -> frozenset[str]:
    """The text of every call and field of the function."""
    exprs = (node.expr for node in function.cfg.order if node.expr is not None)
    return frozenset(e.key for expr in exprs for e in expr.walk() if e.kind in ("call", "field"))


def _more(function: Function) -> dict[Thing, Expr]:
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


def _only_conditional(old: Life, new: Life, lines: Mapping[int, int]) -> bool:
    """Whether a release of unknown make is all there, and made on a condition that the patch adds: that may be put off
    on purpose.
    """
    nodes = [{n.line for levels in life.exits.values() for n in levels.values()} for life in (old, new)]
    by_name = new.releases and new.releases[0][1].value == new.thing.kind
    standing = set(lines.values())
    moved = any(node.line not in standing and node.pred[0].line in standing for node, _ in new.releases if node.pred)
    return bool(by_name) and len(new.releases) >= len(old.releases) and len(nodes[0]) == len(nodes[1]) and not moved


def _gained_lost(old: Life, new: Life) -> bool:
    return len(old.releases) == 0 or len(new.releases) > len(old.releases)


def _behind(found: Life, node: Node) -> Expr | None:
    """The release nearest before a node in the text."""
    earlier = [call for n, call in found.releases if n.line <= node.line and n is not node]
    return max(earlier, key=lambda call: call.line, default=found.releases[0][1] if found.releases else None)


def _alike_clean(old: Life, way: Way) -> bool:
    """Whether the ways out of before with this result of a call that does not fill the thing kept nothing."""
    if f"&{old.thing.key}" in way.code:
        return False
    alike = [levels for w, levels in old.exits.items() if way.code and (w.result, w.code) == (way.result, way.code)]
    return bool(alike) and not any(HELD in levels or TWICE in levels for levels in alike)


def _kept(old: Life, new: Life, lines: Mapping[int, int]) -> Node | None:
    """A way out that keeps what it did not keep before, or a new one where none kept anything."""
    if (old.taken and not new.taken) or (new.releases and not old.releases):
        return None  # what a name stood for, or who was thought to own it, is judged otherwise now
    clean = not old.held
    there = {(lines.get(line, 0), code) for line, code in old.kept_at}
    more = Counter(call.key for _, call in new.releases) > Counter(call.key for _, call in old.releases)
    standing = set(lines.values()) if more else set()
    for way in sorted(new.held):
        levels, known = new.exits[way], old.exits.get(way)
        node = levels.get(HELD) or levels[TWICE]
        if way.code == "0" and any(w.result == way.result and w.code.endswith(")") for w in old.held):
            continue  # what a call said there may have been 0
        worse = clean or _alike_clean(old, way) if known is None else HELD not in known and TWICE not in known
        if worse and (node.line, way.code) not in there and node.line not in standing:
            return node
    return None
