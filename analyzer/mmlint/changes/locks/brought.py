"""Calls that may sleep and that a patch brings under an atomic lock: the call moves in, or the lock's section grows.

What a state rule must leave open (a gfp mask that nobody knows, a condition deep in a callee, a call through a pointer)
may be said here: the code before the patch took care to make this very call without the lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Held, Prop, family, local_names, naming, root_of, visible_to_callers
from mmlint.facts.locks.lockclass import class_of, takes_class
from mmlint.facts.locks.locks import atomic, locks
from mmlint.facts.locks.pointed import pointed_sleeper
from mmlint.facts.locks.sleep import USER_COPIES, Sleeper, drops_first, no_fault, sleeps_at
from mmlint.facts.needs import GUESS, Settings, excludes, settings
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, performed
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass

Owed = dict[tuple[str, str], tuple[Held, Settings]]
"""The callers' locks by kind family and text, with the settings under which alone the callers hold them."""
_DEPTH = 3
_QUEUES = re.compile(r"(mod|schedule|queue)_(delayed_)?work(_on)?$")
"""Calls that leave a work function, which may sleep, to a worker."""
_OWN_RANK = {"ptl": 0, "spin": 1, "raw_spin": 1, "rwlock": 1}


@dataclass(frozen=True, slots=True)
class Brought:
    """A call that may sleep, under `held` after the patch and not before. `callers`: it is the callers' lock, which the
    function gave up before the call. `moved`: the call was there before, without the lock. No `sleeper`: what is called
    is not known, but before the patch the lock was given up for this call and retaken behind it, or (`left`) the call
    was left to a worker.
    """

    call: Expr
    held: Held
    sleeper: Sleeper | None
    callers: bool
    moved: bool
    left: bool = False


def brought_under(change: FunctionChange) -> tuple[Brought, ...]:
    """The calls that a change of one function brings under an atomic lock of its own or of its callers."""
    compared = comparison(change)
    if compared is None or locks(compared.before).flow.overflow or locks(compared.after).flow.overflow:
        return ()
    owed = {**lent(compared.before), **lent(compared.after)}
    return (*_brought(compared, owed), *_faults(compared))


def _faults(compared: Comparison) -> Iterator[Brought]:
    """Copies from and to user space, for which the kernel may have to fault a page in, now under the mmap lock, and
    calls that take locks which come before the one that is held.
    """
    old_at, new_at = locks(compared.before).at_call, locks(compared.after).at_call
    for act in compared.new:
        old = compared.sources.get(id(act))
        row = compared.after.tables.outside.get(act.word)
        kind = row.kind if row is not None else "mmap_lock"
        if row is None and act.word not in USER_COPIES:
            continue
        if old is not None and _held_of(kind, old_at.get(id(old.expr), {})) is not None:
            continue
        held = _held_of(kind, new_at.get(id(act.expr), {}))
        if held is not None:
            yield Brought(act.expr, held, None, callers=False, moved=old is not None)


def _held_of(kind: str, states: dict[Prop, Facts]) -> Held | None:
    held = (h for prop in sorted(states, key=sorted) if not no_fault(prop) for h in prop)
    return next((h for h in held if h.kind == kind and not h.gone), None)


def _brought(compared: Comparison, owed: Owed) -> Iterator[Brought]:
    before, after = compared.before, compared.after
    old_at, new_at = locks(before).at_call, locks(after).at_call
    counts: dict[str, int] = {}
    queued = {arg.key for a in compared.removed if _QUEUES.match(a.word) for arg in a.expr.args}
    for act in compared.new:
        if act.expr.kind != "call" or id(act.expr) not in new_at or act.word.startswith(("ptl:", "guard:")):
            continue
        inside = _inside(after, act.expr, new_at[id(act.expr)], owed)
        if inside is None or _dropped_by_helper(compared, act, inside):
            continue
        old = compared.sources.get(id(act)) or _moved_from(compared, act)
        if old is not None and old.expr.kind == "call":
            states = old_at.get(id(old.expr), {})
            if not states or _inside(before, old.expr, states, owed) is not None:
                continue
        elif counts.setdefault(act.word, _atomic_calls(before, act.word, owed)):
            counts[act.word] -= 1
            continue
        moved = old is not None or _made_outside(compared, act, owed) or _now_in_helper(compared, act, owed)
        sleeper = _sleeper(after, act.node, act.expr, inside, moved=moved)
        left = len(act.expr.args) == 1 and act.expr.args[0].key in queued
        if sleeper is not None or left or (old is not None and _unlocked_for(compared, old, inside)):
            callers = any(inside is held for held, _ in owed.values())
            yield Brought(act.expr, inside, sleeper, callers, moved, left)


