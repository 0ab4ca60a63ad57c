"""Accessors in the place of which a patch does by hand what they come to in most configurations, not in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass
from mmlint.kernel.entries import Stronger

_BY_HAND = "by-hand"
_STEPS = {"++", "--", "p++", "p--"}
_PAGE = "struct page *"


@dataclass(frozen=True, slots=True)
class ByHand:
    """`now` does with an operator what the accessor of `was` did, which `row` speaks of."""

    row: Stronger
    was: Act
    now: Expr


def by_hand(change: FunctionChange) -> Iterator[ByHand]:
    """The first such place of each accessor; none where the changelog speaks of it: then it is meant."""
    compared = comparison(change)
    if compared is None:
        return
    rows = [row for row in compared.before.tables.steps.stronger.values() if row.only == _BY_HAND]
    for row in rows:
        for act in compared.old:
            there = compared.pairs.get(id(act))
            if act.word not in row.calls[:-1] or act.expr.kind != "call" or (there and there.word == act.word):
                continue
            now = next((e for e in _fresh(compared) if _OPERATORS[row.calls[-1]](compared.after, e, act.expr)), None)
            if now is not None and not change.patch.speaks_of(act.word):
                yield ByHand(row, act, now)
                break


def _fresh(compared: Comparison) -> Iterator[Expr]:
    """The expressions of added lines that are nowhere in what was before."""
    old = {e.key for node in compared.before.cfg.order if node.expr is not None for e in node.expr.walk()}
    parts = (e for node in compared.after.cfg.order if node.expr is not None for e in node.expr.walk())
    return (e for e in parts if e.line not in compared.standing and e.key not in old)


def _adds(_: Function, e: Expr, call: Expr) -> bool:
    """Whether an expression steps on from the first argument, by the second one."""
    page, count = (*(arg.key for arg in call.args), "", "")[:2]
    if e.kind == "unary" and e.value in _STEPS:
        return e.args[0].key == page
    if (e.kind, e.value) == ("unary", "&") and e.args[0].kind == "index":
        return [arg.key for arg in e.args[0].args] == [page, count]
    added = (e.kind, e.value) in (("binary", "+"), ("assign", "+="))
    return added and sorted(arg.key for arg in e.args) == sorted((page, count))


def _subtracts(function: Function, e: Expr, call: Expr) -> bool:
    """Whether an expression is the distance of two pages, one of which the call was about."""
    if (e.kind, e.value) not in (("binary", "-"), ("assign", "-=")):
        return False
    about = {arg.key for arg in call.args}
    mine = not about.isdisjoint(inner.key for arg in e.args for inner in arg.walk())
    return mine and all(arg.key in about or _page(function, arg) for arg in e.args)


def _page(function: Function, e: Expr) -> bool:
    """Whether an expression is a pointer to a page: by its declaration, or the first page of a folio."""
    if (e.kind, e.value) == ("unary", "&"):
        return e.args[0].kind == "field" and e.args[0].value == "page"
    return e.kind == "name" and declared_types(function).get(e.value) == _PAGE


def _reads(_: Function, e: Expr, call: Expr) -> bool:
    """Whether an expression reads what the last argument leads to."""
    return (e.kind, e.value) == ("unary", "*") and bool(call.args) and e.args[0].key == call.args[-1].key


_OPERATORS: dict[str, Callable[[Function, Expr, Expr], bool]] = {"+": _adds, "-": _subtracts, "*": _reads}
"""What an expression has to be, by the operator that ends the row."""
