"""Vmas that a patch looks into behind a drop of the mmap lock under which they were found."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.locks.outdated import Outdated, lets_go, outdated
from mmlint.facts.reach import reach

_FAULT = "struct vm_fault *"
_VMA = "vma"


def outlived(change: FunctionChange) -> list[Outdated]:
    """The first such use of each vma, where there was none before; new functions are read as they are."""
    before, after = change.before, change.after
    if after is None or change.patch.partial:
        return []
    if before is None and any(o.after is None and o.name == after.name for o in change.patch.changes):
        return []  # it has come from another file
    known = {each.vma for each in outdated(before)} if before is not None else set()
    found: dict[str, Outdated] = {}
    for each in outdated(after):
        if each.vma not in known:
            found.setdefault(each.vma, each)
    if before is not None and not found and not any(True for _ in _of_fault(before)):
        found = {each.vma: each for each in _of_fault(after)}
    return list(found.values())


def _of_fault(function: Function) -> Iterator[Outdated]:
    """What is read of the vma of a fault behind a handler that may drop the lock, whatever it answers."""
    order = reach(function)
    faults = {name for name in function.params if declared_types(function).get(name) == _FAULT}
    for fault in sorted(faults):
        for name, calls in function.calls.items():
            for node, call in calls:
                if not any(arg.key == fault for arg in call.args) or not _drops(function, name):
                    continue
                behind = (n for n in order.order if order.before(node, n) and not _told(function, node, n))
                for other in behind:
                    use = next(_looks(other, f"{fault}->{_VMA}"), None)
                    if use is not None:
                        yield Outdated(use.args[0].key, other, use, call)
                        return


def _drops(function: Function, name: str) -> bool:
    callee = function.program.resolve(name, function.path)
    return callee is not None and callee is not function and lets_go(callee)


def _looks(node: Node, vma: str) -> Iterator[Expr]:
    if node.expr is not None:
        yield from (e for e in node.expr.walk() if e.kind == "field" and e.args[0].key == vma)


def _told(function: Function, call: Node, node: Node) -> bool:
    """Whether a test behind a call decides about a node: it may have asked for the answer."""
    order = reach(function)
    tests = (n for n in order.order if n.kind == "branch" and (n is call or order.before(call, n)))
    return any(order.chosen(test, node) is not None for test in tests)
