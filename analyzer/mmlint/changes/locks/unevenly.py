"""Locks and contexts of its callers that a function comes to give up on some of its ways out: they do not know.

Either it left them before, too, and always entered them again; or it had nothing to do with them at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.locks.brought import owed_by
from mmlint.changes.locks.exits import ChangedExit
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks import contract
from mmlint.facts.locks.above import callers, calls_of
from mmlint.facts.locks.balance import left_held
from mmlint.facts.locks.held import CONTEXTS, Held, Prop, family, naming, root_of, translate
from mmlint.facts.locks.locks import lent, locks
from mmlint.facts.locks.relock import guarded
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act

_CONTEXTS = frozenset({"rcu", "preempt", "bh", "irq"})
_NEW = frozenset({"rcu", "preempt", "bh"})
"""Those that nest. Who is entered with interrupts off may turn them on by contract."""


def left_unevenly(change: FunctionChange) -> list[ChangedExit]:
    """The first way out on which a lock or a context of the callers is gone that no way out gave up before the patch,
    and that others of them still do not.
    """
    compared = comparison(change)
    if compared is None or change.named_elsewhere or contract.annotated_dropper(compared.after):
        return []
    facts = locks(compared.before), locks(compared.after)
    if any(each.uncertain or each.flow.overflow for each in facts):
        return []
    return [*_contexts(compared), *_locks(compared)][:1]


def _contexts(compared: Comparison) -> Iterator[ChangedExit]:
    before, after = compared.before, compared.after
    left = {held.kind for held in lent(before)}
    drops, takes = after.tables.drops, after.tables.takes
    named = {row.kind for name in after.words.intersection(drops) for row in drops[name]}
    for kind in sorted(_CONTEXTS & named):
        node = _uneven(compared, kind, "")
        if node is None:
            continue
        if kind not in left:
            enters = {name for name, rows in takes.items() if any(kind in row.kinds for row in rows)}
            ends = [a for a in compared.added if any(row.kind == kind for row in drops.get(a.word, ()))]
            known = kind in _NEW and before.words.isdisjoint(enters) and after.words.isdisjoint(enters)
            if not known or not _plain(after, ends):
                continue
        yield ChangedExit(Held(kind, "", after.line, ""), node, gone=True)


def _locks(compared: Comparison) -> Iterator[ChangedExit]:
    """Locks with a name: only where a caller is seen that holds it and gives it up behind the call."""
    sides = before, after = compared.before, compared.after
    old, takes = owed_by(before), after.tables.takes
    for name, (held, _) in sorted(owed_by(after).items()):
        ends = [a for a in compared.added if (a.word, a.line) == (held.name, held.line)]
        if name in old or not _plain(after, ends) or any(r.when != "always" for r in after.tables.drops[held.name]):
            continue
        if any(naming(side, takes, held.key) or root_of(held.key) in assigned_values(side) for side in sides):
            continue
        node = _uneven(compared, *name)
        if node is not None and _kept_by_callers(before, held):
            yield ChangedExit(held, node, gone=True)


def _plain(function: Function, ends: list[Act]) -> bool:
    """Whether there are releases, none of them on a question whose answer rejoins the other, and no call before them
    that may take the lock out of sight.
    """
    if not ends or any(guarded(end.node) for end in ends):
        return False
    order = reach(function)
    names = {
        name for name, calls in function.calls.items() if any(order.before(n, e.node) for n, _ in calls for e in ends)
    }
    return not any(_may_take(function, name) for name in names if name not in function.tables.takes)


def _may_take(function: Function, name: str) -> bool:
    return bool(contract.TAKER.search(name)) and function.program.resolve(name, function.path) is None


def _uneven(compared: Comparison, kind: str, key: str) -> Node | None:
    """The first way out after the patch that leaves a lock given up, if others do not and none did before."""
    old, new = (locks(side).flow.returns for side in (compared.before, compared.after))
    exits = [node for node, prop, *_ in new if _is_gone(prop, kind, key)]
    uneven = exits and len(exits) < len(new) and not any(_is_gone(prop, kind, key) for _, prop, *_ in old)
    return exits[0] if uneven else None


def _is_gone(prop: Prop, kind: str, key: str) -> bool:
    return any(h.gone and family(h.kind) == kind and (h.kind in CONTEXTS or h.key == key) for h in prop)


def _kept_by_callers(function: Function, held: Held) -> bool:
    """Whether some caller holds the lock at its call and gives it up behind it, and none forgets to."""
    if any(left.lock.kind == held.kind for caller in callers(function) for left in left_held(caller)):
        return False
    return any(_gives_up_behind(caller, node, call, function, held) for caller, node, call in calls_of(function))


def _gives_up_behind(caller: Function, node: Node, call: Expr, function: Function, held: Held) -> bool:
    key, order, drops = translate(held.key, function, call), reach(caller), contract.releases(caller)
    return any(
        not h.gone
        and (family(h.kind), h.key) == (family(held.kind), key)
        and any(order.before(node, drop) for drop in drops.get((h.line, h.name), ()))
        for prop in locks(caller).held(call)
        for h in prop
    )
