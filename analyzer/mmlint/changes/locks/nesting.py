"""The order in which a function takes locks inside each other, before and after a patch.

Two locks of one kind have no fixed order: who takes both compares their addresses. Two different ones have the order
in which the code nests them; a patch that turns it round in one place leaves the other places with the old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import family
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Order

_LESS = frozenset({"<", ">", "<=", ">="})
_NAME = re.compile(r"[A-Za-z_]\w*")
_FIRM = frozenset(
    """
    spin raw_spin rwlock mutex rwsem mmap_lock folio_lock inode_lock bit_spin vma_lock i_mmap anon_vma invalidate_lock
    """.split()
)
_Shape = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reversed:
    """A lock of text `inner` taken at `call` with `outer` held; before the patch it was the other way round."""

    call: Expr
    outer: str
    inner: str
    outer_line: int


@dataclass(frozen=True, slots=True)
class Unordered:
    """Two locks of one kind, `first` and `second`, taken at `call` without the comparison that ordered them before."""

    call: Expr
    first: str
    second: str


def order_lost(change: FunctionChange) -> Unordered | None:
    """The comparison of two addresses that told which lock comes first, where a patch takes it away."""
    before, after = change.before, change.after
    if before is None or after is None or not lock_tokens(before) or not lock_tokens(after):
        return None
    still = {frozenset(pair) for _, *pair in _compared(after)}
    for _, a, b in _compared(before):
        if frozenset((a, b)) in still:
            continue
        taken = _taken_by(after, a, b)
        if taken is not None and _taken_by(before, a, b) is not None:
            return Unordered(taken, a, b)
    return None


def _compared(function: Function) -> Iterator[tuple[Node, str, str]]:
    """The branches that compare two plain lvalues or their addresses by size."""
    for node in function.cfg.order:
        expr = node.expr
        if node.kind != "branch" or expr is None or expr.kind != "binary" or expr.value not in _LESS:
            continue
        left, right = (arg.key.removeprefix("&") for arg in expr.args)
        if all(arg.kind in ("name", "field", "unary") for arg in expr.args) and left != right:
            yield node, left, right


def _taken_by(function: Function, a: str, b: str) -> Expr | None:
    """The later of two takings, of one kind, of locks that are (or are fields of) `a` and `b`."""
    found: dict[tuple[str, str], Expr] = {}
    for name, calls in function.calls.items():
        for take in function.tables.takes.get(name, ()):
            for _, call in calls if take.arg is not None and take.mode != "try" else ():
                key = (
                    call.args[take.arg].key.removeprefix("&")
                    if take.arg is not None and take.arg < len(call.args)
                    else ""
                )
                for each in (a, b):
                    if key == each or key.startswith(f"{each}->"):
                        found.setdefault((family(take.kind), each), call)
    for kind in {kind for kind, _ in found}:
        if (kind, a) in found and (kind, b) in found:
            return max((found[kind, a], found[kind, b]), key=lambda call: call.line)
    return None


def reversed_nesting(change: FunctionChange) -> Reversed | None:
    """Two locks that a patch nests the other way round, while no other code of the file nests them so."""
    before, after = change.before, change.after
    if before is None or after is None or not lock_tokens(before) or not lock_tokens(after):
        return None
    old, new = nested(before), nested(after)
    for (outer, inner), found in sorted(new.items(), key=lambda each: each[1].call.line):
        if (outer, inner) in old or (inner, outer) not in old or (inner, outer) in new or _mends(after, outer, inner):
            continue
        others = (f for f in after.program.functions(after.path) if f is not after and lock_tokens(f))
        if not any((outer, inner) in nested(other) for other in others):
            return found
    return None


def _mends(function: Function, outer: _Shape, inner: _Shape) -> bool:
    """Whether the order of before was wrong: a sleeping lock inside an atomic one, or against a documented order."""
    for row in function.tables.orders:
        places = [_place(row, outer), _place(row, inner)]
        if None not in places and places == sorted(p for p in places if p is not None):
            return True
    kinds = function.tables.kinds
    a, b = kinds.get(outer[0]), kinds.get(inner[0])
    if a is None or b is None:
        return False
    return (b.atomic and not a.atomic) or 0 < a.rank < b.rank


@fact
def nested(function: Function) -> dict[tuple[_Shape, _Shape], Reversed]:
    """Each pair of locks of which the second is waited for with the first held."""
    found: dict[tuple[_Shape, _Shape], Reversed] = {}
    facts = locks(function)
    for name, calls in function.calls.items():
        for take in function.tables.takes.get(name, ()):
            if take.mode == "try" or take.arg is None or take.kind not in _FIRM:
                continue
            for _, call in calls:
                key = call.args[take.arg].key if take.arg < len(call.args) else ""
                inner = (family(take.kind), _shape(key))
                for prop in facts.held(call):
                    for held in prop:
                        outer = (family(held.kind), _shape(held.key))
                        if not held.gone and held.kind in _FIRM and held.key and key and outer != inner:
                            found.setdefault((outer, inner), Reversed(call, held.key, key, held.line))
    return found


def _place(row: Order, lock: _Shape) -> int | None:
    names = (lock[0], *lock[1].split("->"))
    return next((i for i, each in enumerate(row.locks) if each in names), None)


def _shape(key: str) -> str:
    """The lock by its last name: `lock` of which struct is not known, so with the variable before it."""
    names = _NAME.findall(key)
    return "->".join(names[-2:])
