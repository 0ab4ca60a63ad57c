"""Tests for NULL, for an error pointer or for an index out of bounds that come behind the use which they kept safe."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.questions.nullasked import asked_for_null, dereferences
from mmlint.facts import graph
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types, local_names
from mmlint.facts.reach import Reach, once, reach
from mmlint.facts.steps import bare, plain, plain_null
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_DEPTH = 2
_MOST = 200_000
"""Tests times statements: a function that a patch turns over whole says nothing about the order of two of them."""
_SIZES = frozenset({"<", "<=", ">", ">="})
_COMPUTES = frozenset({">>", "<<", "&", "-", "|"})
_SAFE_CALLS = frozenset({"IS_ERR", "IS_ERR_OR_NULL", "PTR_ERR", "PTR_ERR_OR_ZERO", "ERR_CAST", "sizeof", "typeof"})
_MAKES_READY = re.compile(r"(^|_)init(_|$)|^INIT_", re.I)
"""Functions and macros that write the lock, list or work that they are given, by their names."""
_UNEVALUATED = frozenset({"sizeof", "typeof", "offsetof", "__typeof__", "ARRAY_SIZE"})


@dataclass(frozen=True, slots=True)
class AskedLate:
    """`test` comes behind `use` (both of after), which needs `what` to be what the test asks for; `bound`: it is an
    index.
    """

    what: str
    test: Node
    use: Node
    bound: bool


def asked_late(change: FunctionChange) -> list[AskedLate]:
    """The first such use of each thing."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.before.name != change.name:
        return []
    old, new = (once(reach(side), ("branch",), _question) for side in (compared.before, compared.after))
    pairs = [(test, new[key]) for key, test in old.items() if key in new]
    moved = [(test, now) for test, now in pairs if _may_have_moved(compared, test, now)]
    if len(moved) * len(compared.before.cfg.order) > _MOST:
        return []
    found: dict[str, AskedLate] = {}
    for test, now in moved:
        for what, bound in _about(test):
            use = _late_use(compared, test, now, what, bound=bound)
            if use is not None:
                found.setdefault(what, AskedLate(what, now, use, bound))
    return list(found.values())


def _may_have_moved(compared: Comparison, test: Node, now: Node) -> bool:
    """Whether a test stands on another line now, or a line that the patch adds names what it is about."""
    if compared.lines.get(test.line) != now.line:
        return True
    asked = test.expr.names() if test.expr is not None else frozenset()
    return any(not asked.isdisjoint(n.expr.names()) for n in compared.fresh if n.expr is not None)


def _question(test: Node) -> str:
    """What a test asks, as text: the same for a comparison by size and its opposite, either way round."""
    expr = bare(test.expr) if test.expr is not None else None
    if expr is None or expr.kind != "binary" or expr.value not in _SIZES:
        return plain(test)
    left, right = (arg.key for arg in (expr.args if expr.value in ("<", ">=") else expr.args[::-1]))
    return f"{left} < {right}"


def _about(test: Node) -> Iterator[tuple[str, bool]]:
    """What a test has to be asked before: a pointer that it asks for NULL or an error, an index that it compares."""
    if test.expr is None:
        return
    expr = bare(test.expr)
    pointer = plain_null(expr)
    if expr.kind == "call" and expr.value == "IS_ERR" and expr.args and expr.args[0].kind in ("name", "field"):
        pointer = expr.args[0]
    if pointer is not None:
        yield pointer.key, False
    elif expr.kind == "binary" and expr.value in _SIZES:
        yield from ((arg.key, True) for arg in expr.args if arg.kind in ("name", "field") and not arg.key.isupper())


def _late_use(compared: Comparison, was: Node, test: Node, what: str, *, bound: bool) -> Node | None:
    """The first statement that uses something in front of its test, as one behind the test did before; where none in
    front of it did, any new one.
    """
    old, new = reach(compared.before), reach(compared.after)
    same = bool(compared.lines.get(was.line) == test.line)
    guarded, early = set(), set()
    for node in old.order:
        for use in _uses(compared.before, node, what, bound=bound):
            if old.dominates(was, node) and old.chosen(was, node) is not None:
                guarded.add(use)
            elif old.before(node, was):
                early.add(use)
    if not guarded - early:
        return None
    for node in new.order:
        if node is test or not new.before(node, test) or not new.dominates(node, test):
            continue
        if same and node.line in compared.standing:
            continue  # both are where they were
        mine = _uses(compared.after, node, what, bound=bound)
        first = not bound and not early and node.line not in compared.standing
        if (
            (mine if first else mine & guarded - early)
            and _still_same(node, test, what)
            and not _asked_before(new, node, what)
        ):
            return node
    return None


