"""Calls of a folder's own functions that a patch takes out of the one section which all others make them in.

A callee that changes lists or members, and takes no such lock itself, leaves it to its callers; that all of them do so
says which lock it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.locks.lockset import ENOUGH, asserted, done_to, held_above, lock_name, takes_lock
from mmlint.facts.function import Function
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.bylock import holds
from mmlint.facts.locks.contract import annotated_dropper
from mmlint.facts.locks.held import Prop
from mmlint.facts.locks.irqsoff import entered_with_irqs_off
from mmlint.facts.locks.locks import locks
from mmlint.facts.steps import Act, performed
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_OFF = "irq"


@dataclass(frozen=True, slots=True)
class CalledBare:
    """`call` (after the patch) is made without the section that `begin` entered; all others make it in one."""

    call: Act
    begin: Act


def called_bare(change: FunctionChange) -> CalledBare | None:
    """The first such call of a function that enters no section in the place of the one that is gone."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.scoped:
        return None
    after, takes = compared.after, compared.before.tables.takes
    if any(a.word in takes for a in compared.added) or annotated_dropper(after) or "_locked" in after.name:
        return None
    for begin in compared.removed:
        lock = _section(compared.before, begin)
        if not lock or change.patch.speaks_of(lock) or change.patch.speaks_of(begin.word):
            continue
        if _entered_elsewhere(change, begin, lock) or _met_above(after, lock):
            continue
        found = next(_bare(compared, lock), None)
        if found is not None:
            return CalledBare(found, begin)
    return None


def _section(function: Function, act: Act) -> str:
    """What an act enters: a lock by its name, or a time with interrupts off."""
    if takes_lock(function, act):
        return lock_name(act.expr)
    rows = function.tables.takes.get(act.word, ())
    return _OFF if rows and all(row.kind == _OFF for row in rows) else ""


def _inside(prop: Prop, lock: str) -> bool:
    return any(h.kind == _OFF and not h.gone for h in prop) if lock == _OFF else holds(prop, lock)


def _entered_elsewhere(change: FunctionChange, begin: Act, lock: str) -> bool:
    return change.gained_elsewhere(begin.word if lock == _OFF else lock)


def _met_above(function: Function, lock: str) -> bool:
    """Whether callers see to it, as far as is known."""
    if lock == _OFF:
        return entered_with_irqs_off(function) or any("lockdep" in name for name in function.calls)
    return asserted(function, lock) or held_above(function, lock)


def _bare(compared: Comparison, lock: str) -> Iterator[Act]:
    """The calls that were made in the section and are not now, of callees that all others call in one."""
    before, after = compared.before, compared.after
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or act.expr.kind != "call" or now.word != act.word or tells(act.word):
            continue
        was, is_ = (locks(side).held(each.expr) for side, each in ((before, act), (after, now)))
        if not was or not all(_inside(prop, lock) for prop in was) or any(_inside(prop, lock) for prop in is_):
            continue
        callee = after.program.resolve(act.word, after.path)
        if callee is not None and _leaves_it(callee, after, lock) and _others_agree(compared, callee, lock):
            yield now


def _leaves_it(callee: Function, caller: Function, lock: str) -> bool:
    """Whether a callee of the folder changes something that others see, and does not enter the section itself."""
    if callee.path.rpartition("/")[0] != caller.path.rpartition("/")[0] or callee is caller:
        return False
    if lock != _OFF:
        return lock not in performed(callee) | callee.words and any(done_to(node) for node in callee.cfg.order)
    takes = callee.tables.takes
    return not any(_OFF in row.kinds for word in callee.words & takes.keys() for row in takes[word])


def _others_agree(compared: Comparison, callee: Function, lock: str) -> bool:
    """Whether all other functions call it in such a section, or assert that they are in one; one is enough where the
    callee works on lists.
    """
    after = compared.after
    others = [each for each in callers(callee) if each.name != after.name]
    lists = any(word.startswith(("list_", "__list_", "hlist_")) for word in callee.calls)
    return len(others) >= (1 if lists and lock != _OFF else ENOUGH) and all(
        not locks(each).flow.overflow
        and (
            asserted(each, lock)
            or all(_inside(prop, lock) for _, call in each.calls[callee.name] for prop in locks(each).held(call))
        )
        for each in others
        if callee.name in each.calls
    )
