"""Protected regions that a patch takes away: the begin and the end are both gone, what stood between is still done.

A region is a section under a lock, or the time for which a reference is held that outlives the lock it was taken under.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice

from mmlint.changes.about import target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.consumed import harmless
from mmlint.facts.function import Function
from mmlint.facts.locks.above import states_above
from mmlint.facts.locks.held import family, root_of
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.sleep import USER_COPIES
from mmlint.facts.owners.letgo import borrowed, drops_callers_lock, gives_up, may_take
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, performed
from mmlint.facts.things import COUNTED, Thing, given, kind_of
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Drop, Take
from mmlint.kernel.tables import Tables

_KINDS = frozenset({"ptl", "walk", "seqcount", "pagefault_off", "folio_lock", "i_mmap", "anon_vma", "vma_lock"})
"""Sections that mm knows a reason for; other locks go for many reasons."""
_WAITED = frozenset({"spin", "mutex", "rwsem", "folio_lock", "i_mmap", "anon_vma", "mmap_lock", "vma_lock"})
_RELEASED = "_locked"
"""How a function is called that its callers lock for."""


@dataclass(frozen=True, slots=True)
class Unprotected:
    """`inside` (after the patch) ran between `begin` and `end` (before it), which are gone; or (`waits`) behind them,
    with nothing between; or (`empty`) they are there, and it stands behind them;
    or (`found`) another call finds what `begin` took.
    """

    begin: Act
    end: Act
    inside: Act
    waits: bool = False
    empty: bool = False
    found: bool = False


def unprotected(change: FunctionChange) -> list[Unprotected]:
    """One for each kind of section that a function no longer enters, though it does what it did there."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    tables = compared.before.tables
    found = []
    for kind in sorted(_KINDS):
        taken, dropped = _words(tables, kind)
        begins = [a for a in compared.removed if a.word in taken]
        ends = [a for a in compared.removed if a.word in dropped or (kind == "ptl" and a.word == "ptl:spin_unlock")]
        if begins and ends and not _made_up(change, compared, taken):
            found += list(_opened(compared, begins, ends, taken | dropped))[:1]
    return (
        found
        or [
            *_unheld(compared),
            *(() if change.named_elsewhere else _asserted(change, compared)),
            *_saved(compared),
            *_waited(compared),
            *_emptied(compared),
            *_unkept(compared),
            *_looked_up(compared),
        ][:1]
    )


def _saved(compared: Comparison) -> Iterator[Unprotected]:
    """A context that was set with a `..._save()` and put back with its `..._restore()`: what was done in it."""
    order = reach(compared.before)
    if any(_enters(compared.after.tables, a.word) or a.word.endswith("_save") for a in compared.added):
        return
    for begin in (a for a in compared.removed if a.word.endswith("_save") and target(a)):
        name = f"{begin.word.removesuffix('_save')}_restore"
        for end in (a for a in compared.removed if a.word == name and target(begin) & a.names):
            for act in compared.old:
                inside = order.before(begin.node, act.node) and order.before(act.node, end.node)
                if inside and act.expr.kind == "call" and id(act) in compared.pairs and _does(compared, act):
                    yield Unprotected(begin, end, compared.pairs[id(act)])


def _waited(compared: Comparison) -> Iterator[Unprotected]:
    """A lock taken and dropped at once, to wait for who holds it: what comes behind does not wait any more."""
    tables, order = compared.before.tables, reach(compared.before)
    for begin in compared.removed:
        kinds = {family(row.kind) for row in tables.takes.get(begin.word, ()) if row.mode != "try"} & _WAITED
        if any(act.word in tables.takes for act in compared.added):
            continue  # the lock that a helper took, by its own name
        next_ = begin.node.succ[0][0] if kinds and len(begin.node.succ) == 1 else None
        for end in (act for act in compared.removed if act.node is next_):
            if kinds & {family(row.kind) for row in tables.drops.get(end.word, ())}:
                behind = (a for a in compared.old if id(a) in compared.pairs and order.before(end.node, a.node))
                yield from (Unprotected(begin, end, compared.pairs[id(act)], waits=True) for act in behind)


def _emptied(compared: Comparison) -> Iterator[Unprotected]:
    """A section whose end has moved up to its begin: what stood in it, and still stands, is outside now."""
    tables, order = compared.before.tables, reach(compared.before)
    ends: dict[int, list[tuple[Act, Act]]] = {}
    for act in compared.old:
        if act.word in tables.drops and (there := compared.pairs.get(id(act))) is not None:
            ends.setdefault(there.node.id, []).append((act, there))
    for begin in compared.old:
        kinds = {family(row.kind) for row in tables.takes.get(begin.word, ())}
        now = compared.pairs.get(id(begin)) if kinds else None
        if now is None or len(now.node.succ) != 1 or now.node.succ[0][0].kind != "expr":
            continue
        for end, there in ends.get(now.node.succ[0][0].id, ()):
            if kinds.isdisjoint(family(row.kind) for row in tables.drops.get(end.word, ())):
                continue
            for act in compared.old:
                inside = order.before(begin.node, act.node) and order.before(act.node, end.node)
                if inside and act.expr.kind == "call" and id(act) in compared.pairs and _does(compared, act):
                    yield Unprotected(now, there, compared.pairs[id(act)], empty=True)