def _still_same(use: Node, test: Node, what: str) -> bool:
    """Whether the test asks about the value that was used, and not about one that was given since."""
    root = what.split("->")[0]
    if use.sets(what, root):
        return False
    return test.id in graph.after([n for n, _ in use.succ], lambda n: n.sets(what, root))


def _asked_before(order: Reach, use: Node, what: str) -> bool:
    """Whether another test that speaks of it decides whether control comes to the use."""
    tests = (n for n in order.order if n.kind == "branch" and n.expr is not None and order.before(n, use))
    return any(any(e.key == what for e in n.expr.walk()) and order.chosen(n, use) is not None for n in tests if n.expr)


def _uses(function: Function, node: Node, what: str, *, bound: bool) -> frozenset[str]:
    """What a statement does, in any case, that must not be done where the test says no: by its text."""
    if node.expr is None:
        return frozenset()
    parts = list(_evaluated(node.expr))
    if bound:
        return frozenset(_elements(function, parts, what))
    return frozenset(part.key for part in parts if _looks_into(function, part, what))


def _evaluated(expr: Expr) -> Iterator[Expr]:
    """The parts of an expression that are evaluated whatever a condition inside it says; not what only an address is
    made of.
    """
    if expr.kind == "call" and expr.value in _UNEVALUATED:
        return
    yield expr
    args = expr.args[:1] if expr.kind == "cond" or expr.value in ("&&", "||") else expr.args
    for arg in args:
        if expr.kind == "unary" and expr.value == "&" and arg.kind in ("field", "index"):
            yield from (part for inner in arg.args for part in _evaluated(inner))
        else:
            yield from _evaluated(arg)


def _looks_into(function: Function, part: Expr, what: str) -> bool:
    """Whether an expression looks into what a pointer leads to, or hands it to a callee that does and does not ask."""
    if part.args and part.args[0].key == what and (part.kind == "field" or (part.kind, part.value) == ("unary", "*")):
        return True
    if part.kind != "call" or not part.value or part.value in _SAFE_CALLS or tells(part.value):
        return False
    if part.value in function.tables.gives_resource:
        return False
    of_member = [i for i, arg in enumerate(part.args) if arg.key.startswith(f"&{what}->")]
    if of_member and (part.value in function.tables.takes or _MAKES_READY.search(part.value)):
        return True
    places = [*of_member, *(i for i, arg in enumerate(part.args) if arg.key == what)]
    callee = function.program.resolve(part.value, function.path) if places else None
    return callee is not None and any(_works_on(callee, i, _DEPTH) for i in places)


def _works_on(callee: Function, index: int, depth: int) -> bool:
    """Whether a function makes something of a pointer that it gets, itself or below, and never asks for NULL."""
    if index >= len(callee.params) or "*" not in callee.source.params[index].type_text:
        return False
    name = callee.params[index]
    if name in asked_for_null(callee):
        return False
    if dereferences(callee, name, 0):
        return True
    parts = [e for n in callee.cfg.order if n.expr is not None for e in n.expr.walk()]
    if any(e.kind == "binary" and e.value in _COMPUTES and name in {a.key for a in e.args} for e in parts):
        return True
    calls = [(e, i) for e in parts if e.kind == "call" and e.value for i, a in enumerate(e.args) if a.key == name]
    inner = ((callee.program.resolve(e.value, callee.path), i) for e, i in calls if depth > 0)
    return any(f is not None and f is not callee and _works_on(f, i, depth - 1) for f, i in inner)


def _elements(function: Function, parts: list[Expr], index: str) -> Iterator[str]:
    """The elements of arrays at an index that are read or written, by themselves or through a pointer to one."""
    locals_, types = local_names(function), declared_types(function)
    for part in parts:
        if part.kind == "index" and part.args[1].key == index:
            yield part.key
        if part.kind != "field" or part.args[0].key not in locals_ or "*" not in types.get(part.args[0].key, ""):
            continue
        values = assigned_values(function).get(part.args[0].key, [])
        if len(values) == 1 and _element(values[0], index):
            yield part.key


def _element(value: Expr, index: str) -> bool:
    """Whether a value is the address of the element at an index."""
    if value.kind == "unary" and value.value == "&" and value.args[0].kind == "index":
        return value.args[0].args[1].key == index
    return False
