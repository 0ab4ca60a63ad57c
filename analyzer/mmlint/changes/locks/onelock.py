"""Two locks that may be one: the comparison that kept a function from taking it twice, and that a patch takes away."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.balance import takers
from mmlint.facts.locks.held import family, root_of
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.frozen import dataclass

_COMPARES = frozenset({"==", "!=", "<", ">", "<=", ">="})
_Pair = frozenset[str]


@dataclass(frozen=True, slots=True)
class Unasked:
    """A lock `inner` that is taken at `call` with `outer` held, though they may be one and the same."""

    call: Expr
    outer: str
    inner: str


def identity_lost(change: FunctionChange) -> Unasked | None:
    """The pair of locks of one kind that a function still takes inside each other and no longer tells apart."""
    before, after = change.before, change.after
    if before is None or after is None or not lock_tokens(before) or not lock_tokens(after) or change.named_elsewhere:
        return None
    asked = _compared(before) - _compared(after)
    if not asked or comparison(change) is None or locks(before).flow.overflow or locks(after).flow.overflow:
        return None
    old = dict(_nested(before))
    for pair, (kind, found) in _nested(after):
        if pair in asked and pair in old and not _asked_otherwise(after, pair, kind):
            return found
    return None


def _compared(function: Function) -> set[_Pair]:
    """The pairs of lvalues that the function compares, wherever it does."""
    exprs = (e for node in function.cfg.order if node.expr is not None for e in node.expr.walk())
    return {
        frozenset(arg.key.removeprefix("&") for arg in e.args)
        for e in exprs
        if e.kind == "binary" and e.value in _COMPARES
    }


def _nested(function: Function) -> Iterator[tuple[_Pair, tuple[str, Unasked]]]:
    """The pairs of locks of one kind of which one is waited for with the other held."""
    taken: dict[tuple[int, str], set[tuple[str, str]]] = {}
    for _, held in takers(function):
        taken.setdefault((held.line, held.name), set()).add((family(held.kind), held.key))
    for name, rows in ((name, function.tables.takes.get(name, ())) for name in function.calls):
        for _, call in function.calls[name] if rows and rows[0].mode != "try" else ():
            mine = sorted(taken.get((call.line, name), ()))
            for outer in (held for held in locks(function).held_at(call) if held.key):
                for kind, key in mine:
                    if kind == family(outer.kind) and key and key != outer.key:
                        pair = frozenset(each.removeprefix("&") for each in (key, outer.key))
                        yield pair, (outer.kind, Unasked(call, outer.key, key))


def _asked_otherwise(function: Function, pair: _Pair, kind: str) -> bool:
    """Whether a call is handed both locks, or what they lie in is compared: that tells locks apart which are part of
    it. Entries and tables tell nothing of page-table locks: many share one.
    """
    handed = (call for name, calls in function.calls.items() for _, call in calls if name not in function.tables.takes)
    if any(pair <= {arg.key.removeprefix("&") for arg in call.args} for call in handed):
        return True
    a, b = (_owners(function, key) for key in sorted(pair))
    owners = [found for found in _compared(function) if len(found) == 2 and found & a and found & b]
    return kind != "ptl" and bool(owners)


def _owners(function: Function, key: str) -> set[str]:
    """What a lock may lie in: the variable that its text begins with, and those that it is computed from."""
    root = root_of(key)
    return {root} | {name for value in assigned_values(function).get(root, ()) for name in value.names()}