def _asserted(change: FunctionChange, compared: Comparison) -> Iterator[Unprotected]:
    """A call whose callee asserts that a lock is held, without the section of that lock that it stood in."""
    tables = compared.before.tables
    for kind in ("spin", "mutex", "rwsem"):
        taken, dropped = _words(tables, kind)
        for begin in (a for a in compared.removed if a.word in taken and a.expr.args):
            name = begin.expr.args[0].key.rpartition("->")[2].lstrip("&")
            ends = [a for a in compared.removed if a.word in dropped and a.names & begin.names]
            if ends:
                for found in _opened(compared, [begin], ends, taken | dropped):
                    held = {each.key for each in locks(compared.after).held_at(found.inside.expr)}
                    told = change.patch.speaks_of(name)
                    if _asserts(compared, found.inside.word, name, told=told) and not any(
                        key.endswith(name) for key in held
                    ):
                        yield found


def _asserts(compared: Comparison, word: str, lock: str, *, told: bool) -> bool:
    """Whether a callee asserts that a lock is held; or did before the patch, of which the changelog has no word
    (`told`), and another caller goes on holding it.
    """
    after = compared.after
    was, now = (side.program.resolve(word, side.path) for side in (compared.before, after))
    asserting = [callee is not None and {"lockdep_assert_held", lock} <= performed(callee) for callee in (was, now)]
    if asserting[1] or told or now is None or not asserting[0]:
        return asserting[1]
    return any(
        not held.gone and held.key.endswith(lock)
        for caller, prop in states_above(now)
        if caller.name != after.name
        for held in prop
    )


def _unheld(compared: Comparison) -> Iterator[Unprotected]:
    """A reference that is neither taken nor given back any more, though its thing is used after a lock was dropped, or
    behind another call that gets it.
    """
    before, order = compared.before, reach(compared.before)
    tables = before.tables
    begins = [a for a in compared.removed if a.expr.kind == "call" and _counted(before, a)]
    for begin in begins:
        key = begin.expr.args[0].key
        ends = [
            a
            for a in compared.removed
            if a.expr.kind == "call" and any(t.key == key for t in given(before, a.word, a.expr)) and a is not begin
        ]
        if not ends or any(a.word == begin.word for a in compared.added):
            continue
        drops = [a for a in compared.old if a.word in tables.drops and order.before(begin.node, a.node)]
        inside = [a for a in compared.old if order.before(begin.node, a.node) and order.before(a.node, ends[-1].node)]
        handed = {key, root_of(key)} if "->" in key else {key}
        using = [a for a in inside if a.expr.kind == "call" and handed & {arg.key for arg in a.expr.args}]
        if root_of(key) in before.params:
            drops += [a for a in using if not harmless(before, a.word)]
        elif borrowed(before, key):
            kinds = {kind_of(row.resource) for row in tables.takes_resource[begin.word]}
            drops += [a for a in inside if _lets_go(before, a, {Thing(key, kind) for kind in kinds})]
        for act in using:
            there = compared.pairs.get(id(act))
            if there is not None and any(order.before(d.node, act.node) for d in drops):
                yield Unprotected(begin, ends[-1], there)


def _lets_go(function: Function, act: Act, things: set[Thing]) -> bool:
    """Whether a call may give up what others hold of a thing: by itself, or as it drops a lock of its caller's."""
    callee = function.program.resolve(act.word, function.path) if act.expr.kind == "call" else None
    if callee is None or callee is function:
        return False
    return drops_callers_lock(callee) or any(gives_up(function, act.expr, thing) for thing in things)


def _unkept(compared: Comparison) -> Iterator[Unprotected]:
    """What was done while a reference was held for nothing but that: neither taken nor given back any more."""
    before, order = compared.before, reach(compared.before)
    takes = before.tables.takes_resource
    for begin in compared.removed:
        kinds = {row.resource for row in takes.get(begin.word, ()) if row.holder == "result"}
        holder = target(begin)
        if not kinds or len(holder) != 1 or any(a.word in takes for a in compared.added):
            continue
        naming = [a for a in compared.old if a is not begin and a.expr.kind == "call" and holder & a.names]
        ends = [a for a in naming if kinds & {row.resource for row in before.tables.gives_resource.get(a.word, ())}]
        if not ends or len(ends) != len(naming) or any(id(a) in compared.pairs for a in naming):
            continue
        for act in compared.old:
            inside = order.before(begin.node, act.node) and order.before(act.node, ends[-1].node)
            if inside and act.expr.kind == "call" and id(act) in compared.pairs and _does(compared, act):
                yield Unprotected(begin, ends[-1], compared.pairs[id(act)])


