"""Flags of GUP that a call was handed, or might have asked with, and that it is not handed any more."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.compare import Comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.owners.gup import gup_calls
from mmlint.facts.pins.direction import WRITE, only_read
from mmlint.facts.steps import Act, spoken, told_by_callee


def handed_no_more(compared: Comparison, flags: tuple[str, ...]) -> Iterator[tuple[Act, str]]:
    """The calls (after the patch) that are handed one of the flags no more, where nothing else names it instead."""
    for old in compared.old:
        new = compared.pairs.get(id(old))
        if new is None or old.word == "return" or old.expr.kind != "call" or new.expr.kind != "call":
            continue
        for flag in _lost(old, new, flags):
            if flag == WRITE and only_read(compared.after, new.expr):
                continue
            if not named_as_often(compared, flag) and not _added_by(compared.after, old, new, flag):
                yield new, flag


def never_writing(compared: Comparison) -> Iterator[Expr]:
    """Calls that might ask for write access and cannot any more, in a function that is asked as it was."""
    before, after = compared.before, compared.after
    asked = {site.call.value for site in gup_calls(before) if WRITE in site.flags.may}
    for site in gup_calls(after) if before.params == after.params and WRITE not in after.words else ():
        lost = site.call.value in asked and site.flags.exact and WRITE not in site.flags.may
        if lost and not only_read(after, site.call):
            yield site.call


def named_as_often(compared: Comparison, flag: str) -> bool:
    """Whether the function names the flag as often as before: then it only came to stand in another place."""
    return _times(compared.after, flag) >= _times(compared.before, flag)


def flags_set(flags: Expr) -> frozenset[str]:
    """The flags that an argument sets: not those that it only lets through (`flags & FOLL_WRITE`)."""
    if flags.kind == "binary" and flags.value == "&":
        return frozenset()
    return flags.names().difference(*(e.names() for e in flags.walk() if e.kind == "binary" and e.value == "&"))


def _lost(old: Act, new: Act, flags: tuple[str, ...]) -> list[str]:
    before, after = ({n for arg in act.expr.args for n in flags_set(arg)} for act in (old, new))
    gained = any(name.startswith("FOLL_") and name not in before for name in after)
    return [f for f in flags if f in before and f not in after and not (gained and f == WRITE)]


def _added_by(function: Function, old: Act, new: Act, flag: str) -> bool:
    """Whether another callee is called now, or asked for the flags, which names the flag itself."""
    callee = function.program.resolve(new.word, function.path) if new.word != old.word else None
    return (callee is not None and flag in spoken(callee)) or told_by_callee(function, new.expr, flag)


def _times(function: Function, flag: str) -> int:
    exprs = (node.expr for node in function.cfg.order if node.expr is not None)
    return sum(each.kind == "name" and each.value == flag for expr in exprs for each in expr.walk())
