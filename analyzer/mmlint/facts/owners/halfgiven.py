"""References that a helper of the file gives up where it fails in one way and keeps where it fails in another, and
that its caller does not give up on that way either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.owners.lifetimes import life
from mmlint.facts.owners.resources import acquirers
from mmlint.facts.owners.states import GIVEN, HELD
from mmlint.facts.reach import reach
from mmlint.facts.things import Thing, holder_of, kind_of, things
from mmlint.facts.values import evaluate, is_zero
from mmlint.frozen import dataclass

_FAILS = re.compile(r"-E[A-Z]\w*$|false$|NULL$")


@dataclass(frozen=True, slots=True)
class HalfGiven:
    """`exit` keeps what `take` took: `call` does not give it up where it says `code`, as it does elsewhere."""

    take: Expr
    thing: Thing
    call: Expr
    code: str
    exit: Node


@fact
def half_given(function: Function) -> tuple[HalfGiven, ...]:
    """The first such way out for each call of such a helper."""
    found = []
    for take, node, thing in _taken(function):
        for call_node, call, helper, name in _handed(function, node, thing):
            codes = _kept_on(helper, Thing(name, thing.kind))
            outs = ((code, _way_out(function, thing.key, call_node, call, code)) for code in codes)
            found += [HalfGiven(take, thing, call, code, out) for code, out in outs if out is not None][:1]
    return tuple(found)


def _taken(function: Function) -> Iterator[tuple[Expr, Node, Thing]]:
    """What the function takes and keeps in a variable."""
    takes, helpers = function.tables.takes_resource, acquirers(function)
    named = {**function.calls_of(takes), **(function.calls_of(helpers) if helpers else {})}
    for name, calls in named.items():
        for node, call in calls:
            for row in takes.get(name) or helpers[name]:
                key = holder_of(function, call, row) if row.holder == "result" else ""
                if key.isidentifier():
                    yield call, node, Thing(key, kind_of(row.resource))


def _handed(function: Function, take: Node, thing: Thing) -> Iterator[tuple[Node, Expr, Function, str]]:
    """The helpers of the file that get the thing while it is held, with the name that it has there."""
    order = reach(function)
    releases = [node for node, _ in things(function).get(thing, ())]
    for name, calls in function.calls.items():
        for node, call in calls:
            places = [i for i, arg in enumerate(call.args) if arg.key == thing.key]
            if len(places) != 1 or node.id not in order.rank or take.id not in order.rank:
                continue
            between = any(order.before(take, each) and order.before(each, node) for each in releases)
            helper = next(iter(function.program.named(function.path, name)), None)
            if helper is None or helper is function or between or not order.dominates(take, node):
                continue
            if places[0] < len(helper.params):
                yield node, call, helper, helper.params[places[0]]


def _kept_on(helper: Function, thing: Thing) -> list[str]:
    """What the helper says where it fails and keeps the thing, if it gives that up where it fails otherwise."""
    inside = life(helper, thing) if things(helper).get(thing) else None
    ways = inside.exits.items() if inside is not None else ()
    failing = [(way.code if _FAILS.match(way.code) else way.result, set(levels)) for way, levels in ways]
    failing = [(code, levels) for code, levels in failing if _FAILS.match(code)]
    given = {code for code, levels in failing if levels == {GIVEN}}
    return [code for code, levels in failing if levels == {HELD} and code not in given] if given else []


def _way_out(function: Function, key: str, node: Node, call: Expr, code: str) -> Node | None:
    """The return to which control comes after the call has said `code`, with nothing done about the thing."""
    holder = call_targets(function).get(id(call))
    answer = holder.key if holder is not None else call.key
    work, seen = [node], set()
    while work:
        here = work.pop()
        if here.id in seen or (here is not node and _settles(function, here, key)):
            continue
        seen.add(here.id)
        if here.kind == "return":
            return here if here is not node else None
        told = _decided(here, answer, code)
        work += [target for target, label in here.succ if told is None or label is told]
    return None


def _settles(function: Function, node: Node, key: str) -> bool:
    """Whether a node may give the thing up, hands it on, or makes the variable stand for another one."""
    if node.sets(key) or (node.kind == "return" and node.expr is not None and key in node.expr.names()):
        return True
    stored = any(op == "assign" and key in e.args[1].names() for op, e in node.events)
    calls = (e for op, e in node.events if op == "call" and e.value not in function.tables.guards)
    return stored or any(key in arg.names() for call in calls for arg in call.args)


def _decided(node: Node, answer: str, code: str) -> bool | None:
    """The outcome of a branch when the call has said `code`; None if it is about something else."""
    expr = node.expr
    if node.kind != "branch" or expr is None:
        return None
    keys = [arg.key for arg in expr.args]
    if expr.kind == "binary" and expr.value in ("==", "!=") and answer in keys:
        return (code in keys) is (expr.value == "==")
    zero = is_zero(evaluate(_named(expr, answer), {"answer": "<0" if code.startswith("-") else "0"}))
    return None if zero is None else not zero


def _named(expr: Expr, answer: str) -> Expr:
    """The expression with the answer of the call as a plain name."""
    if expr.key == answer:
        return Expr("name", "answer", (), expr.line)
    return Expr(expr.kind, expr.value, tuple(_named(a, answer) for a in expr.args), expr.line) if expr.args else expr
