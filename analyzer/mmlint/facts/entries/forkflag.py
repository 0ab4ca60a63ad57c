"""Tests of the parent's userfaultfd registration in the fork copy path, and what they decide."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.entries.fork import is_fork_copy, is_source, is_target
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach

_BIT = "uffd-wp"


@fact
def source_flags(function: Function) -> tuple[tuple[Expr, Node, str], ...]:
    """(the test, what it decides about the child, the mapping it asks) for each test of a source mapping."""
    if not is_fork_copy(function):
        return ()
    mappings = {p.name for p in function.source.params if p.type_text.startswith("struct vm_area_struct")}
    sources = {name for name in mappings if is_source(name)}
    if not sources or not any(is_target(name) for name in mappings):
        return ()
    found = []
    names = function.tables.with_class("uffd_wp").intersection(function.calls)
    for node, call in sorted((p for n in names for p in function.calls[n]), key=lambda p: (p[1].line, p[1].column)):
        vma = next((arg.value for arg in call.args if arg.kind == "name" and arg.value in sources), "")
        decided = _decided(function, node) if vma and node.kind == "branch" else None
        if decided is not None:
            found.append((call, decided, vma))
    return tuple(found)


def _decided(function: Function, test: Node) -> Node | None:
    """The first change of the bit in an entry of the child that one outcome of the test alone leads to."""
    order = reach(function)
    carries = function.tables.carries
    for name in sorted(carries.keys() & function.calls.keys()):
        row = carries[name]
        if row.bit != _BIT or row.op == "test":
            continue
        for node, _ in function.calls[name]:
            if order.chosen(test, node) is not None and _goes_to_child(function, node):
                return node
    return None


def _goes_to_child(function: Function, change: Node) -> bool:
    """Whether the next entry that is written after the change is one of the child's."""
    order = reach(function)
    rows = function.tables.set_entries
    writes = [
        (node, call.args[rows[name].arg])
        for name in rows.keys() & function.calls.keys()
        for node, call in function.calls[name]
        if rows[name].arg < len(call.args) and (node is change or order.before(change, node))
    ]
    first = min(writes, key=lambda w: order.rank[w[0].id], default=None)
    return first is not None and is_target(first[1].root)
