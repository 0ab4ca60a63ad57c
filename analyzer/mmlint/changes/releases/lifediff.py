"""What a patch does to the lives of things: exits that keep what they gave up before, uses that come too late now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.releases.excused import by_new_member, comes_otherwise, done_by_callee, instead
from mmlint.changes.releases.mapped import spared
from mmlint.changes.releases.references import by_references, more, told
from mmlint.changes.releases.tailcall import released_on_failure
from mmlint.changes.releases.turn import Turn
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.owners.lifetimes import early_calls, life
from mmlint.facts.owners.states import HELD, TWICE, Life
from mmlint.facts.reach import reach
from mmlint.facts.things import WALK, Thing, given, plain, things
from mmlint.facts.wayout import Way


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
        if old is not None and len(new.cleared) > len(old.cleared):
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
    yield from by_references(change, before, after)
    for thing in things(after):
        if thing not in things(before):
            continue
        old, new = _lives(before, after, thing)
        if new is None or not (new.held or new.late or new.idle or new.again or new.lost):
            continue
        if old is not None and not by_new_member(change, after, new) and not done_by_callee(change, thing):
            held = {fresh.key for fresh in more(after).keys() - more(before).keys()}
            elsewhere = instead(before, after, thing) or comes_otherwise(before, after, thing)
            excused = {"kept"} if elsewhere or released_on_failure(change, thing) else set()
            if thing in more(before).keys() - more(after).keys():
                excused.add("lost")  # the reference of before was one more, which nobody followed
            for turn in _worse(old, new, told(before), held, compared.lines if compared is not None else {}):
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
