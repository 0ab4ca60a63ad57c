"""Helpers that make one page-table entry of another, and the bits that a patch makes them leave alone."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr

_ENTRY = re.compile(r"\b(pte|pmd|pud|pgprot)(val)?_t\b")
_BIT = re.compile(r"_?(PAGE|PTE|PMD|PUD|SEGMENT_ENTRY|REGION3_ENTRY)_[A-Z0-9_]+$")


def bits_left_alone(change: FunctionChange) -> list[tuple[str, Expr]]:
    """The bits that such a helper named before the patch, with the result that it gives without them now; nothing if
    the patch brings another bit or call in their place.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or not _makes_entry(compared.after):
        return []
    before, after = _bits(compared.before), _bits(compared.after)
    result = next((act.expr for act in compared.new if act.word == "return"), None)
    if result is None or after - before or any(act.expr.kind == "call" for act in compared.added):
        return []
    return [(bit, result) for bit in sorted(before - after)]


def _makes_entry(function: Function) -> bool:
    """Whether the function gets an entry by value and gives one of the same level back."""
    level = _ENTRY.search(function.source.returns)
    head = function.text.split(b"{", 1)[0].decode(errors="replace")
    return level is not None and re.search(rf"\(\s*{level.group(0)}\s+\w", head) is not None


def _bits(function: Function) -> frozenset[str]:
    """The bits that the function names, other than in tests and where it brings them down (`v >> BIT`) to be seen."""
    said = [node.expr for node in function.cfg.order if node.expr is not None and node.kind != "branch"]
    read = {id(e.args[1]) for expr in said for e in expr.walk() if e.kind == "binary" and e.value == ">>"}
    names = (e for expr in said for e in expr.walk() if e.kind == "name" and id(e) not in read)
    return frozenset(e.value for e in names if _BIT.match(e.value))
