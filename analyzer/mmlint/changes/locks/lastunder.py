"""Releases whose last one takes a lock, and that a patch makes with that lock held: it was let go of first.

Before, the last reference was told apart by hand, and the lock released for what has to be done then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import family
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Drop, Take

_NAME = re.compile(r"\w+")
_Lock = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LastUnder:
    """`put` (of after) may do what `last` did behind `drop`, which is gone: the lock taken in line `line` is held."""

    put: Act
    drop: Act
    last: Act
    line: int


def last_under(change: FunctionChange) -> LastUnder | None:
    """The first such release."""
    compared = comparison(change)
    if (
        compared is None
        or change.patch.partial
        or not any(a.word in compared.before.tables.drops for a in compared.old)
    ):
        return None
    return next(_found(compared), None)


def _found(compared: Comparison) -> Iterator[LastUnder]:
    before, after, order = compared.before, compared.after, reach(compared.before)
    drops = [a for a in compared.removed if a.word in before.tables.drops and a.use == "bare"]
    for put in (a for a in compared.added if drops and a.expr.kind == "call" and a.use == "bare"):
        callee = after.program.resolve(put.word, after.path)
        about = {arg.key for arg in put.expr.args}
        for last in compared.removed if callee is not None else ():
            if callee is None or last.word not in callee.calls or not about & {arg.key for arg in last.expr.args}:
                continue
            for drop in (d for d in drops if order.before(d.node, last.node)):
                dropped = set(_locks(before.tables.drops, drop.expr))
                held = [h for h in locks(after).held_at(put.expr) if not h.gone and family(h.kind) in dict(dropped)]
                if held and dropped & _taken_by(before, last.word):
                    yield LastUnder(put, drop, last, held[0].line)


def _taken_by(function: Function, name: str) -> set[_Lock]:
    """The locks that a function may wait for, by what it calls in its file."""
    start = function.program.resolve(name, function.path)
    work, seen, found = [start] if start is not None else [], set(), set()
    while work:
        callee = work.pop()
        if callee in seen:
            continue
        seen.add(callee)
        for word, calls in callee.calls.items():
            work += callee.program.named(callee.path, word)
            for _, call in calls if word in callee.tables.takes else ():
                found |= set(_locks(callee.tables.takes, call))
    return found


def _locks(rows: Mapping[str, Sequence[Take | Drop]], call: Expr) -> Iterator[_Lock]:
    """The locks of a call that takes or drops some for sure: kind and last name."""
    for row in rows.get(call.value, ()):
        if row.mode != "try" and row.arg is not None and row.arg < len(call.args):
            yield family(row.kind), (_NAME.findall(call.args[row.arg].key) or [""])[-1]