def _moved_from(compared: Comparison, act: Act) -> Act | None:
    """The call that a patch takes away where it adds one of the same function, with other arguments."""
    gone, fresh = ([a for a in acts if a.word == act.word] for acts in (compared.removed, compared.added))
    return gone[0] if len(gone) == len(fresh) == 1 and len(gone[0].expr.args) == len(act.expr.args) else None


def _made_outside(compared: Comparison, act: Act, owed: Owed) -> bool:
    """Whether a new call is one that the function made, with the same mask, outside of any atomic lock."""
    before, row = compared.before, compared.before.tables.sleeps.get(act.word)
    at_call = locks(before).at_call
    place = row.gfp_arg if row is not None else None
    if place is None or place >= len(act.expr.args):
        return False
    return any(
        place < len(call.args)
        and call.args[place].key == act.expr.args[place].key
        and _inside(before, call, at_call.get(id(call), {}), owed) is None
        for _, call in before.calls.get(act.word, ())
    )


def _now_in_helper(compared: Comparison, act: Act, owed: Owed) -> bool:
    """Whether a helper that the patch brings makes a call that was made here, outside of any atomic lock."""
    before, helper = compared.before, _new_helper(compared, act)
    if helper is None:
        return False
    at_call = locks(before).at_call
    gone = [a for a in compared.removed if a.expr.kind == "call" and a.word in before.tables.sleeps]
    return any(
        a.word in performed(helper) and _inside(before, a.expr, at_call.get(id(a.expr), {}), owed) is None for a in gone
    )


def _dropped_by_helper(compared: Comparison, act: Act, held: Held) -> bool:
    """Whether a helper that the patch brings gives the lock up itself, if only on the ways on which it is held."""
    helper = _new_helper(compared, act)
    calls = helper.calls_of(helper.tables.drops).values() if helper is not None else ()
    return any(held.key in {arg.key for arg in call.args} for each in calls for _, call in each)


def _new_helper(compared: Comparison, act: Act) -> Function | None:
    """What a call means, if the patch brings that function."""
    before, after = (side.program.resolve(act.word, side.path) for side in (compared.before, compared.after))
    return after if before is None else None


def _atomic_calls(function: Function, word: str, owed: Owed) -> int:
    at_call = locks(function).at_call
    calls = [call for _, call in function.calls.get(word, ())]
    return sum(_inside(function, call, at_call.get(id(call), {}), owed) is not None for call in calls)


def _inside(function: Function, call: Expr, states: dict[Prop, Facts], owed: Owed) -> Held | None:
    """The atomic lock that is held at a call in some state: one taken here, else one of the callers'."""
    props = sorted(states, key=sorted)
    for prop in props:
        own = [h for h in atomic(function, prop) if not drops_first(function, call, h)]
        if own:
            return min(own, key=lambda h: (_OWN_RANK.get(h.kind, 2), -h.line, h.kind))
    for prop in props:
        gone = {(family(h.kind), h.key) for h in prop if h.gone}
        for key, (held, when) in owed.items():
            if key not in gone and not drops_first(function, call, held) and not excludes(when, states[prop]):
                return held
    return None


def lent(function: Function) -> Owed:
    """The atomic ones of the locks that a function is entered with."""
    kinds = function.tables.kinds
    return {key: (held, when) for key, (held, when) in owed_by(function).items() if kinds[held.kind].atomic}


@fact
def owed_by(function: Function) -> Owed:
    """The locks that a function is entered with, since on some way it gives them up without having taken them.

    Only what it releases itself and by name: contexts without one (RCU, interrupts) are too often conditional.
    """
    kinds = function.tables.kinds
    found: Owed = {}
    for states in locks(function).flow.before.values():
        for prop, facts in states.items():
            for held in prop:
                if not held.gone or held.name not in function.tables.drops or held.kind not in kinds:
                    continue
                ours = visible_to_callers(function, held) or _in_an_argument(function, held)
                if ours and not _taken_first(function, held.key):
                    key, when = (family(held.kind), held.key), settings(function, facts)
                    lock, known = found.get(key, (held._replace(gone=False), when))
                    found[key] = lock, tuple(each for each in known if each in when)
    if _mapped_by_callers(function):
        found["pte_map", ""] = Held("pte_map", "", function.line, "", "", gone=False), ()
    return found


