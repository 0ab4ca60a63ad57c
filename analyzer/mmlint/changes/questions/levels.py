"""Functions that are there once for each level of the page tables, and the steps that only one of them loses."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.function import Function, fact
from mmlint.facts.steps import Act
from mmlint.facts.telling import keeps_count, tells
from mmlint.frozen import dataclass

_LEVELS = ("pte", "pmd", "pud", "p4d")
_ALIKE = 0.75
"""How much of what either of two twins calls, both do."""
_LEVEL = re.compile(rf"(?:(?<=_)|^)({'|'.join(_LEVELS)})(?=p?(?:_|s?$))")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """`step` (of before) is gone; `twin` is the same for another level and calls `still`; `beside` stands there now."""

    step: Act
    still: str
    twin: Function
    beside: Act


def left_out(change: FunctionChange) -> list[LeftOut]:
    """The calls that a patch takes out of one of several functions that were alike but for the level."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.before.name != change.name:
        return []
    if _LEVEL.search(change.name) is None or any(act.expr.kind == "call" for act in compared.added):
        return []
    gone = [act for act in compared.removed if act.expr.kind == "call" and not _says(act.word)]
    left = _shape(compared.after)
    paired = {id(act.node) for act in compared.old if id(act) in compared.pairs and act.word.startswith("compare:")}
    gone = [act for act in gone if id(act.node) not in paired]  # `pmd_val(a) != pmd_val(b)` may be put otherwise
    lost = [act for act in gone if _anyone(act.word) not in left and not change.lost_elsewhere(act.word)]
    beside = next((act for act in compared.new if act.word == "return"), None)
    twins = [twin for twin in _twins(compared.after) if _alike(twin, compared.before)] if lost else []
    twins = [twin for twin in twins if _anyone(lost[0].word) in _shape(twin)]
    if not twins or beside is None:
        return []
    still = next(name for name in twins[0].calls if _anyone(name) == _anyone(lost[0].word))
    return [LeftOut(lost[0], still, twins[0], beside)]


def _says(name: str) -> bool:
    """Whether a call of this name does nothing that a twin would have to do."""
    return tells(name) or keeps_count(name) or name.isupper()


def _alike(one: Function, other: Function) -> bool:
    """Whether two functions call the same but for levels, or nearly so."""
    a, b = _shape(one), _shape(other)
    return len(a & b) >= _ALIKE * len(a | b)


def _twins(function: Function) -> list[Function]:
    """The functions of the file with the same name but for the level, as they are after the patch."""
    own = _LEVEL.search(function.name)
    names = [_LEVEL.sub(level, function.name) for level in _LEVELS if own is None or level != own[1]]
    return [f for name in names for f in function.program.named(function.path, name)]


@fact
def _shape(function: Function) -> frozenset[str]:
    """The names that a function calls, without their levels."""
    return frozenset(_anyone(name) for name in function.calls)


def _anyone(name: str) -> str:
    return _LEVEL.sub("*", name)
