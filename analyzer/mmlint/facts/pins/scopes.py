"""How far the release of an object reaches: which functions lead to it, and whether the object leaves its maker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.locks.above import callers
from mmlint.facts.values import refine


def leading_to(function: Function, givers: Iterable[Function], depth: int) -> Iterator[Function]:
    """The functions of the file that lead to one of `givers`, those too, at most `depth` calls up; never `function`."""
    work = [(giver, 0) for giver in givers]
    seen: set[str] = set()
    while work:
        here, steps = work.pop()
        if here.name in seen or here is function:
            continue
        seen.add(here.name)
        yield here
        if steps < depth:
            users = [f for f in function.program.functions(function.path) if here.name in f.words and f is not here]
            work += [(f, steps + 1) for f in users]


def in_scope(function: Function, givers: Iterable[Function]) -> bool:
    """Whether every object that `function` may keep pages in is made and given up by one and the same function.

    The makers are those of the file that return the type of one of its parameters; all of their callers that are seen
    must hand the object, on every way to an exit, to a function that leads to a release.
    """
    program = function.program
    types = {p.type_text for p in function.source.params if p.type_text.startswith("struct ")}
    makers = [f for f in program.functions(function.path) if f.source.returns.removeprefix("static ") in types]
    enders = {f.name for f in leading_to(function, givers, 2)}
    uses = [(user, maker) for maker in makers for user in callers(maker)]
    return bool(uses) and all(_ends(user, maker.name, enders) for user, maker in uses)


def _ends(user: Function, maker: str, enders: set[str]) -> bool:
    """Whether on every way from each call of `maker` to an exit of `user` the object is handed to an ender."""
    for node, call in user.calls.get(maker, ()):
        target = call_targets(user).get(id(call))
        if target is None or target.kind != "name" or not _always_ended(node, target.value, enders):
            return False
    return maker in user.calls


def _always_ended(node: Node, name: str, enders: set[str]) -> bool:
    work = list(node.succ)
    seen: set[int] = set()
    while work:
        here = work.pop()[0]
        if here.id in seen:
            continue
        seen.add(here.id)
        calls = here.expr.calls() if here.expr is not None else ()
        if any(call.value in enders and any(arg.key == name for arg in call.args) for call in calls):
            continue
        if here.kind in ("return", "exit"):
            return False
        test = here.expr if here.kind == "branch" else None
        work += [way for way in here.succ if test is None or refine(test, bool(way[1]), {name: "ok"}) is not None]
    return True