def _looked_up(compared: Comparison) -> Iterator[Unprotected]:
    """What was taken and given back, and is found by a call now that takes no reference: its first use."""
    before, order = compared.before, reach(compared.before)
    takes, gives = before.tables.takes_resource, before.tables.gives_resource
    for begin in compared.removed if not compared.scoped else ():
        kinds = {row.resource for row in takes.get(begin.word, ()) if row.holder == "result"}
        holder = target(begin)
        naming = [a for a in compared.old if a.expr.kind == "call" and holder & a.names and a is not begin]
        ends = [a for a in naming if kinds & {row.resource for row in gives.get(a.word, ())}]
        if len(holder) != 1 or not ends or any(id(a) in compared.pairs for a in ends):
            continue
        if any(_enters(before.tables, a.word) for a in compared.added):
            continue
        finds = [a for a in compared.added if a.expr.kind == "call" and target(a) == holder]
        taking = {name for name, rows in takes.items() if any(row.resource in kinds for row in rows)}
        if len(finds) == 1 and not may_take(compared.after, finds[0].word, taking):
            used = (a for a in naming if id(a) in compared.pairs and order.before(begin.node, a.node))
            yield from (Unprotected(begin, ends[-1], compared.pairs[id(act)], found=True) for act in islice(used, 1))


def _counted(function: Function, act: Act) -> bool:
    """Whether an act takes one more reference of its argument."""
    rows = function.tables.takes_resource.get(act.word, ())
    return any(row.holder == "arg:0" and COUNTED.search(kind_of(row.resource)) for row in rows)


@lru_cache(maxsize=64)
def _words(tables: Tables, kind: str) -> tuple[frozenset[str], frozenset[str]]:
    """The calls that take a lock of one kind, and those that drop it."""
    return _of(tables.takes, kind), _of(tables.drops, kind)


def _of(rows: Mapping[str, Sequence[Take | Drop]], kind: str) -> frozenset[str]:
    return frozenset(name for name, each in rows.items() if any(kind in row.kinds for row in each))


def _made_up(change: FunctionChange, compared: Comparison, taken: frozenset[str]) -> bool:
    """Whether the section is entered elsewhere now, another one in its place, or by the callers."""
    after = compared.after
    if (
        after.calls.keys() & taken
        or _RELEASED in after.name
        or any(c.startswith("lockdep_assert") for c in after.calls)
    ):
        return True
    if any(_enters(after.tables, a.word) or _callee_enters(after, a, taken) for a in compared.added):
        return True
    return any(
        other.after is not None and other.after.calls.keys() & taken and not _same_words(other, taken)
        for other in change.others
    )


def _enters(tables: Tables, word: str) -> bool:
    return word in tables.takes or word.startswith("guard")


def _callee_enters(after: Function, act: Act, taken: frozenset[str]) -> bool:
    callee = after.program.resolve(act.word, after.path) if act.expr.kind == "call" and act.expr.value else None
    return callee is not None and not performed(callee).isdisjoint(taken)


def _same_words(other: FunctionChange, taken: frozenset[str]) -> bool:
    """Whether a changed function enters the section as often as before."""
    sides = [
        sum(len(side.calls.get(word, ())) for word in taken) if side is not None else 0
        for side in (other.before, other.after)
    ]
    return sides[0] >= sides[1]


def _opened(compared: Comparison, begins: list[Act], ends: list[Act], words: frozenset[str]) -> Iterator[Unprotected]:
    """What was done in the section and is still done, functions of the same file first."""
    order, before = reach(compared.before), compared.before
    copies = any(row.kind == "pagefault_off" for act in begins for row in before.tables.takes.get(act.word, ()))
    kept = [
        act
        for act in compared.old
        if act.expr.kind == "call" and act.word not in words and id(act) in compared.pairs and _does(compared, act)
        if not copies or act.word in USER_COPIES
    ]
    kept.sort(key=lambda act: not before.program.named(before.path, act.word))
    for begin in begins:
        for end in ends:
            for act in kept:
                if order.before(begin.node, act.node) and order.before(act.node, end.node):
                    yield Unprotected(begin, end, compared.pairs[id(act)])


def _does(compared: Comparison, act: Act) -> bool:
    return act.word not in compared.before.tables.guards and not act.word.startswith(("ptl:", "guard:"))
