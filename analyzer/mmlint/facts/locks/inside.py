"""What a function's callers have to be in: an RCU read-side section for what it reads, interrupts off by its name, one
CPU for what it gets of that CPU.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, keep
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Prop
from mmlint.facts.locks.locks import locks

_LEVELS = 4
_NAMED = re.compile(r"(^|_)irqs?_(off|disabled)$")
_ASKS = re.compile(r"^irqs_disabled$|^in_|^is_")
_HELD = re.compile(r"(^|_)(lock_is_held|is_held|held|lockdep_assert_\w+)(_|$)")
_LIKE = {
    "rcu": frozenset({"rcu", "pte_map"}),
    "irq": frozenset({"irq"}),
    "preempt": frozenset({"preempt", "irq", "bh"}),
}
KINDS = ("rcu", "irq", "preempt")


def asks_for(function: Function, call: Expr, kind: str, level: int = _LEVELS) -> str:
    """Why a call is only right in a context of some kind: the call of the tables that it makes in the end, or its own
    name; "" where it is right anywhere, as far as is known.
    """
    row = function.tables.inside.get(call.value)
    if row is not None:
        conditional = any(_HELD.search(inner.value) for arg in call.args for inner in arg.calls())
        return call.value if row.kind == kind and not conditional else ""
    if kind == "irq" and _NAMED.search(call.value) and not _ASKS.search(call.value):
        return call.value
    if not level or call.value in function.tables.takes or call.value in function.tables.drops:
        return ""
    callee = function.program.resolve(call.value, function.path) if call.value else None
    return needs(callee, kind, level - 1) if callee is not None and callee is not function else ""


def needs(function: Function, kind: str, level: int = _LEVELS) -> str:
    """The same for all calls of a function: what it does on some way in no such context, nor under any lock."""
    return keep(function, ("inside", kind, level), lambda: next(_needs(function, kind, level), ""))


def _needs(function: Function, kind: str, level: int) -> Iterator[str]:
    names = (name for name in function.calls if name not in function.tables.inside)
    if function.source.damaged or any(_HELD.search(name) for name in names) or locks(function).flow.overflow:
        return
    for calls in function.calls.values():
        for node, call in calls:
            why = asks_for(function, call, kind, level)
            instead = stand_ins(function, why)
            states = states_at(function, node, call) if why else []
            if any(is_bare(p, kind, instead) and not _was_given_up(p, kind) for p in states):
                yield why


def enters(kinds: Collection[str], kind: str) -> bool:
    """Whether what enters contexts of some kinds enters such a one."""
    return kind in kinds if kind != "preempt" else not _LIKE[kind].isdisjoint(kinds)


def states_at(function: Function, node: Node, call: Expr) -> list[Prop]:
    """The locks held at a call, or at the head of a loop that a macro makes."""
    facts = locks(function)
    return list(facts.flow.states(node)) if node.kind == "iter" else facts.held(call)


def _was_given_up(prop: Prop, kind: str) -> bool:
    return any(held.gone and held.kind in _LIKE[kind] for held in prop)


def is_inside(prop: Prop, kind: str) -> bool:
    """Whether a state is one in such a context."""
    return any(not held.gone and held.kind in _LIKE[kind] for held in prop)


def stand_ins(function: Function, why: str) -> tuple[str, ...]:
    """The kinds of locks that are as good as the context for what `asks_for` found; () where any may be."""
    row = function.tables.inside.get(why)
    return row.instead if row is not None else ()


def is_bare(prop: Prop, kind: str, instead: tuple[str, ...] = ()) -> bool:
    """Whether a state is in no such context, and under no lock that may be as good for it."""
    held = (h for h in prop if not h.gone and (kind != "irq" or h.kind == kind))
    return not any(not instead or h.kind in instead or h.kind in _LIKE[kind] for h in held)
