"""Primitives that a patch exchanges for weaker ones, and flags that a call loses.

The orders of strength are rows of `steps.toml`. A call and its replacement stand in the same hunk or are about the same
thing, and the stronger call is not made elsewhere instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.about import target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.weaker.lastput import last_put
from mmlint.changes.weaker.onlyrcu import only_rcu
from mmlint.changes.weaker.strength import excused, holds, matters, read_otherwise
from mmlint.changes.weaker.unfilled import UNFILLED, meant, untouched
from mmlint.facts.assignments import assigned_values
from mmlint.facts.flags import FlagSet, flags_at
from mmlint.facts.function import Function
from mmlint.facts.locks.held import translate
from mmlint.facts.owners.giveback import RESOURCES, given_by
from mmlint.facts.steps import Act, performed, spoken, told_by_callee
from mmlint.frozen import dataclass
from mmlint.kernel.entries import Stronger

_TAKEN = Stronger(name="only-asked", calls=(), what="the reference that it takes", scenario="UAF1")
_TRIED = Stronger(name="tried", calls=(), what="the refusal where there is nothing to take", scenario="ZERO1")
_LAST = Stronger(name="last", calls=(), what="the count of those who still hold it", scenario="UAF1")
_KEPT = Stronger(name="only-rcu", calls=(), what="what keeps the objects found there from being freed", scenario="UAF1")
_UNPINNED = Stronger(name="unpinned", calls=(), what="the rest of the pin count", scenario="MIX1")
_UNMARKED = Stronger(name="pin-entry", calls=(), what="the pin that its callers give back", scenario="S33")
_TRY = re.compile(r"(^|_)try_?(?=get|grab|hold|acquire|pin)")
_REFERENCES = frozenset({"folio reference", RESOURCES["get"]})
_COUNTS = frozenset({"count", "mapcount"})
_SIZES = frozenset({"<", "<=", ">", ">="})
_UNCOMPARED = "uncompared:"
NOTHING = "nothing"
"""The last word of an order of flags: the flag is simply not there; the first one if the flag claims too much."""


@dataclass(frozen=True, slots=True)
class Weaker:
    """A call `now` that does less than `step` did; `lost` names a flag that is missing ('' the call itself changed)."""

    row: Stronger
    step: Act
    now: Act
    lost: str = ""


def weakened(change: FunctionChange) -> tuple[Weaker, ...]:
    """The weaker primitives of a change, in the order of the code before; computed once."""
    compared = comparison(change)
    if compared is None:
        return ()
    key = ("weakened", id(compared.before))
    kept = compared.after.cache
    if key not in kept:
        kept[key] = (
            *(
                each
                for each in (*_calls(change, compared), *_at_once(compared))
                if not read_otherwise(change, each.row, each.step, each.now)
            ),
            *(each for each in _flags(compared) if not (each.row.only == UNFILLED and meant(change))),
            *_only_asked(change, compared),
            *_for_sure(compared),
            *_by_helper(compared),
            *_put(compared),
            *_of_pin_entry(compared),
            *_for_the_last(compared),
            *(Weaker(_KEPT, act, other) for act, other in only_rcu(change, compared)),
        )
    found: tuple[Weaker, ...] = kept[key]
    return found


def _calls(change: FunctionChange, compared: Comparison) -> Iterator[Weaker]:
    steps = compared.before.tables.steps
    ranked = {word for row in steps.stronger.values() for word in row.calls}
    taken: set[int] = set()
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if act.word not in ranked or (now is not None and now.word == act.word):
            continue
        candidates = [now] if now is not None else _near(compared, act)
        for other in candidates:
            rows = steps.weaker(act.word, other.word) if id(other) not in taken else iter(())
            row = next((r for r in rows if holds(compared, r, act, other) and not excused(change, r, act)), None)
            if row is None:
                continue
            if _elsewhere(compared, act, row) or _in_parts(compared, act, other) or _fits(compared.after, act, other):
                continue
            if _same_door(compared, act, other):
                continue
            if _alike(compared, act, other):
                continue
            taken.add(id(other))
            yield Weaker(row, act, other)
            break


def _only_asked(change: FunctionChange, compared: Comparison) -> Iterator[Weaker]:
    """A taking call whose result was tested, with a call in its place that only asks."""
    takes = compared.before.tables.takes_resource
    for act in compared.removed:
        if not act.tests or not any(row.when != "always" and row.holder != "result" for row in takes.get(act.word, ())):
            continue
        if change.gained_elsewhere(act.word):
            continue
        for other in compared.added:
            near = compared.hunks[id(other)] == compared.hunks[id(act)] and other.names & act.names
            if (
                near
                and other.tests
                and _takes_nothing(compared.after, other)
                and not any(a.word in takes for a in compared.added)
            ):
                yield Weaker(_TAKEN, act, other)
                break


def _of_pin_entry(compared: Comparison) -> Iterator[Weaker]:
    """A plain get that an entry point for pins comes to be made of."""
    rows = compared.before.tables.gup
    entry = rows.get(compared.before.name)
    for now in compared.added if entry is not None and entry.kind == "pin" else ():
        row = rows.get(now.word)
        if row is None or row.kind != "get" or any("FOLL_PIN" in arg.names() for arg in now.expr.args):
            continue
        hunk = compared.hunks[id(now)]
        made = [a for a in compared.removed if a.expr.kind == "call" and compared.hunks[id(a)] == hunk]
        if made:
            yield Weaker(_UNMARKED, made[-1], now)


def _for_sure(compared: Comparison) -> Iterator[Weaker]:
    """A call that only tried, by its name, with the one of the same name that does it for sure in its place."""
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if (now is not None and now.word == act.word) or not act.tests or _TRY.search(act.word) is None:
            continue
        name = _TRY.sub(r"\1", act.word)
        alike = [a for a in (now, *compared.added) if a is not None and a.word == name and a.key != act.key]
        known = compared.before.tables.steps.weakened(act.word, name) is not None
        yield from (Weaker(_TRIED, act, other) for other in alike[:1] if not known and other.names & act.names)


def _by_helper(compared: Comparison) -> Iterator[Weaker]:
    """A call that answered whether it did something, with a helper in its place that does the weaker for sure: by its
    body, or by the tables where that is not seen.
    """
    steps = compared.before.tables.steps
    for act in compared.removed:
        rows = [row for row in steps.stronger.values() if act.word in row.calls and not row.only]
        if not rows or not act.tests or not act.expr.args:
            continue
        for other in (a for a in compared.added if a.expr.kind == "call" and a.use == "bare" and a.names & act.names):
            row = next((row for row in rows if _does_weaker(compared.after, act, other, row)), None)
            if row is not None and not _elsewhere(compared, act, row):
                yield Weaker(row, act, other)
                break


def _does_weaker(function: Function, act: Act, other: Act, row: Stronger) -> bool:
    """Whether a call takes what `act` tried to take of the same thing, by a weaker call of the row, or always."""
    weaker = row.calls[row.calls.index(act.word) + 1 :]
    about = act.expr.args[0]
    callee = function.program.resolve(other.word, function.path)
    if callee is None:
        rows = function.tables.takes_resource.get(other.word, ())
        sure = any(r.holder == "arg:0" and r.when == "always" for r in rows)
        named = sure and other.expr.args and about.kind == "unary"
        return bool(named) and about.args[0].key.startswith(f"{other.expr.args[0].key}->")
    if not callee.words.isdisjoint(row.calls[: row.calls.index(act.word) + 1]) or other.word in row.calls:
        return False
    made = (call for name in weaker for _, call in callee.calls.get(name, ()) if call.args)
    return any(translate(call.args[0].key, callee, other.expr) == about.key for call in made)


def _at_once(compared: Comparison) -> Iterator[Weaker]:
    """A call that was handed a function for when nobody reads or holds a thing any more, with that function in its
    place.
    """
    rows = [row for row in compared.before.tables.steps.stronger.values() if row.only in ("readers", "last")]
    for act in compared.removed:
        row = next((row for row in rows if act.word in row.calls), None)
        later = {arg.key for arg in act.expr.args}
        for other in (a for a in compared.added if row is not None and a.word in later and a.names & act.names):
            if row is not None and holds(compared, row, act, other):
                yield Weaker(row, act, other)


def _for_the_last(compared: Comparison) -> Iterator[Weaker]:
    """A release of one reference, with what its body does once the last one is gone in its place."""
    steps = compared.before.tables.steps
    pairs = last_put(compared)
    yield from (Weaker(_LAST, act, other) for act, other in pairs if steps.weakened(act.word, other.word) is None)


def _put(compared: Comparison) -> Iterator[Weaker]:
    """A helper that gives pins back, with a release of references in its place."""
    gives = compared.before.tables.gives_resource
    for act in compared.removed:
        if act.word in gives or given_by(compared.before, act.expr).always != {RESOURCES["pin"]}:
            continue
        near = [a for a in compared.added if compared.hunks[id(a)] == compared.hunks[id(act)] and a.names & act.names]
        puts = [a for a in near if any(row.resource in _REFERENCES for row in gives.get(a.word, ()))]
        if not any(row.resource == RESOURCES["pin"] for a in compared.added for row in gives.get(a.word, ())):
            yield from (Weaker(_UNPINNED, act, other) for other in puts[:1])


def _takes_nothing(function: Function, act: Act) -> bool:
    """Whether the body of a callee is known, and takes nothing."""
    callee = function.program.resolve(act.word, function.path) if act.expr.kind == "call" else None
    takes = function.tables.takes_resource
    return callee is not None and act.word not in takes and performed(callee).isdisjoint(takes)


def _near(compared: Comparison, act: Act) -> list[Act]:
    """What the patch adds about the same thing, or in its place about what it gave; in the same hunk first."""
    hunk, result = compared.hunks[id(act)], target(act)
    alike = [
        a
        for a in compared.added
        if a.names & act.names
        or not act.names
        or (compared.hunks[id(a)] == hunk and (a.names & result or act.names & _read_from(compared.after, a)))
    ]
    return sorted(alike, key=lambda a: compared.hunks[id(a)] != hunk)


def _read_from(function: Function, act: Act) -> frozenset[str]:
    """The names in what the variables that a call is handed were set to."""
    values = assigned_values(function)
    return frozenset().union(*(value.names() for name in act.names for value in values.get(name, ())))


def _elsewhere(compared: Comparison, act: Act, row: Stronger) -> bool:
    """Whether the patch adds a call that is as strong, about the same thing."""
    place = row.calls.index(act.word)
    as_strong = frozenset(row.calls[: place + 1]) | compared.before.tables.steps.equals(act.word)
    return any(a.word in as_strong and (a.names & act.names or not act.names) for a in compared.added)


def _same_door(compared: Comparison, act: Act, other: Act) -> bool:
    """Whether both get pages, or both pin them: what is held afterwards is the same."""
    was, now = (compared.before.tables.gup.get(each.word) for each in (act, other))
    return was is not None and now is not None and was.kind == now.kind


def _alike(compared: Comparison, act: Act, other: Act) -> bool:
    """Whether both ask for a count of the same sort: one number says no more than the other."""
    guards = compared.before.tables.guards
    classes = {guards[each.word].class_ if each.word in guards else each.word for each in (act, other)}
    return len(classes) == 1 and classes <= _COUNTS


def _fits(function: Function, act: Act, other: Act) -> bool:
    """Whether `other` gives up what the function takes, by the tables, and `act` gave up what it does not take."""
    tables = function.tables
    taken = {row.resource for name in function.calls for row in tables.takes_resource.get(name, ())}
    was, now = ({row.resource for row in tables.gives_resource.get(each.word, ())} for each in (act, other))
    return bool(taken & now) and not taken & was


def _in_parts(compared: Comparison, act: Act, other: Act) -> bool:
    """Whether the call is made in two parts now, `other` being one (`ptep_get_and_clear` and `flush_tlb_page`)."""
    words = {a.word for a in compared.added}
    pairs = (each.split("+") for each in compared.before.tables.steps.equals(act.word) if "+" in each)
    return any(other.word in parts and words.issuperset(set(parts) - {other.word}) for parts in pairs)


def _flags(compared: Comparison) -> Iterator[Weaker]:
    stronger = compared.before.tables.steps.stronger.values()
    rows = {row.calls[0]: row for row in stronger if row.calls[-1] == NOTHING}
    claims = {row.calls[1]: row for row in stronger if row.calls[0] == NOTHING}
    if not compared.before.has(*rows) and not compared.after.has(*claims):
        return
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or act.expr.kind != "call" or act.word != act.expr.value or now.expr.kind != "call":
            continue
        for flag, row in rows.items():
            some = row.only == UNFILLED and any(flag in value.may for value in _values(compared.before, act))
            if not (some or _sets(compared.before, act, flag)) or not _lacks(compared.after, now, flag):
                continue
            if matters(compared.after, row, now) or (some and untouched(compared.after, now)):
                yield Weaker(row, act, now, flag)
        for flag, row in claims.items():
            if _sets(compared.after, now, flag) and _lacks(compared.before, act, flag):
                yield Weaker(row, act, now, flag)


def _values(function: Function, act: Act) -> Iterator[FlagSet]:
    return (flags_at(function, act.node, arg) for arg in act.expr.args)


def _sets(function: Function, act: Act, flag: str) -> bool:
    return any(flag in value.must for value in _values(function, act)) or any(
        flag in arg.names() and (arg.kind == "name" or arg.value == "|") for arg in act.expr.args
    )


def _lacks(function: Function, act: Act, flag: str) -> bool:
    """Whether no argument can hold the flag: all are known, or the function does not speak of it any more."""
    values = list(_values(function, act))
    if any(flag in value.may for value in values) or told_by_callee(function, act.expr, flag):
        return False
    prefix = flag.split("_")[0]
    masks = [v for v in values if any(f.startswith(prefix) for f in v.may)]
    return flag not in spoken(function) or (bool(masks) and all(v.exact for v in masks))
