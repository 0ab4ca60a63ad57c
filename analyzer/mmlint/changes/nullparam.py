"""Parameters that a function asked whether they are NULL and no longer does, where a caller may pass it."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reuse import assigned_values
from mmlint.facts.steps import plain_null
from mmlint.frozen import dataclass

_MOST_CALLERS = 20
_DEPTH = 2
_FAILS = "null-fails"


@dataclass(frozen=True, slots=True)
class Passed:
    """`pointer` is used at `use` as it comes; `caller` passes what `source` gave it, NULL where there is nothing."""

    pointer: str
    use: Node
    caller: Function
    call: Expr
    source: str


def passed_null(change: FunctionChange) -> list[Passed]:
    """The parameters whose only test for NULL a patch takes away, each with one such caller."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.before.name != change.name:
        return []
    asked = _asked(compared.before) - _asked(compared.after)
    pointers = [p.name for p in compared.after.source.params if p.name in asked and "*" in p.type_text]
    return [found for pointer in pointers for found in _passed(compared, pointer)]


def _asked(function: Function) -> frozenset[str]:
    """The variables that a branch asks whether they are NULL."""
    tests = (plain_null(n.expr) for n in function.cfg.order if n.kind == "branch" and n.expr is not None)
    return frozenset(expr.value for expr in tests if expr is not None and expr.kind == "name")


def _passed(compared: Comparison, pointer: str) -> Iterator[Passed]:
    after = compared.after
    use = next((n for n in after.cfg.order if n.expr is not None and pointer in n.expr.names()), None)
    if use is None or not _looks_into(after, pointer, _DEPTH):
        return
    index = after.params.index(pointer)
    for caller in after.program.callers(after.name, after.path, static=after.source.static)[:_MOST_CALLERS]:
        for _, call in caller.calls.get(after.name, ()):
            source = _may_be_null(caller, call.args[index]) if index < len(call.args) else ""
            if source:
                yield Passed(pointer, use, caller, call, source)
                return


def _looks_into(function: Function, pointer: str, depth: int) -> bool:
    """Whether a member of what a parameter points to is read, here or in a callee, with no question before it."""
    if pointer in _asked(function):
        return False
    exprs = (e for node in function.cfg.order if node.expr is not None for e in node.expr.walk())
    if any(e.kind == "field" and e.args[0].key == pointer for e in exprs):
        return True
    for name, calls in function.calls.items() if depth else ():
        places = {i for _, call in calls for i, arg in enumerate(call.args) if arg.key == pointer}
        callee = function.program.resolve(name, function.path) if name and places else None
        for i in places if callee is not None else ():
            if callee is not None and i < len(callee.params) and _looks_into(callee, callee.params[i], depth - 1):
                return True
    return False


def _may_be_null(caller: Function, arg: Expr) -> str:
    """The call that an argument comes from, if it gives NULL for an answer and nobody asks; else nothing."""
    values = assigned_values(caller).get(arg.value, []) if arg.kind == "name" else [arg]
    if arg.kind == "name" and (len(values) != 1 or arg.value in _asked(caller)):
        return ""
    for value in values:
        callee = caller.program.resolve(value.value, caller.path) if value.kind == "call" and value.value else None
        sense = caller.tables.senses.get(value.value) if value.kind == "call" else None
        if (sense is not None and sense.ok == _FAILS) or (callee is not None and _gives_null(callee)):
            return value.value
    return ""


@fact
def _gives_null(function: Function) -> bool:
    """Whether one of the results is NULL itself."""
    return "*" in function.source.returns and any(
        node.kind == "return" and node.expr is not None and node.expr.key == "NULL" for node in function.cfg.order
    )