def _mapped_by_callers(function: Function) -> bool:
    """Whether the function unmaps a page table by a parameter that it never sets: its callers have mapped it."""
    drops = function.tables.drops
    by = {
        call.args[row.map_arg].key
        for name, rows in drops.items()
        for row in (rows if name in function.calls else ())
        for _, call in function.calls.get(name, ())
        if row.kind == "pte_map" and row.map_arg is not None and row.map_arg < len(call.args)
    }
    return any(key in by and not any(n.sets(key) for n in function.cfg.order) for key in function.params)


def _unlocked_for(compared: Comparison, old: Act, held: Held) -> bool:
    """Whether a call now stands under the lock that it takes itself, or is one by pointer, of which nothing is known,
    and the patch takes away the unlocking before and the locking behind it.
    """
    if old.expr.kind != "call":
        return False
    if not old.expr.value:
        return _given_up_around(compared, old, held)
    if _takes(compared.after, old.expr.value, held.key):
        return True
    kind = class_of(compared.after, held.key)
    return (
        kind is not None and _given_up_around(compared, old, held) and takes_class(compared.after, old.expr.value, kind)
    )


def _given_up_around(compared: Comparison, old: Act, held: Held) -> bool:
    """Whether the patch takes the unlocking before a call away, and the locking behind it."""
    drops, takes = compared.before.tables.drops, compared.before.tables.takes
    order = reach(compared.before)
    about = [a for a in compared.removed if held.key and held.key in {canon(arg) for arg in a.expr.args}]
    return any(a.word in drops and order.before(a.node, old.node) for a in about) and any(
        a.word in takes and order.before(old.node, a.node) for a in about
    )


def _own(function: Function, key: str) -> bool:
    """Whether a lock is a local variable's or a parameter's."""
    return root_of(key.lstrip("&")) in {*function.params, *local_names(function)}


def _taken_first(function: Function, key: str) -> bool:
    """Whether every release of a lock of this name comes behind a taking of it in the function itself."""
    takes = [node for node, _ in naming(function, function.tables.takes, key)]
    drops = naming(function, function.tables.drops, key)
    return bool(takes) and all(graph.always_through(function.cfg, takes, drop) for drop, _ in drops)


def _takes(function: Function, name: str, key: str, depth: int = _DEPTH) -> bool:
    """Whether a function, or one that it calls, takes a global lock of this name."""
    if not depth or "->" in key or _own(function, key):
        return False
    callee = function.program.resolve(name, function.path)
    if callee is None or _own(callee, key):
        return False
    if naming(callee, callee.tables.takes, key):
        return True
    calls = (name for name in callee.calls if name and name not in callee.tables.nosleep)
    return any(_takes(callee, name, key, depth - 1) for name in calls)


def _in_an_argument(function: Function, held: Held) -> bool:
    """Whether the lock lies in what a local variable was given from a parameter (`walk->private`)."""
    values = assigned_values(function).get(root_of(held.key), ())
    return bool(values) and all(value.kind != "call" and value.root in function.params for value in values)


def _sleeper(function: Function, node: Node, call: Expr, inside: Held, *, moved: bool) -> Sleeper | None:
    """The likeliest way in which the call may sleep; for a call that is new only what needs no guess."""
    states = locks(function).at_call[id(call)]
    found = [
        sleeper
        for prop, facts in states.items()
        for sleeper in sleeps_at(function, node, call, facts)
        if not (sleeper.name in USER_COPIES and no_fault(prop)) and sleeper.forbidden_by(inside)
    ]
    if not moved:
        found = [s for s in found if s.gfp_param is None and GUESS not in s.requires and not s.large]
        found = [s for s in found if not s.requires or not s.steps]
    best = min(found, key=lambda s: (s.gfp_param is not None, len(s.requires), len(s.steps)), default=None)
    return best or (pointed_sleeper(function, call) if moved else None)
