"""How a function says that it failed, NULL or an error pointer, and callers that ask for the other kind alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mmlint.changes.change import FunctionChange
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr, asks_for_error
from mmlint.facts.locks.above import callers
from mmlint.facts.results import first_tests
from mmlint.frozen import dataclass

_MAX_CALLERS = 12
_ERRORS = frozenset({"ERR_PTR", "ERR_CAST"})
_ASKING = ("IS_ERR", "PTR_ERR", "ERR_CAST")
_ASKED = {"NULL": "IS_ERR", "ERR_PTR": "NULL"}
"""What a caller asks for who does not expect that kind."""


@dataclass(frozen=True, slots=True)
class Changed:
    """`exit` returns `kind` (NULL or ERR_PTR), as the function never did before; `test` in `caller` asks otherwise."""

    exit: Node
    kind: str
    caller: Function
    test: Expr


def new_kind(change: FunctionChange) -> Changed | None:
    """A kind of failure that a patch brings into a function, where a caller asks for the old kind only."""
    before, after = change.before, change.after
    if before is None or after is None or "*" not in after.source.returns or not any(change.file.added):
        return None
    old, new = failures(before), failures(after)
    if len(old) != 1 or len(new) != 2:
        return None
    kind = next(kind for kind in new if kind not in old)
    exit_ = next((node for node in new[kind] if node.line in change.file.added), None)
    asking = next(_asking_otherwise(after, kind), None) if exit_ is not None else None
    return Changed(exit_, kind, *asking) if exit_ is not None and asking is not None else None


@fact
def failures(function: Function) -> dict[str, list[Node]]:
    """The nodes at which a function returns NULL, or an error pointer, or makes one of them its result."""
    results = {n.expr.key for n in function.cfg.order if n.kind == "return" and n.expr is not None}
    found: dict[str, list[Node]] = {}
    for node in function.cfg.order:
        expr = node.expr
        if expr is not None and expr.kind == "assign" and expr.args[0].key in results:
            expr = expr.args[1]
        elif node.kind != "return":
            continue
        for value in (expr.args[1:] if expr.kind == "cond" else (expr,)) if expr is not None else ():
            if value.value == "NULL":
                found.setdefault("NULL", []).append(node)
            elif value.kind == "call" and value.value in _ERRORS:
                found.setdefault("ERR_PTR", []).append(node)
    return found


def _asking_otherwise(function: Function, kind: str) -> Iterator[tuple[Function, Expr]]:
    """The callers that look for the other kind, never for this one, and go on to use what they got."""
    for caller in islice((c for c in callers(function) if c.name != function.name), _MAX_CALLERS):
        targets = call_targets(caller)
        for node, call in caller.calls.get(function.name, ()):
            target = targets.get(id(call))
            tests = list(first_tests(node, target)) if target is not None else []
            if target is None or not tests or any(asked != _ASKED[kind] for _, asked in tests):
                continue
            if not _asks(caller, target.key, kind) and _uses(caller, target.key):
                yield caller, tests[0][0]


def _asks(function: Function, key: str, kind: str) -> bool:
    """Whether some branch of a function asks whether a variable is of this kind."""
    for node in function.cfg.order:
        if node.kind != "branch" or node.expr is None:
            continue
        tested = any(asks_for_error(c) and c.args[0].key == key for c in node.expr.calls())
        if tested and kind == "ERR_PTR":
            return True
        if not tested and kind == "NULL" and key in {each.key for each in node.expr.walk()}:
            return True
    return False


def _uses(function: Function, key: str) -> bool:
    """Whether a function looks into what a variable points to, or hands it on as something that is there."""
    for node in function.cfg.order:
        for each in node.expr.walk() if node.expr is not None else ():
            if each.kind == "field" and each.args[0].key == key:
                return True
            handed = each.kind == "call" and not each.value.startswith(_ASKING) and not each.value.endswith("free")
            if handed and any(arg.key == key for arg in each.args):
                return True
    return False
