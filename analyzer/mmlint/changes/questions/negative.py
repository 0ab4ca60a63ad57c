"""What was undone for every answer but zero, and is undone for those above zero now: errors are below it (PAT123)."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.telling import undoes
from mmlint.frozen import dataclass

_ERROR = re.compile(rb"-E[A-Z]{2,}\b")


@dataclass(frozen=True, slots=True)
class Negative:
    """`act` (after the patch) is made if `call` returned more than zero, no longer if it returned an error."""

    act: Act
    call: Expr


def negative(change: FunctionChange) -> Negative | None:
    """The first such act, if the patch does not make it in another place as well."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or now.word != act.word or act.expr.kind != "call" or not undoes(act.word):
            continue
        answer = _asked(compared.before, act)
        elsewhere = any(other.word == act.word for other in compared.added)
        if answer and not elsewhere and _asked(compared.after, now) == f"{answer} > 0":
            call = next((v for v in _values(compared.before, answer) if _may_fail(compared.before, v)), None)
            if call is not None:
                return Negative(now, call)
    return None


def _asked(function: Function, act: Act) -> str:
    """The last test that an act hangs on, if it must hold."""
    test, outcome = reach(function).innermost(act.node)
    return test.expr.key if test is not None and test.expr is not None and outcome is True else ""


def _values(function: Function, answer: str) -> list[Expr]:
    return [value for value in assigned_values(function).get(answer, ()) if value.kind == "call"]


def _may_fail(function: Function, call: Expr) -> bool:
    """Whether a callee, or one that it calls in its file, names errors; where what takes something fails, there is
    nothing to undo.
    """
    if call.value in function.tables.gup or call.value in function.tables.takes_resource:
        return False
    callee = function.program.resolve(call.value, function.path) if call.value else None
    if callee is None or callee.source.returns.split()[-1:] not in (["int"], ["long"]):
        return False
    inner = (each for name in callee.calls for each in callee.program.named(callee.path, name))
    return any(_ERROR.search(each.text) for each in (callee, *inner))
