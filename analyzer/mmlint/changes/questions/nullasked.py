"""Pointers that a function asked whether they are NULL and no longer does, though a caller or a callee gives NULL."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.graph import after
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.held import local_names
from mmlint.facts.steps import plain_null
from mmlint.frozen import dataclass

_MOST_CALLERS = 20
_DEPTH = 2
_FAILS = "null-fails"
_NEVER_FAILS = "__GFP_NOFAIL"
_THROUGH = ("unary", "*")


@dataclass(frozen=True, slots=True)
class Unasked:
    """`pointer` is used at `use` as `source` gives it, called at `call` in `giver`: NULL where there is nothing."""

    pointer: str
    use: Node
    giver: Function
    call: Expr
    source: str


def unasked_null(change: FunctionChange) -> list[Unasked]:
    """The pointers whose only test for NULL a patch takes away: parameters that a caller fills with what may be NULL,
    and variables that a call fills so.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.before.name != change.name:
        return []
    gone = asked_for_null(compared.before) - asked_for_null(compared.after)
    return [found for pointer in sorted(gone) if (found := _unasked(compared, pointer)) is not None]


def _unasked(compared: Comparison, pointer: str) -> Unasked | None:
    parameter = next((p for p in compared.after.source.params if p.name == pointer), None)
    passed = _passed(compared, pointer) if parameter is not None and "*" in parameter.type_text else iter(())
    return next(passed, None) or _given(compared, pointer)


def asked_for_null(function: Function) -> frozenset[str]:
    """The variables that a branch, or a term of an answer, asks whether they are NULL."""
    tests = (plain_null(term) for n in function.cfg.order if n.expr is not None for term in _terms(n, n.expr))
    return frozenset(expr.value for expr in tests if expr is not None and expr.kind == "name")


def _terms(node: Node, expr: Expr) -> Iterator[Expr]:
    """What decides about something: the condition of a branch, the operands of `&&` and `||`, what `?` asks."""
    if node.kind == "branch":
        yield expr
    for part in expr.walk():
        if part.kind == "binary" and part.value in ("&&", "||"):
            yield from part.args
        elif part.kind == "cond":
            yield part.args[0]


def _passed(compared: Comparison, pointer: str) -> Iterator[Unasked]:
    now = compared.after
    use = next((n for n in now.cfg.order if n.expr is not None and pointer in n.expr.names()), None)
    if use is None or not dereferences(now, pointer, _DEPTH):
        return
    index = now.params.index(pointer)
    for caller in callers(now)[:_MOST_CALLERS]:
        for _, call in caller.calls.get(now.name, ()):
            source = may_be_null(caller, call.args[index]) if index < len(call.args) else ""
            if source:
                yield Unasked(pointer, use, caller, call, source)
                return


def _given(compared: Comparison, pointer: str) -> Unasked | None:
    """A variable that calls fill, the same before and after, and that is looked into with no question left."""
    now, filled = compared.after, fillings(compared.after, pointer)
    if [_key(node) for node in filled] != [_key(node) for node in fillings(compared.before, pointer)]:
        return None
    if _questions(now, pointer) - _questions(compared.before, pointer):
        return None
    for node in filled:
        value = node.expr.args[1] if node.expr is not None else None
        source = may_be_null(now, value) if value is not None and _NEVER_FAILS not in value.key else ""
        use = _first_look(now, node, filled, pointer) if source else None
        if value is not None and use is not None:
            return Unasked(pointer, use, now, value, source)
    return None


def fillings(function: Function, pointer: str) -> list[Node]:
    """The statements that give a variable its value."""
    return [
        node
        for node in function.cfg.order
        if node.expr is not None and node.expr.kind == "assign" and node.expr.args[0].key == pointer
    ]


def _key(node: Node) -> str:
    return node.expr.key if node.expr is not None else ""


