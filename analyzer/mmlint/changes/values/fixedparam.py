"""Parameters that a patch takes away though the callers said different things by them: all get the same answer now."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import plain
from mmlint.frozen import dataclass

_CONSTANT = re.compile(r"true|false|NULL|[A-Z][A-Z0-9_]+|-?\d+")
_SAME = {"0": "false", "1": "true", "NULL": "false"}


@dataclass(frozen=True, slots=True)
class Fixed:
    """`node` (after the patch) goes by `value` where it went by `param`, which `caller` handed in as `said`."""

    node: Node
    param: str
    value: str
    caller: Function
    said: str


def fixed_param(change: FunctionChange) -> Fixed | None:
    """The parameter that is gone, if what stands in its place is right for some of the callers only."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.before.name != change.name:
        return None
    place = _dropped(compared)
    param = compared.before.source.params[place] if place is not None else None
    if place is None or param is None or not param.name or "*" in param.type_text:
        return None
    found = _handed_on(compared, param.name) or _decided(compared, param.name)
    if found is None or any(node.sets(param.name) for node in compared.before.cfg.order):
        return None
    node, value = found
    others = ((caller, said) for caller, said in _said(change, place) if _same(said) != _same(value))
    return next((Fixed(node, param.name, value, caller, said) for caller, said in others), None)


def _dropped(compared: Comparison) -> int | None:
    """The place of the one parameter that is gone, all others being as they were."""
    was, now = ([(p.name, p.type_text) for p in side.source.params] for side in (compared.before, compared.after))
    places = (i for i in range(len(was)) if was[:i] + was[i + 1 :] == now)
    return next(places, None)


def _same(value: str) -> str:
    return _SAME.get(value, value)


def _handed_on(compared: Comparison, param: str) -> tuple[Node, str] | None:
    """The call that got the parameter, and the constant that it gets now."""
    found = [
        (now.node, there.key)
        for _, now, was, there in compared.reworded()
        if was.key == param and _CONSTANT.fullmatch(there.key)
    ]
    return found[0] if len({value for _, value in found}) == 1 else None


def _decided(compared: Comparison, param: str) -> tuple[Node, str] | None:
    """What stands where the parameter was asked for, and the answer by which it is done or left out now."""
    order = reach(compared.before)
    asking = [n for n in order.order if n.expr is not None and param in n.expr.names()]
    test = asking[0] if len(asking) == 1 else None
    place = compared.behind(test) if test is not None else None
    if test is None or place is None or test.kind != "branch" or plain(test).lstrip("!") != param:
        return None
    calls = [act for act in compared.old if act.expr.kind == "call"]
    arms = {side: [a for a in calls if order.chosen(test, a.node) is side] for side in (True, False)}
    done = {side: {id(a) in compared.pairs for a in acts} for side, acts in arms.items() if acts}
    answers = {side is is_ for side, each in done.items() for is_ in each}
    if len(answers) != 1:
        return None
    return place, "true" if answers == {not plain(test).startswith("!")} else "false"


def _said(change: FunctionChange, place: int) -> Iterator[tuple[Function, str]]:
    """What the callers handed in by constants, where they do nothing else now in its place."""
    for other in change.others:
        compared = comparison(other)
        if compared is None or any(act.expr.kind == "call" for act in compared.added):
            continue
        for act in compared.old:
            now = compared.pairs.get(id(act))
            if (
                act.word == change.name
                and now is not None
                and now.word == act.word
                and _fits(act.expr, now.expr, place)
            ):
                yield compared.after, act.expr.args[place].key


def _fits(was: Expr, now: Expr, place: int) -> bool:
    """Whether a call hands in the same as before, but for one constant that it leaves out."""
    keys = [arg.key for arg in was.args]
    return (
        place < len(keys)
        and _CONSTANT.fullmatch(keys[place]) is not None
        and keys[:place] + keys[place + 1 :] == [arg.key for arg in now.args]
    )
