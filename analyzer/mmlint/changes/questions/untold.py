"""Failures that a patch keeps from whoever called: a function that told of them returns nothing now, or a
helper that asked for them is written out without its questions.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, acts
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_ENDS = frozenset({"__GFP_NOFAIL", "panic", "BUG", "BUG_ON"})


@dataclass(frozen=True, slots=True)
class Untold:
    """`call` (of after) may fail as before, and `caller` made something of what the function said of it."""

    call: Expr
    caller: Function


def untold(change: FunctionChange) -> Untold | None:
    """The first call whose failure a function handed on to a caller that listened, before it returned nothing."""
    compared = comparison(change)
    if compared is None or change.patch.partial or len(compared.before.params) != len(compared.after.params):
        return None
    before, after = compared.before, compared.after
    if _void(before) or not _void(after) or not _ENDS.isdisjoint(after.words - before.words):
        return None
    caller = next((f for f in _callers(change) if _listens(f, before.name)), None)
    for act in compared.old if caller is not None else ():
        now = compared.pairs.get(id(act))
        if caller is None or now is None or now.word != act.word or not _handed_on(before, act):
            continue
        if _can_fail(after, now):
            return Untold(now.expr, caller)
    return None


def _can_fail(function: Function, act: Act) -> bool:
    """Whether a call is known to fail where memory is short, or its body returns errors: what only helps debugging may
    go unasked.
    """
    tables = function.tables
    sleep = tables.sleeps.get(act.word)
    if (sleep is not None and sleep.when == "gfp") or act.word in tables.takes_resource or act.word in tables.senses:
        return True
    callee = function.program.resolve(act.word, function.path)
    results = (n.expr for n in callee.cfg.order if n.kind == "return") if callee is not None else ()
    return any(result is not None and result.key.startswith(("-E", "ERR_PTR(-E")) for result in results)


def _void(function: Function) -> bool:
    return function.source.returns.split()[-1:] == ["void"]


def _callers(change: FunctionChange) -> Iterator[Function]:
    """The functions, as they were, that call it on both sides of the patch."""
    for other in change.others:
        if other.before is not None and other.after is not None and change.name in other.after.calls:
            yield other.before


def _listens(function: Function, name: str) -> bool:
    return any(act.word == name and act.use != "bare" for act in acts(function))


def _handed_on(function: Function, act: Act) -> bool:
    """Whether the failure of a call is what the function returns then: an error, or the very answer."""
    if act.expr.kind != "call" or tells(act.word):
        return False
    if act.use == "return":
        return True
    order, root = reach(function), act.node.expr
    keeper = root.args[0].key if root is not None and root.kind == "assign" and root.args[1] is act.expr else ""
    returned = {n.expr.key for n in order.order if n.kind == "return" and n.expr is not None}
    failures = [n for n in order.order if _failure(n, returned, keeper)]
    return any(order.innermost(node)[0] in act.tests for node in failures)


def _failure(node: Node, returned: set[str], keeper: str) -> bool:
    """Whether a statement makes an error, or what `keeper` holds, the result."""
    value = node.expr
    if value is not None and value.kind == "assign" and value.args[0].key in returned:
        value = value.args[1]
    elif node.kind != "return":
        return False
    return value is not None and (value.key == keeper or value.key.startswith(("-E", "ERR_PTR(-E")))


def written_out(change: FunctionChange) -> Expr | None:
    """The first call that stands in the place of a helper which a function asked whether it failed: the helper asked
    the call itself, and nobody does now.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    for act in compared.removed:
        helper = compared.before.program.resolve(act.word, change.file.path) if act.expr.kind == "call" else None
        if helper is None or helper.path != compared.before.path or not act.tests or act.word in compared.after.words:
            continue
        asked = {inner.word for inner in acts(helper) if _handed_on(helper, inner)}
        bare = (a.expr for a in compared.added if a.expr.kind == "call" and a.use == "bare" and a.word in asked)
        found = next(bare, None)
        if found is not None:
            return found
    return None
