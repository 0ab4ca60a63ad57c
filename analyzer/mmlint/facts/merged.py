"""Helpers that say no more than false when something failed in them, so that a caller cannot pass the failure on."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.outcome import failing
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Merged:
    """A test in `helper` (at `failed`) whose failing side returns false; `call` asks for it at `node`."""

    node: Node
    call: Expr
    helper: Function
    failed: Node


@fact
def merged_failures(function: Function) -> tuple[Merged, ...]:
    """The failures behind the conditions of a function that are calls of boolean helpers of its file."""
    found = []
    for node in function.cfg.order:
        call = node.expr if node.kind == "branch" else None
        if call is None or call.kind != "call":
            continue
        helper = next(iter(function.program.named(function.path, call.value)), None)
        if helper is not None and helper is not function:
            found += [Merged(node, call, helper, failed) for failed in _failures(helper)]
    return tuple(found)


@fact
def _failures(function: Function) -> tuple[Node, ...]:
    """The tests after which a boolean function returns false because what was tested has failed."""
    if function.source.returns.split()[-1:] != ["bool"]:
        return ()
    return tuple(
        node
        for node in function.cfg.order
        if node.kind == "branch"
        and node.expr is not None
        and (bad := failing(function, node.expr)) is not None
        and any(label == bad and _returns_false(target) for target, label in node.succ)
    )


def _returns_false(node: Node) -> bool:
    """Whether nothing but a return of false follows, whatever is cleaned up before."""
    while node.kind not in ("return", "branch", "exit") and len(node.succ) == 1:
        node = node.succ[0][0]
    return node.kind == "return" and node.expr is not None and node.expr.key in ("false", "0")