def _first_look(function: Function, filled: Node, others: list[Node], pointer: str) -> Node | None:
    """Where a pointer is first looked into behind what fills it, with nothing else filling it on the way."""
    fillers = {node.id for node in others}
    behind = after([node for node, _ in filled.succ], lambda node: node.id in fillers)
    behind_it = (node for node in function.cfg.order if node.id in behind and node.expr is not None)
    return next((n for n in behind_it if n.expr is not None and looks(function, n.expr, pointer, _DEPTH)), None)


def _questions(function: Function, pointer: str) -> set[str]:
    branches = (n.expr for n in function.cfg.order if n.kind == "branch" and n.expr is not None)
    return {expr.key for expr in branches if pointer in expr.names()}


def dereferences(function: Function, pointer: str, depth: int) -> bool:
    """Whether a parameter is looked into, here or in a callee, with no question before it."""
    if pointer in asked_for_null(function):
        return False
    exprs = (node.expr for node in function.cfg.order if node.expr is not None)
    return any(looks(function, expr, pointer, depth) for expr in exprs)


def looks(function: Function, expr: Expr, pointer: str, depth: int) -> bool:
    """Whether an expression reads a member of what a pointer leads to, itself or in a callee that it is handed to."""
    return any(
        (part.args and part.args[0].key == pointer and (part.kind == "field" or (part.kind, part.value) == _THROUGH))
        or (part.kind == "call" and depth > 0 and _callee_looks(function, part, pointer, depth - 1))
        for part in expr.walk()
    )


def _callee_looks(function: Function, call: Expr, pointer: str, depth: int) -> bool:
    places = [i for i, arg in enumerate(call.args) if arg.key == pointer]
    if not places or not call.value:
        return False
    callee = function.program.resolve(call.value, function.path)
    if callee is None:
        return call.value in function.tables.takes
    return any(i < len(callee.params) and dereferences(callee, callee.params[i], depth) for i in places)


def may_be_null(function: Function, given: Expr) -> str:
    """The call that a value comes from, if it gives NULL for an answer and nobody asks; else nothing."""
    values = assigned_values(function).get(given.value, []) if given.kind == "name" else [given]
    if given.kind == "name" and (len(values) != 1 or given.value in asked_for_null(function)):
        return ""
    for value in values:
        if _of_own_table(function, value):
            continue
        callee = function.program.resolve(value.value, function.path) if value.kind == "call" and value.value else None
        sense = function.tables.senses.get(value.value) if value.kind == "call" else None
        if (sense is not None and sense.ok == _FAILS) or (callee is not None and _gives_null(callee)):
            return value.value
    return ""


def _of_own_table(function: Function, call: Expr) -> bool:
    """Whether a page table is mapped by a variable of the function's own, which nobody else can empty."""
    entry = call.args[0] if call.kind == "call" and call.value in function.tables.takes and call.args else None
    if entry is None or entry.kind != "unary" or entry.value != "&":
        return False
    return entry.args[0].key in local_names(function)


@fact
def _gives_null(function: Function) -> bool:
    """Whether one of the results is NULL itself, and another is not: not the stub of a configuration that has none, nor
    for a parameter that is NULL alone.
    """
    if "*" not in function.source.returns:
        return False
    returns = [node for node in function.cfg.order if node.kind == "return" and node.expr is not None]
    given = [(n, value) for n in returns if n.expr is not None for value in _values(function, n.expr)]
    nulls = [node for node, value in given if value.key == "NULL"]
    return len(nulls) < len(given) and not all(_for_null(function, node) for node in nulls)


def _values(function: Function, result: Expr) -> list[Expr]:
    return assigned_values(function).get(result.key, [result])


def _for_null(function: Function, node: Node) -> bool:
    """Whether control comes to a result only where a parameter is NULL."""
    asked = (plain_null(p.expr) if p.kind == "branch" and p.expr is not None else None for p in node.pred)
    return all(expr is not None and expr.key in function.params for expr in asked)
