"""What a function leaves its callers to hold, before and after a patch: by its results, on all its ways out.

A caller's lock that came back held on every way out and does not on one, or the other way round, is a changed contract;
so is a lock that came with a result and now does not. Where the patch also changes a caller, that is taken as meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.locks.brought import owed_by
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.consumed import consumed, harmless, keeps
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.contract import TAKER
from mmlint.facts.locks.held import Held, family, local_names, result_class, root_of, visible_to_callers
from mmlint.facts.locks.locks import lock_effects, locks
from mmlint.facts.owners.aliases import same_thing
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

_Name = tuple[str, str]
_Ways = dict[str | None, list[tuple[Node, bool]]]


@dataclass(frozen=True, slots=True)
class ChangedExit:
    """A way out after a patch. `gone`: the callers' `lock` is not held there any more, though it was on all such ways
    before; else it is still held there, though it was given up on all of them.
    """

    lock: Held
    exit: Node
    gone: bool


def changed_exits(change: FunctionChange) -> list[ChangedExit]:
    """The ways out that leave a caller's lock in another state than before the patch."""
    compared = comparison(change)
    if compared is None:
        return []
    before, after = compared.before, compared.after
    owed = owed_by(before)
    if locks(before).flow.overflow or locks(after).flow.overflow or change.named_elsewhere:
        return []
    known = ((name, held) for name, (held, _) in sorted(owed.items()) if not _left_to_other(before, after, held))
    return [found for name, held in known for found in _changed(compared, name, held)][:2]


def newly_owed(change: FunctionChange) -> list[Held]:
    """The locks that the function took itself before a patch and now gives up without having taken them, nor having
    handed them to a call that takes them by its name.
    """
    compared = comparison(change)
    if compared is None or change.named_elsewhere or compared.scoped or change.patch.partial:
        return []
    takes = compared.before.tables.takes
    removed = (act for act in compared.removed if act.word in takes)
    gone = {(family(row.kind), arg.key) for act in removed for row in takes[act.word] for arg in act.expr.args}
    old = owed_by(compared.before)
    new = ((name, held) for name, (held, _) in sorted(owed_by(compared.after).items()))
    given = {arg.key for act in compared.added if TAKER.search(act.word) for arg in act.expr.args}
    return [h for name, h in new if name not in old and (family(h.kind), h.key) in gone and h.key not in given]


def given_up_elsewhere(change: FunctionChange, held: Held) -> bool:
    """Whether another function that the patch brings or changes in the file gives the lock up, and did not before: the
    two are called one after the other, as the methods of a table are.
    """
    name = (family(held.kind), held.key)
    others = (o for o in change.patch.changes if o is not change and o.file.path == change.file.path)
    return any(
        other.after is not None
        and name in _released(other.after)
        and (other.before is None or name not in _released(other.before))
        for other in others
    )


def _released(function: Function) -> set[_Name]:
    return {(family(h.kind), h.key) for effect in lock_effects(function) for h in effect.released}


def _left_to_other(before: Function, after: Function, held: Held) -> bool:
    """Whether the patch hands what is locked to a method, or to a function of which not all is seen: it may give the
    lock up.
    """
    root = held.key.split("->")[0].lstrip("&")
    keys = {held.key, root, *same_thing(after, root)}
    for name, calls in after.calls.items():
        old = {call.key for _, call in before.calls.get(name, ())}
        for _, call in calls if not harmless(after, name) else ():
            places = [i for i, arg in enumerate(call.args) if arg.key in keys and call.key not in old]
            if any(not name or not _kept_by_all(after, call, i) for i in places):
                return True
    return False


def _kept_by_all(after: Function, call: Expr, index: int) -> bool:
    """Whether the callee leaves the argument to its caller; also that of another configuration, whose body may be seen
    or not.
    """
    callee = after.program.resolve(call.value, after.path)
    if callee is None or not keeps(after, call, index):
        return False
    file = after.program.file(callee.path)
    declared = re.compile(rb"\b" + call.value.encode() + rb"\([^;{]*\);")
    if callee.path.endswith(".h") and file is not None and declared.search(file.text):
        return False  # what is seen stands in for it
    return not any(index in consumed(twin) for twin in after.program.named(callee.path, call.value))


