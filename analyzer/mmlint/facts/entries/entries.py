"""What a function does to page-table entries between locking and unlocking them: looks, writes, flushes."""

from __future__ import annotations

import re
from collections.abc import Callable

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Blind:
    """A write to the entry at `entry` under the lock of `taken`, which did not look at the entry first."""

    taken: Expr
    entry: str
    write: Expr


@dataclass(frozen=True, slots=True)
class LateFlush:
    """A TLB flush that comes after the unlock although the entry was cleared under the lock."""

    clear: Expr
    drop: Expr
    flush: Expr


_OF_A_VMA = re.compile(rb"\b(vm_area_struct|vm_fault)\b")


@fact
def blind_writes(function: Function) -> tuple[Blind, ...]:
    """The writes whose entry was not read since its lock was taken, one for each taking call.

    Only in files that have to do with VMAs: what is mapped outside of them is filled by its owner, never by a fault.
    """
    found: list[Blind] = []
    if not function.mentions(function.tables.set_entries) or not lock_tokens(function):
        return ()
    file = function.program.file(function.path)
    if file is not None and not _OF_A_VMA.search(file.text):
        return ()
    for name, calls in function.calls.items():
        if not any(t.kind == "ptl" and t.result and t.out is not None for t in function.tables.takes.get(name, ())):
            continue
        for node, call in calls:
            target = call_targets(function).get(id(call))
            write = _first_write(function, node, target) if target is not None else None
            if target is not None and write is not None:
                found.append(Blind(call, target.key, write))
    return tuple(found)


def _first_write(function: Function, start: Node, target: Expr) -> Expr | None:
    stop = _looks(function, target)
    reached = graph.after([t for t, _ in start.succ], stop)
    for node in function.cfg.order:
        if node.id in reached and node.expr is not None and node is not start:
            for call in node.expr.calls():
                row = function.tables.set_entries.get(call.value)
                if row is None or row.arg >= len(call.args) or call.args[row.arg].key != target.key:
                    continue
                if not any(_reads(function, other, target) for other in node.expr.walk()):
                    return call
    return None


def _looks(function: Function, target: Expr) -> Callable[[Node], bool]:
    def stop(node: Node) -> bool:
        return node.expr is not None and any(_reads(function, e, target) for e in node.expr.walk())

    return stop


def _reads(function: Function, expr: Expr, target: Expr) -> bool:
    if expr.kind == "assign":
        return expr.args[0].key == target.key
    if expr.kind == "unary":
        return expr.value == "*" and expr.args[0].key == target.key
    if expr.kind != "call" or expr.value in function.tables.set_entries:
        return False
    return any(target.key == arg.key or arg.key == target.root for arg in expr.args)


_ENTRY = frozenset("ptep_get pmdp_get pudp_get huge_ptep_get pte_page pte_pfn pmd_page pmd_pfn vm_normal_page".split())
"""Who only clears an entry, and never looks at it, gives no page away before the flush."""


@fact
def late_flushes(function: Function) -> tuple[LateFlush, ...]:
    """Clear under the lock, unlock, flush: with nothing that flushes in between."""
    tables = function.tables
    if not all(function.mentions(names) for names in (tables.set_entries, tables.drops, tables.flushes)):
        return ()
    clears: list[tuple[Node, Expr]] = []
    drops: list[tuple[Node, Expr]] = []
    flushes: list[tuple[Node, Expr]] = []
    for name, calls in function.calls.items():
        row, flush = tables.set_entries.get(name), tables.flushes.get(name)
        if flush is not None:
            flushes += calls
        elif row is not None and (row.op == "get-and-clear" or (row.op == "clear" and _ENTRY & function.words)):
            clears += calls
        if any(d.kind in ("ptl", "spin") and d.when == "always" for d in tables.drops.get(name, ())):
            drops += calls
    if not (clears and drops and flushes) or locks(function).flow.overflow or function.cfg.truncated:
        return ()
    flushing = {n.id for n, _ in flushes}
    late = [
        (n, c) for n, c in flushes if tables.flushes[c.value].scope in ("page", "range", "mm") and _bare(function, n)
    ]
    for clear_node, clear in clears:
        if _bare(function, clear_node):
            continue
        unflushed = graph.after([clear_node], lambda n: n.id in flushing)
        for drop_node, drop in drops:
            if drop_node.id not in unflushed or not _unlocks(function, drop_node):
                continue
            behind = graph.after([t for t, _ in drop_node.succ], lambda n: n.id in flushing)
            for flush_node, flush_call in late:
                if flush_node.id in behind:
                    return (LateFlush(clear, drop, flush_call),)
    return ()


