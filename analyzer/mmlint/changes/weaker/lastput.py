"""Releases of one reference that a patch exchanges for what is done once the last one is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.compare import Comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import translate
from mmlint.facts.private import known_to_others
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act

_LAST = re.compile(
    r"_and_test|testzero|_dec_return|fetch_(dec|sub)|_freeze$|only_one|ref_count|refcount_read|atomic_read"
)
"""Calls that tell whether a count has come to its end."""
_DROPS = re.compile(r"_and_(test|lock)|testzero")
_NOT_COUNTED = re.compile(r"^(mem(set|cpy)|IS_ERR|PTR_ERR)|(^|_)init|lock|free")


def last_put(compared: Comparison) -> Iterator[tuple[Act, Act]]:
    """The calls that dropped a count, each with the one in its place that its body makes for the last count only."""
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if act.expr.kind != "call" or not act.expr.args or (now is not None and now.word == act.word):
            continue
        near = [now] if now is not None else compared.added
        near = [a for a in near if a.expr.kind == "call" and a.use == "bare" and a.names & act.names]
        callee = compared.before.program.resolve(act.word, compared.before.path) if near else None
        for other in near if callee is not None else ():
            if callee is not None and _behind_last(callee, act.expr, other.expr) and shared(compared, act):
                yield act, other
                break


def _behind_last(callee: Function, put: Expr, now: Expr) -> bool:
    """Whether a function makes a call of the same thing only where a count has come to its end."""
    order = reach(callee)
    for node, call in callee.calls.get(now.value, ()):
        keys = [translate(arg.key, callee, put) for arg in call.args]
        asked = (
            test.expr
            for test in order.order
            if test.kind == "branch" and test.expr is not None and order.chosen(test, node) is not None
        )
        if keys[:1] == [arg.key for arg in now.args[:1]] and any(
            _DROPS.search(c.value) for e in asked for c in e.calls()
        ):
            return True
    return False


def shared(compared: Comparison, act: Act) -> bool:
    """Whether others may hold what a call gave one reference up of: the patch asks for no count instead, and the
    function did not make the thing for itself alone.
    """
    if any(_LAST.search(other.word) for other in compared.added):
        return False
    held = act.expr.args[0] if act.expr.args else act.expr
    while held.kind == "field" or (held.kind == "unary" and held.value == "&"):
        held = held.args[0]
    root = held.value if held.kind == "name" else ""
    return known_to_others(compared.before, root, act.node, _NOT_COUNTED)