def _changed(compared: Comparison, name: _Name, held: Held) -> Iterator[ChangedExit]:
    before, after, root = compared.before, compared.after, root_of(held.key)
    if root in _spoken(before) and root not in _spoken(after):
        return  # it is known by another name now
    if root in assigned_values(before) or root in assigned_values(after):
        return  # the name stands for another lock by and by
    if name not in owed_by(after) and not visible_to_callers(after, held):
        return
    names = same_thing(before, held.key) | same_thing(after, held.key)
    keys = frozenset(key for each in names for key in (each, f"page_folio({each})", f"&{each}->page"))
    old, new = (_ways(side, name[0], keys) for side in (before, after))
    if _states(old) == _states(new):
        return  # only what is returned has changed
    if len(set(_states(new))) < len(set(_states(old))) and _made_even(compared, held, gone=_states(new)[0]):
        return
    if len({gone for ways in old.values() for _, gone in ways}) == 1:
        old, new = _merged(old), _merged(new)
    for value, ways in sorted(old.items(), key=lambda each: each[0] or ""):
        states = {gone for _, gone in (*ways, *old.get(None, ()))}
        if len(states) != 1:
            continue
        was_gone = states.pop()
        other = [node for node, gone in new.get(value, ()) if gone is not was_gone]
        if other and not (was_gone and _guarded_as_elsewhere(after, names)):
            yield ChangedExit(held, other[0], not was_gone)
            return


def _made_even(compared: Comparison, held: Held, *, gone: bool) -> bool:
    """Whether the patch takes a lock, or gives it up, on the ways out that left it otherwise than the rest: that mends
    what was forgotten there.
    """
    tables = compared.before.tables
    rows = tables.drops if gone else tables.takes
    return any(act.word in rows and held.key in {arg.key for arg in act.expr.args} for act in compared.added)


def _guarded_as_elsewhere(after: Function, names: frozenset[str]) -> bool:
    """Whether every release of the thing hangs on a question about it that another function of the file asks before
    such a release, too: who answers no gives the lock up himself.
    """
    mine = [pair for call, pair in _questions(after) if not names.isdisjoint(arg.key for arg in call.args)]
    others = (f for f in after.program.functions(after.path) if f.name != after.name and mine)
    theirs = {pair for other in others if other.mentions({drop for _, drop in mine}) for _, pair in _questions(other)}
    return bool(mine) and theirs.issuperset(mine)


def _questions(function: Function) -> Iterator[tuple[Expr, tuple[str, str]]]:
    """The calls that give a lock up, each with the question that it hangs on last ("" for none) and its own name."""
    order = reach(function)
    for name in sorted(function.words.intersection(function.tables.drops)):
        for node, call in function.calls.get(name, ()):
            test = order.innermost(node)[0] if node.id in order.rank else None
            asked = test.expr.value if test is not None and test.expr is not None and test.expr.kind == "call" else ""
            about = {arg.key for arg in call.args}
            same = asked and test is not None and test.expr is not None and about & {a.key for a in test.expr.args}
            yield call, (asked if same else f"{function.name} {node.id}", name)


def _spoken(function: Function) -> frozenset[str]:
    """The parameters and local variables."""
    return frozenset((*function.params, *local_names(function)))


def _states(ways: _Ways) -> list[bool]:
    """Of all ways out, whether the lock has been given up."""
    return sorted(gone for found in ways.values() for _, gone in found)


def _merged(ways: _Ways) -> _Ways:
    """The ways out without a look at their results."""
    return {None: [way for found in ways.values() for way in found]}


def _ways(function: Function, kind: str, keys: frozenset[str]) -> _Ways:
    """By result: each way out, and whether the callers' lock, by one of its names, has been given up there."""
    found: _Ways = defaultdict(list)
    for node, prop, _, value in locks(function).flow.returns:
        gone = any(h.gone and family(h.kind) == kind and h.key in keys for h in prop)
        found[result_class(value)].append((node, gone))
    return found