def _bare(function: Function, node: Node) -> bool:
    """Whether no page-table lock is held there on any way."""
    kinds = ("ptl", "walk", "spin")
    return not any(h.kind in kinds and not h.gone for prop in locks(function).flow.states(node) for h in prop)


def _unlocks(function: Function, node: Node) -> bool:
    """Whether no page-table lock is left behind that node."""
    return all(_bare(function, target) for target, _ in node.succ)


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A call at `use` that is reached from `taken` without what has to come in between."""

    taken: Expr
    use: Expr


_PENDING = "flush_tlb_batched_pending"


@fact
def unflushed_relocks(function: Function) -> tuple[Unchecked, ...]:
    """Entries changed under a page-table lock without the batched flush that other takings of this function make."""
    flushes = {n.id for n, _ in function.calls.get(_PENDING, ())}
    if not flushes:
        return ()
    found = []
    tables = function.tables
    ends = flushes | {
        n.id for n, c in _all_calls(function) if any(d.kind == "ptl" for d in tables.drops.get(c.value, ()))
    }
    for name, calls in function.calls.items():
        if not any(t.kind == "ptl" and t.result and t.out is not None for t in tables.takes.get(name, ())):
            continue
        for node, call in calls:
            reached = graph.after([t for t, _ in node.succ], lambda n: n.id in ends)
            write = next((c for n, c in _all_calls(function) if n.id in reached and _takes_away(function, c)), None)
            if write is not None:
                found.append(Unchecked(call, write))
    return tuple(found)


def _all_calls(function: Function) -> list[tuple[Node, Expr]]:
    return [each for calls in function.calls.values() for each in calls]


def _takes_away(function: Function, call: Expr) -> bool:
    row = function.tables.set_entries.get(call.value)
    return row is not None and row.level == "pte" and row.op in ("clear", "get-and-clear")


_AS_PAGE = frozenset({"pmd_page", "pmd_folio", "pmd_pfn", "vm_normal_page_pmd", "vm_normal_folio_pmd"})
_HUGE_LOCKS = frozenset({"pmd_trans_huge_lock", "__pmd_trans_huge_lock"})


@fact
def nonpresent_as_page(function: Function) -> tuple[Unchecked, ...]:
    """Conversions of a locked huge PMD to its page with no test of what kind of entry it is."""
    tables = function.tables
    tests = frozenset[str]().union(*map(tables.with_class, ("present", "devmap", "swap_kind", "protnone")))
    found = []
    for name in _HUGE_LOCKS.intersection(function.calls):
        for node, call in function.calls[name]:
            reached = graph.after([t for t, _ in node.succ], lambda n: n.kind == "branch" and _asks(n, tests))
            for use_node, use in _all_calls(function):
                if use.value in _AS_PAGE and use_node.id in reached and not _asks(use_node, tests):
                    found.append(Unchecked(call, use))
                    break
    return tuple(found)


def _asks(node: Node, tests: frozenset[str]) -> bool:
    """Whether the node asks for the kind of an entry; the arm of a `#if` stands for what the build rules out."""
    if node.expr is None:
        return False
    return node.expr.value.startswith("#") or any(c.value in tests for c in node.expr.calls())
