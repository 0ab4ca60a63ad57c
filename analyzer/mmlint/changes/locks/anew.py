"""Calls that were handed what a function had read once, and that a patch hands what stands in its place by now."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_SNAPSHOT = re.compile(r"READ_ONCE$|^smp_load_acquire$|^rcu_dereference$|^p(te|md|ud|4d|gd)p_get(_lockless)?$")
"""Reads of what others change meanwhile, each of which may see something else."""


@dataclass(frozen=True, slots=True)
class Anew:
    """`call` (of after) got the variable `kept`, and gets `now`: what `place` holds, or (`successor`) will hold."""

    call: Expr
    kept: str
    now: str
    place: str
    successor: bool = False


def read_anew(change: FunctionChange) -> list[Anew]:
    """The first call that reads what was read and asked about before, or that gets the successor of a value which a
    member is about to lose.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or any(_takes_lock(compared, act) for act in compared.added):
        return []
    found = []
    for act, now, was, new in compared.reworded():
        values = assigned_values(compared.before).get(was.value, ()) if was.kind == "name" else ()
        if len(values) != 1 or act.word != act.expr.value or was.value in compared.before.params:
            continue
        place = _place(values[0])
        if place and place in (new.key, _place(new)):
            if _asked(compared.after, was.value, now.node) and not locks(compared.after).held_at(now.expr):
                found.append(Anew(now.expr, was.value, new.key, place))
        elif values[0].kind == "field" and new.kind == "name" and _succeeds(compared, act, values[0], new):
            found.append(Anew(now.expr, was.value, new.key, values[0].key, successor=True))
    return found[:1]


def _takes_lock(compared: Comparison, act: Act) -> bool:
    return act.word in compared.after.tables.takes


def _place(value: Expr) -> str:
    """What a snapshot reads, as a plain read would be written; nothing for any other value."""
    if value.kind != "call" or not _SNAPSHOT.search(value.value) or len(value.args) != 1:
        return ""
    read = value.args[0]
    if read.kind == "unary" and read.value == "&":
        read = read.args[0]
    return f"*{read.key}" if value.value.startswith("p") else read.key


def _asked(function: Function, name: str, node: Node) -> bool:
    """Whether the snapshot, read once on the way, is still asked about in front of a call."""
    order = reach(function)
    tests = (n for n in order.order if n.kind == "branch" and n.expr is not None and name in n.expr.names())
    return any(order.dominates(test, node) for test in tests)


def _succeeds(compared: Comparison, act: Act, member: Expr, new: Expr) -> bool:
    """Whether the member gets the new value behind the call on both sides, and differs from it on the way there."""
    for side in (compared.before, compared.after):
        order = reach(side)
        call = act if side is compared.before else compared.pairs[id(act)]
        stores = [n for n in order.order if _stores(n, member.key, new.key)]
        if not any(order.before(call.node, n) for n in stores) or assigned_values(side).get(new.key):
            return False
    return True


def _stores(node: Node, member: str, value: str) -> bool:
    return any(
        op == "assign" and e.value == "=" and [a.key for a in e.args] == [member, value] for op, e in node.events
    )
