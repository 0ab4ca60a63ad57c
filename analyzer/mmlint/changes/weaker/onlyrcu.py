"""Locks in whose place a patch enters an RCU section, though what is found there is freed with no grace period.

Under the lock nobody could take the object out and free it. A reader under RCU is safe only if whoever frees it waits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison
from mmlint.changes.edits.undone import frees
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.locks.held import Prop, declared_types, local_names
from mmlint.facts.locks.locks import locks
from mmlint.facts.steps import Act

_POINTER = re.compile(r"(?:const )?struct (\w+) \*$")
_RCU = "rcu"
_BY_RCU = re.compile(r"(^|_)rcu(_|$)|RCU")
_LATER = re.compile(rb"SLAB_TYPESAFE_BY_RCU|\bcall_s?rcu|\bkv?free_rcu|\bsynchronize_s?rcu")


def only_rcu(change: FunctionChange, compared: Comparison) -> Iterator[tuple[Act, Act]]:
    """The taking of the lock and what enters the RCU section in its place."""
    takes = compared.before.tables.takes
    new = [a for a in compared.added if a.word in takes]
    begins = [a for a in new if all(row.kind == _RCU for row in takes[a.word])]
    gone = [a for a in compared.removed if _locks(compared.before, a)]
    if len(begins) != 1 or len(new) != 1 or len(gone) != 1 or change.patch.partial or change.named_elsewhere:
        return
    changed = (
        each.after for each in change.patch.changes if each.after is not None and each.after is not compared.after
    )
    if any(_BY_RCU.search(word) for each in changed for word in each.words):
        return
    if any(_freed_at_once(compared.after, kind) for kind in _looked_into(compared)):
        yield gone[0], begins[0]


def _locks(function: Function, act: Act) -> bool:
    """Whether an act waits for a lock that keeps others out."""
    rows = function.tables.takes.get(act.word, ())
    kinds = function.tables.kinds
    return (
        bool(rows)
        and all(row.mode not in ("try", "read") and row.kind != _RCU for row in rows)
        and any(row.arg is not None and row.kind in kinds for row in rows)
    )


def _looked_into(compared: Comparison) -> set[str]:
    """The structures of what local variables are made to point to, and is looked into or handed on, in the section."""
    after = compared.after
    types, own = declared_types(after), local_names(after)
    kinds = {name: kind[1] for name in own if (kind := _POINTER.match(types.get(name, "")))}
    inside = [n for n in after.cfg.order if n.expr is not None and _bare(locks(after).flow.states(n))]
    found = {name for node in inside for name in kinds if _finds(node, name)}
    return {kinds[name] for node in inside for name in _used(node) & found}


def _finds(node: Node, name: str) -> bool:
    """Whether a statement sets a variable, or is the head of a loop that goes along by it."""
    loop = node.kind == "iter" and node.expr is not None and name in node.expr.names()
    return loop or node.sets(name)


def _bare(states: Collection[Prop]) -> bool:
    """Whether nothing but an RCU section is entered."""
    return bool(states) and all({h.kind for h in prop if not h.gone} == {_RCU} for prop in states)


def _used(node: Node) -> set[str]:
    """The variables that a statement looks into, or hands to a call."""
    found = set()
    for e in node.expr.walk() if node.expr is not None else ():
        if e.kind == "field" and "->" in e.key and e.args[0].kind == "name":
            found.add(e.args[0].value)
        if e.kind == "call":
            found |= {arg.value for arg in e.args if arg.kind == "name"}
    return found


def _freed_at_once(function: Function, kind: str) -> bool:
    """Whether the folder frees objects of a structure by a plain call, and has no word of RCU in any file that does."""
    program = function.program
    word, folder = kind.encode(), function.path.rpartition("/")[0]
    freed = False
    for path, text in program.texts(folder):
        if word not in text:
            continue
        if _LATER.search(text):
            return False
        freed = freed or any(_frees_one(each, kind) for each in program.functions(path) if kind in each.words)
    return freed


def _frees_one(function: Function, kind: str) -> bool:
    types = declared_types(function)
    calls = (call for name, each in function.calls.items() if frees(name) for _, call in each)
    return any(arg.kind == "name" and kind in types.get(arg.value, "").split() for call in calls for arg in call.args)
