"""Entries of a lockless walk that are read by a plain dereference: the compiler may read them twice, or in halves."""

from __future__ import annotations

import re

from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.pins.grabs import lockless
from mmlint.frozen import dataclass

_ENTRY = re.compile(r"(?:const )?p(?:te|md|ud|4d|gd)_t ?\*$")
_VALUE = re.compile(r"(?:const )?p(?:te|md|ud|4d|gd)_t$")
_READS_ENTRY = re.compile(rb"=[\s(]*(?:\([\w\s*]*\)[\s(]*)*\*")
"""Something that is read through a pointer and given to something else, behind casts and parentheses."""
_MAX_DEPTH = 4
_UNDER = ("ptl", "spin", "walk", "mmap_lock")


@dataclass(frozen=True, slots=True)
class PlainRead:
    """An entry read as `*p` into `value`, which `call` hands down to the level below."""

    read: Expr
    value: str
    call: Expr


@fact
def plain_reads(function: Function) -> tuple[PlainRead, ...]:
    """The entries that a lockless walk reads without READ_ONCE or a helper for it, and then goes down by."""
    if not _READS_ENTRY.search(function.text):
        return ()
    pointers = {p.name for p in function.source.params if _ENTRY.match(p.type_text)}
    pointers |= {n.name for n in function.cfg.nodes if n.kind == "decl" and _ENTRY.match(n.type.strip())}
    if not pointers:
        return ()
    found = []
    for node in function.cfg.order:
        for op, expr in node.events:
            read = expr.args[1] if op == "assign" and expr.value == "=" and len(expr.args) == 2 else None
            if read is None or read.kind != "unary" or read.value != "*" or read.args[0].key not in pointers:
                continue
            down = _goes_down(function, expr.args[0].key)
            if down is not None and not _locked(function, down):
                found.append(PlainRead(read, expr.args[0].key, down))
    return tuple(found)


def _goes_down(function: Function, value: str) -> Expr | None:
    """The call of a function of the file that gets the entry by value and walks on without a lock."""
    for name, calls in function.calls.items():
        for callee in function.program.named(function.path, name) if name else ():
            for _, call in calls:
                at = next((i for i, arg in enumerate(call.args) if arg.key == value), None)
                if at is not None and _by_value(callee, at) and _lockless_walk(callee, 0):
                    return call
    return None


def _by_value(callee: Function, at: int) -> bool:
    return at < len(callee.source.params) and _VALUE.match(callee.source.params[at].type_text) is not None


def _lockless_walk(function: Function, depth: int) -> bool:
    """Whether it reads entries by a lockless primitive, itself or at a level below, and takes no page-table lock."""
    if any(name.endswith(("_lock", "_lockptr")) and name[:4] in ("pte_", "pmd_", "pud_") for name in function.calls):
        return False
    if depth >= _MAX_DEPTH:
        return False
    if lockless(function):
        return True
    lower = (callee for name in function.calls if name for callee in function.program.named(function.path, name))
    return any(
        callee is not function
        and any(_VALUE.match(p.type_text) for p in callee.source.params)
        and _lockless_walk(callee, depth + 1)
        for callee in lower
    )


def _locked(function: Function, call: Expr) -> bool:
    return any(held.kind in _UNDER for held in locks(function).held_at(call))
