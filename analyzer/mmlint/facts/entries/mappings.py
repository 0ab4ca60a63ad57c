"""Page-table mappings that may be NULL, and where such a NULL is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.frozen import dataclass

_KINDS = frozenset({"ptl", "pte_map", "walk"})
_READS = re.compile(
    r"_*(ptep|pmdp|pudp|huge_ptep)_\w+$|_*set_(pte|pmd|pud|ptes)\w*$|pte_unmap(_unlock)?$|pte_clear\w*$"
)


@dataclass(frozen=True, slots=True)
class NullUse:
    """A use of what a map or lock call returned, on a way on which it returned NULL."""

    call: Expr
    target: str
    use: Expr


@fact
def null_uses(function: Function) -> tuple[NullUse, ...]:
    """The first use behind each mapping call that may fail, where the failure was not tested."""
    if not lock_tokens(function) or locks(function).flow.overflow or function.cfg.truncated:
        return ()
    found = []
    for name, calls in function.calls.items():
        takes = function.tables.takes.get(name, ())
        if not any(t.when == "nonzero" and t.kind in _KINDS and (t.result or t.out is not None) for t in takes):
            continue
        for _, call in calls:
            target = call_targets(function).get(id(call))
            if target is None or target.kind not in ("name", "field"):
                continue
            for name_ in (target, *_aliases(function, target)):
                use = _first_use(function, call, name_)
                if use is not None:
                    found.append(NullUse(call, name_.key, use))
                    break
    return tuple(found)


def _aliases(function: Function, target: Expr) -> list[Expr]:
    """Variables that somewhere get the same value (`start_pte = pte = pte_offset_map(..)`, `ptep = start_ptep`)."""
    return list(_same_value(function).get(target.key, {}).values())


@fact
def _same_value(function: Function) -> dict[str, dict[str, Expr]]:
    """For each lvalue the variables that somewhere get the same value, by name."""
    found: dict[str, dict[str, Expr]] = {}
    for node in function.cfg.order:
        for expr in node.expr.walk() if node.expr is not None else ():
            if expr.kind != "assign" or expr.value != "=" or expr.args[0].kind != "name":
                continue
            target, chained = expr.args[0], expr.args[1].kind == "assign"
            source = expr.args[1].args[0] if chained else expr.args[1]
            found.setdefault(source.key, {}).setdefault(target.key, target)
            if chained and source.kind == "name" and source.key != target.key:
                found.setdefault(target.key, {}).setdefault(source.key, source)
    return found


def _first_use(function: Function, call: Expr, target: Expr) -> Expr | None:
    """A use of `target` reachable from the call without a way on which it is not NULL, in order of control flow."""
    for node in _null_at(function).get(target.key, ()):
        if node.expr is None or node.line < call.line:
            continue
        if _comes_from(function, node, call, target):
            for use in _uses(function, node.expr, target):
                return use
    return None


@fact
def _null_at(function: Function) -> dict[str, list[Node]]:
    """The nodes that an lvalue may reach as NULL, in order of control flow, by its text."""
    flow = locks(function).flow
    found: dict[str, list[Node]] = {}
    for node in function.cfg.order:
        for key in {key for facts in flow.states(node).values() for key, value in facts.items() if value == "0"}:
            found.setdefault(key, []).append(node)
    return found


def _comes_from(function: Function, node: Node, call: Expr, target: Expr) -> bool:
    """Whether a way backwards from `node` meets this call before any test or other assignment of the target."""
    seen: set[int] = set()
    work = list(node.pred)
    while work:
        before = work.pop()
        if before.id in seen:
            continue
        seen.add(before.id)
        if not any(f.get(target.key) in ("0", None) for f in locks(function).flow.states(before).values()):
            continue
        if before.expr is not None and any(e is call for e in before.expr.walk()):
            return True
        if before.expr is not None and (_writes(before.expr, target) or _tests(before, target)):
            continue
        work += before.pred
    return False


def _writes(expr: Expr, target: Expr) -> bool:
    return any(
        (e.kind == "assign" or (e.kind == "unary" and e.value == "&")) and e.args[0].key == target.key
        for e in expr.walk()
        if not (e.kind == "assign" and e.args[1].kind in ("name", "field"))
    )


def _tests(node: Node, target: Expr) -> bool:
    if node.kind != "branch" or node.expr is None:
        return False
    sides = node.expr.args if node.expr.kind == "binary" else (node.expr,)
    return any(side.key == target.key or side.key.startswith(f"{target.key}++") for side in sides)


def _uses(function: Function, expr: Expr, target: Expr) -> Iterator[Expr]:
    for part in expr.walk():
        follows = part.kind == "field" or (part.kind == "unary" and part.value == "*")
        if follows and _is(part.args[0], target):
            yield part
        elif part.kind == "call" and any(_is(a, target) for a in part.args):
            drops = function.tables.drops.get(part.value, ())
            if _READS.match(part.value) or any(d.kind in ("ptl", "spin", "pte_map") for d in drops):
                yield part


def _is(expr: Expr, target: Expr) -> bool:
    if expr.kind == "binary" and expr.value in "+-":
        expr = expr.args[0]
    if expr.kind == "unary" and expr.value.endswith(("++", "--")):
        expr = expr.args[0]
    return expr.key == target.key
