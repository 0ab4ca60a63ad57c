"""Parts of arrays that are taken or given up from the start now, where it was from a place further on."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.steps import Act
from mmlint.facts.things import given
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Shifted:
    """`now` (of after) begins at the start of `array`, and began at `offset`; nothing else of it changes."""

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
    return found


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
