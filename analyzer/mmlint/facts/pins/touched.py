"""Pages that are written to before the try to take a reference on them tells whether they are still there."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.pins.grabs import ENTRY_PAGE
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Touched:
    """A mark on a page that was only found; `behind` tries to take a reference on it later.

    `head`: what is marked is the head of the page that was found, which it may be no more.
    """

    mark: Expr
    behind: Expr
    head: bool


@fact
def touched_before_try(function: Function) -> tuple[Touched, ...]:
    """The marks on pages that are not held yet, of those that the function tries to take behind them."""
    tries = {name: calls for name, calls in function.calls_of(_tries(function)).items() if calls}
    marks = function.calls_of(function.tables.marks) if tries else {}
    if not marks:
        return ()
    pages = _found_pages(function)
    wanted = {id(call): pages[page] for calls in tries.values() for _, call in calls if (page := _page(call)) in pages}
    found: dict[int, Touched] = {}
    for node, mark in (each for calls in marks.values() for each in calls):
        page = pages.get(_page(mark), "")
        if not page or _held(function, node, page, pages):
            continue
        behind = next((call for call in _behind(node, page) if wanted.get(id(call)) == page), None)
        if behind is not None:
            found.setdefault(id(mark), Touched(mark, behind, _page(mark) != page or mark.args[0].kind == "call"))
    return tuple(found.values())


def _tries(function: Function) -> frozenset[str]:
    return frozenset(name for name, row in function.tables.ref_helpers.items() if row.op == "try")


def _page(call: Expr) -> str:
    return canon(call.args[0]) if call.args else ""


def _found_pages(function: Function) -> dict[str, str]:
    """The variables that hold a page read off an entry or a pfn, each with the variable that held it first."""
    found: dict[str, str] = {}
    for node in function.cfg.order:
        for expr in node.expr.walk() if node.expr is not None else ():
            if expr.kind != "assign" or expr.value != "=" or expr.args[0].kind != "name":
                continue
            name, source = expr.args[0].value, canon(expr.args[1])
            if any(c.value in function.tables.entry_pages or ENTRY_PAGE.match(c.value) for c in expr.args[1].calls()):
                found[name] = name
            elif source in found and source != name:
                found[name] = found[source]
    return found


def _behind(start: Node, page: str) -> Iterator[Expr]:
    """The calls that can follow a statement before the page's variable gets another page."""
    seen: set[int] = set()
    work = [after for after, _ in start.succ]
    while work:
        node = work.pop()
        if node.id in seen:
            continue
        seen.add(node.id)
        if node.expr is not None:
            yield from node.expr.calls()
        if not _assigns(node, page):
            work += [after for after, _ in node.succ]


def _held(function: Function, start: Node, page: str, pages: dict[str, str]) -> bool:
    """Whether a reference on the page may have been taken on a way to a statement."""
    helpers, takes = function.tables.ref_helpers, function.tables.takes_resource
    seen: set[int] = set()
    work = list(start.pred)
    while work:
        node = work.pop()
        if node.id in seen:
            continue
        seen.add(node.id)
        for call in node.expr.calls() if node.expr is not None else ():
            row = helpers.get(call.value)
            taking = call.value in takes or (row is not None and row.op in ("try", "inc"))
            if taking and any(pages.get(canon(arg)) == page for arg in call.args):
                return True
        if not _assigns(node, page):
            work += node.pred
    return False


def _assigns(node: Node, page: str) -> bool:
    return node.expr is not None and any(e.kind == "assign" and e.args[0].key == page for e in node.expr.walk())
