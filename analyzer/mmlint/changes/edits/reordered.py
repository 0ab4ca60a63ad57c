"""Functions that a patch leaves as they were but for the order of their statements: which two have changed places."""

from __future__ import annotations

from collections.abc import Iterable

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.slips import tokens
from mmlint.facts.cfg import Node
from mmlint.facts.function import keep
from mmlint.facts.reach import Reach, reach
from mmlint.frozen import dataclass

_STATEMENTS = ("expr", "decl")
_MOST = 6
"""Statements that move: more of them are a function written anew."""


@dataclass(frozen=True, slots=True)
class Turned:
    """Two statements, `first` and `second` by their order before the patch; `now_second` comes first after it."""

    first: Node
    second: Node
    now_first: Node
    now_second: Node


def reordered(change: FunctionChange) -> tuple[Turned, ...]:
    """The pairs of statements that have changed places, where nothing else has changed in the function."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.before.name != change.name:
        return ()
    return keep(compared.after, ("reordered", id(compared.before)), lambda: tuple(_turned(compared)))


def _turned(compared: Comparison) -> list[Turned]:
    before, after = compared.before, compared.after
    if sorted(tokens(before)) != sorted(tokens(after)):
        return []
    old, new = reach(before), reach(after)
    moved = _moved(compared, old, new)
    kept = _kept(compared, old, new) if moved else []
    if len(moved) > _MOST:
        return []
    found = []
    for was, now in moved:
        for other, there in kept + [pair for pair in moved if pair[0].line > was.line]:
            if _swapped(old, new, was, other, now, there):
                found.append(Turned(was, other, now, there))
            elif _swapped(old, new, other, was, there, now):
                found.append(Turned(other, was, there, now))
    return found


def _moved(compared: Comparison, old: Reach, new: Reach) -> list[tuple[Node, Node]]:
    """The statements that stand on another line now, as they were before and as they are: those told by their text."""
    gone = _by_text(n for n in old.order if n.line not in compared.lines)
    fresh = _by_text(n for n in new.order if n.line not in compared.standing)
    return [(gone[key][0], fresh[key][0]) for key in gone if len(gone[key]) == len(fresh.get(key, ())) == 1]


def _kept(compared: Comparison, old: Reach, new: Reach) -> list[tuple[Node, Node]]:
    there = {(n.line, n.expr.key): n for n in new.order if n.kind in _STATEMENTS and n.expr is not None}
    places = ((n, compared.lines.get(n.line)) for n in old.order if n.kind in _STATEMENTS and n.expr is not None)
    return [(n, there[line, n.expr.key]) for n, line in places if n.expr and line and (line, n.expr.key) in there]


def _by_text(nodes: Iterable[Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        if node.kind in _STATEMENTS and node.expr is not None:
            found.setdefault(node.expr.key, []).append(node)
    return found


def _swapped(old: Reach, new: Reach, first: Node, second: Node, now_first: Node, now_second: Node) -> bool:
    return (
        old.before(first, second)
        and not old.before(second, first)
        and new.before(now_second, now_first)
        and not new.before(now_first, now_second)
    )
