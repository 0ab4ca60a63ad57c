"""Parts of arrays that are taken or given up from the start now, where it was from a place further on; elements that
were left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import given
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Shifted:
    """`now` (of after) begins at the start of `array`, and began at `offset`; nothing else of it changes. Without an
    offset it is a loop that begins with the element at which it stood, and began with the one beside it.
    """

    now: Act
    array: str
    offset: str


def shifted(change: FunctionChange) -> list[Shifted]:
    """The calls that give up or take pages of an array, and lost the offset into it alone."""
    compared = comparison(change)
    if compared is None:
        return []
    found = []
    for act, now, was, new in compared.reworded():
        base, offset = _place(was) if _about_pages(compared.before, act) else ("", "")
        if base and new.key == base and not _moves(compared.after, base):
            found.append(Shifted(now, base, offset))
    return found or list(_first_elements(compared))


def _first_elements(compared: Comparison) -> Iterator[Shifted]:
    """Releases of elements whose index was counted on before each of them, and is now behind each."""
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or now.key != act.key or not _about_pages(compared.before, act):
            continue
        for element in (e for arg in act.expr.args for e in arg.walk() if e.kind == "index"):
            index = element.args[1].key
            if _counted_first(compared.before, act, index) and not _counted_first(compared.after, now, index):
                yield Shifted(now, element.args[0].key, "")
                return


def _counted_first(function: Function, act: Act, index: str) -> bool:
    """Whether an index is counted on by a statement or test that every way to an act comes by, loops left out."""
    order = reach(function)
    return any(
        (op == "update" or (op == "assign" and index in expr.args[1].names()))
        and expr.args[0].key == index
        and order.dominates(node, act.node)
        for node in order.order
        if node is not act.node
        for op, expr in node.events
        if op != "call"
    )


def _about_pages(function: Function, act: Act) -> bool:
    tables = function.tables
    if act.word in tables.takes_resource or act.word in tables.gup:
        return True
    return bool(given(function, act.word, act.expr))


def _place(arg: Expr) -> tuple[str, str]:
    """The array and the offset of `array + offset` and `&array[offset]`; nothing for an offset that is a number."""
    if arg.kind == "unary" and arg.value == "&" and arg.args[0].kind == "index":
        base, offset = arg.args[0].args
    elif arg.kind == "binary" and arg.value == "+":
        base, offset = arg.args
    else:
        return "", ""
    return ("", "") if offset.kind == "num" else (base.key, offset.key)


def _moves(function: Function, base: str) -> bool:
    """Whether the function counts the pointer itself on."""
    return any(
        op == "update" or (op == "assign" and expr.value == "+=")
        for node in function.cfg.order
        for op, expr in node.events
        if op != "call" and expr.args[0].key == base
    )
