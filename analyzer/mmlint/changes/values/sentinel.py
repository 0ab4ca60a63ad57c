"""Special values that a patch writes as plain numbers where they are handed in, and does not ask for any more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass

_NUMBER = re.compile(r"-?(0x[0-9a-fA-F]+|\d+)[uUlL]*|NULL")


@dataclass(frozen=True, slots=True)
class Unasked:
    """`node` (after the patch) asks about what may be `name`, which `caller` hands in as `value` still."""

    node: Node
    name: str
    value: str
    caller: Function


def sentinel_unasked(change: FunctionChange) -> Unasked | None:
    """The special value that a function does not ask for any more, all other questions being as they were."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends:
        return None
    tests = [n for n in compared.after.cfg.order if n.kind == "branch" and n.expr is not None]
    for node in compared.gone:
        constant = _compared_with(node)
        if constant is None or constant in compared.after.words or change.patch.speaks_of(constant):
            continue
        spelled = next(_spelled_out(change, constant), None)
        about = {e.key for e in node.expr.args} - {constant} if node.expr is not None else set()
        naming = [n for n in tests if n.expr is not None and about & {e.key for e in n.expr.walk()}]
        if spelled is not None and naming and not any(_asks_for(n.expr, spelled[1], about) for n in naming):
            caller, value = spelled
            return Unasked(naming[0], constant, value, caller)
    return None


def _asks_for(expr: Expr | None, value: str, about: set[str]) -> bool:
    """Whether a test compares with the value, or asks whether there is any."""
    keys = [arg.key for arg in expr.args] if expr is not None else []
    return value in keys or (expr is not None and expr.key.lstrip("!") in about)


def _compared_with(node: Node) -> str | None:
    """The constant that a test compares something with."""
    expr = node.expr
    if node.kind != "branch" or expr is None or expr.kind != "binary" or expr.value not in ("==", "!="):
        return None
    return next((arg.value for arg in expr.args if _constant(arg)), None)


def _constant(expr: Expr) -> bool:
    return expr.kind == "name" and expr.value.isupper()


def _spelled_out(change: FunctionChange, constant: str) -> Iterator[tuple[Function, str]]:
    """Who hands in a number, after the patch, where it handed in the constant."""
    for other in change.others:
        compared = comparison(other)
        for _, _, was, now in compared.reworded() if compared is not None else ():
            if was.key == constant and _NUMBER.fullmatch(now.key) and compared is not None:
                yield compared.after, now.key
