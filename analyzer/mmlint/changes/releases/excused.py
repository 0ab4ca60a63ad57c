"""Why a life of a thing that looks worse after a patch is none: it is told otherwise now, or another gives it up."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.owners.states import Life
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare
from mmlint.facts.things import Thing, kind_of, things


def released(function: Function) -> dict[Thing, list[tuple[Node, Expr]]]:
    """The things that a function gives up, with the calls that do."""
    return {thing: calls for thing, calls in things(function).items() if calls}


def given_up(function: Function, kind: str) -> int:
    """How many calls of a function give things of a kind up."""
    return sum(len(calls) for thing, calls in things(function).items() if thing.kind == kind)


def instead(before: Function, after: Function, thing: Thing) -> bool:
    """Whether the patch gives up another thing of the kind where this one is not: there is one or the other."""
    order = reach(after)
    mine = [node for node, _ in things(after)[thing]]
    old = released(before)
    others = [
        node
        for other, calls in released(after).items()
        if other.kind == thing.kind and other.key != thing.key and other not in old
        for node, _ in calls
    ]
    return bool(mine) and any(not any(order.together(node, own) for own in mine) for node in others)


def comes_otherwise(before: Function, after: Function, thing: Thing) -> bool:
    """Whether a call that the function did not make before, and that takes nothing by the tables, gives the lvalue
    something else than what is taken.
    """
    takers = after.tables.takes_resource
    sources = {value.value for value in assigned_values(after).get(thing.key, ()) if value.kind == "call"}
    known = {name for name in sources if any(kind_of(row.resource) == thing.kind for row in takers.get(name, ()))}
    return bool(known) and any(name not in before.words and name not in takers for name in sources - known)


def done_by_callee(change: FunctionChange, thing: Thing) -> bool:
    """Whether a function that this one called gave a thing of the kind up, and leaves that to this one now."""
    called = change.before.calls.keys() if change.before is not None else frozenset()
    return any(
        other.before is not None
        and other.after is not None
        and other.before.name in called
        and given_up(other.after, thing.kind) < given_up(other.before, thing.kind)
        for other in change.others
    )


def by_new_member(change: FunctionChange, after: Function, life_: Life) -> bool:
    """Whether all releases hang on a member that the patch brings and another of its functions sets: it says whether
    there is something to give up.
    """
    order = reach(after)
    members = [
        {
            bare(n.expr).value
            for n in order.order
            if n.kind == "branch"
            and n.expr is not None
            and bare(n.expr).kind == "field"
            and order.chosen(n, node) is not None
        }
        for node, _ in life_.releases
    ]
    fresh = {m for m in set().union(*members) if re.search(rb"\b" + m.encode() + rb"\b", change.file.before) is None}
    others = [other.after for other in change.others if other.after is not None]
    return bool(members) and all(found & fresh for found in members) and any(fresh & side.words for side in others)
