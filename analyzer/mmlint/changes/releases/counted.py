"""Counts of references that are given up, from which a patch takes a constant or a variable away (PAT116)."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import number_given
from mmlint.frozen import dataclass

_LEVELS = 2


@dataclass(frozen=True, slots=True)
class OtherCount:
    """`act` (after the patch) gives up a number of references that `lost` was a part of before."""

    act: Act
    lost: str


def other_count(change: FunctionChange) -> OtherCount | None:
    """The first such release, in a function that takes and gives up what it did and of which nobody else is changed."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends or any(change.others):
        return None
    tables = compared.before.tables
    moving = tables.gives_resource.keys() | tables.takes_resource.keys()
    if any(act.word in moving and id(act) not in compared.pairs for act in compared.old):
        return None
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or now.word != act.word or act.word not in tables.gives_resource:
            continue
        for was, new in _numbers(compared, act, now):
            lost = _less(was, new) or _unread(compared, was, new)
            if lost:
                return OtherCount(now, lost)
    return None


def _numbers(compared: Comparison, act: Act, now: Act) -> Iterator[tuple[Expr, Expr]]:
    """What tells how many are given up, before and after: an argument, or the bound of the loop over elements."""
    old, new = number_given(compared.before, act.expr), number_given(compared.after, now.expr)
    if old is not None and new is not None:
        yield old, new
    old, new = _bound(compared.before, act), _bound(compared.after, now)
    if old is not None and new is not None:
        yield old, new


def _bound(function: Function, act: Act) -> Expr | None:
    """`n`, if an act is about element `i` of an array where `i < n` holds."""
    indexes = {e.args[1].key for arg in act.expr.args for e in arg.walk() if e.kind == "index"}
    test, outcome = reach(function).innermost(act.node)
    asked = test.expr if test is not None and outcome is True else None
    known = asked is not None and asked.kind == "binary" and asked.value == "<" and asked.args[0].key in indexes
    return asked.args[1] if known and asked is not None else None


def _less(was: Expr, new: Expr) -> str:
    """The constant without which one number is the other."""
    if was.kind == "binary" and was.value in ("+", "-") and was.args[1].kind == "num" and was.args[0].key == new.key:
        return f"{was.value} {was.args[1].key}"
    if new.kind == "binary" and new.value == "-" and new.args[1].kind == "num" and new.args[0].key == was.key:
        return f"no - {new.args[1].key}"
    return ""


def _unread(compared: Comparison, was: Expr, new: Expr) -> str:
    """The variable or member that a number was reckoned from and is not any more, if nothing else came to it."""
    old, now = _reckoned(compared.before, was, _LEVELS), _reckoned(compared.after, new, _LEVELS)
    return min(old - now) if len(old - now) == 1 and now and now <= old else ""


def _reckoned(function: Function, number: Expr, levels: int) -> frozenset[str]:
    """The variables and members that a number is made of, as far as it was given a value once."""
    found: set[str] = set()
    for each in number.walk():
        if each.kind == "field":
            found.add(each.key)
        values = assigned_values(function).get(each.key, ()) if each.kind == "name" else ()
        if len(values) == 1 and levels and each.key not in function.params:
            found |= _reckoned(function, values[0], levels - 1)
        elif each.kind == "name" and each.key.islower() and not any(each.key in f.split("->")[0] for f in found):
            found.add(each.key)
    owners = {name.split("->")[0].split(".")[0] for name in found if "->" in name or "." in name}
    return frozenset(found - owners)
