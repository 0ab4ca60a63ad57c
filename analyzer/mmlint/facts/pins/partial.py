"""Pins and gets that may give fewer pages than asked for, where nobody looks how many there are."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.owners.giveback import fails
from mmlint.facts.owners.gup import GupSite, gup_calls, one_page
from mmlint.facts.owners.resources import ownership
from mmlint.facts.values import counts_nothing

_COMPARES = ("<", "<=", ">", ">=", "==", "!=")


@fact
def uncounted(function: Function) -> tuple[GupSite, ...]:
    """The sites that ask for more than one page, and whose result is used to see a failure and for nothing else."""
    return tuple(site for site in gup_calls(function) if _several(site) and not _counted(function, site))


def _several(site: GupSite) -> bool:
    entry, args = site.entry, site.call.args
    if site.pages is None or entry.result != "count" or entry.nr is None or entry.nr >= len(args):
        return False
    return args[entry.nr].kind != "num" and not one_page(site.pages)


def _counted(function: Function, site: GupSite) -> bool:
    target = call_targets(function).get(id(site.call))
    if target is None:
        return site.node.kind != "expr" or site.node.expr is not site.call
    if target.kind != "name" or target.value in function.params:
        return True
    for node in function.cfg.order:
        if node.expr is None:
            continue
        if node.kind == "return":
            if target.value in node.expr.names() and _succeeds(function, node.id):
                return True
            continue
        if any(use for use in _uses(node.expr, target.value)):
            return True
    return False


def _succeeds(function: Function, node: int) -> bool:
    """Whether a return is not known to report a failure, or no page at all, on every way to it."""
    ends = [(n, value) for n, _, _, value in ownership(function).flow.returns if n.id == node]
    return not ends or not all(fails(function, n, value) or counts_nothing(value) for n, value in ends)


def _uses(expr: Expr, name: str) -> Iterator[Expr]:
    """The uses of a variable but for stores into it and tests against zero."""
    if expr.kind == "assign" and expr.value == "=" and expr.args[0].key == name:
        yield from _uses(expr.args[1], name)
    elif expr.key == name:
        yield expr
    elif not _zero_test(expr, name):
        for arg in (*expr.args, *((expr.callee,) if expr.callee is not None else ())):
            yield from _uses(arg, name)


def _zero_test(expr: Expr, name: str) -> bool:
    if expr.kind == "unary":
        return expr.value == "!" and expr.args[0].key == name
    return expr.kind == "binary" and expr.value in _COMPARES and (expr.args[0].key, expr.args[1].key) == (name, "0")
