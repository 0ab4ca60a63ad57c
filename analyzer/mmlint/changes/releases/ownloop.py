"""References of elements that were taken or given up as a loop came by them, and are in a loop of their own now, which
begins somewhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.loops import in_loop, natural_loops
from mmlint.facts.steps import Act
from mmlint.facts.things import given
from mmlint.frozen import dataclass

_COUNTS = re.compile(r"(^|_)(get|put|ref|unref|pin|unpin|hold)(s?_|s?$)")


@dataclass(frozen=True, slots=True)
class Restarted:
    """`now` (of after) goes through elements from `begins` on; before the patch they might begin with `began`."""

    now: Act
    began: str
    begins: str


def restarted(change: FunctionChange) -> Restarted | None:
    """The first such call, if the patch takes no other call of that sort away and adds none."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    gone = [act for act in (*compared.removed, *compared.added) if act.expr.kind == "call"]
    if any(_counts(compared.before, act) for act in gone):
        return None
    return next(_restarted(compared), None)


def _restarted(compared: Comparison) -> Iterator[Restarted]:
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or id(act) in compared.still or act.word != now.word or not _counts(compared.before, act):
            continue
        for index, new_index in _indices(act, now):
            if not _counted_on(compared.after, index):
                continue
            old, new = _starts(compared.before, act.node, index), _starts(compared.after, now.node, new_index)
            if new and len(new) == 1 and old - new:
                yield Restarted(now, min(old - new), next(iter(new)))


def _counts(function: Function, act: Act) -> bool:
    """Whether a call takes or gives up references."""
    known = act.word in function.tables.takes_resource or bool(given(function, act.word, act.expr))
    return known or (act.expr.kind == "call" and _COUNTS.search(act.word) is not None)


def _indices(act: Act, now: Act) -> Iterator[tuple[str, str]]:
    """The variables that count the elements in two calls, which are the same but for those."""
    if len(act.expr.args) != len(now.expr.args):
        return
    for old, new in zip(act.expr.args, now.expr.args, strict=True):
        for a, b in zip(old.walk(), new.walk(), strict=False):
            if a.kind == b.kind == "name" and re.sub(rf"\b{a.value}\b", b.value, act.expr.key) == now.expr.key:
                yield a.value, b.value


def _counted_on(function: Function, name: str) -> bool:
    """Whether a loop of the function counts a variable on, one by one."""
    return any(
        op == "update" and expr.args[0].key == name and in_loop(function, node)
        for node in function.cfg.order
        for op, expr in node.events
    )


def _starts(function: Function, node: Node, name: str) -> frozenset[str]:
    """The values with which a variable may come into the innermost loop around a node that counts it on; none where
    they are not all known, or the loop sets it otherwise.
    """
    for head, body in natural_loops(function):
        if node.id not in body:
            continue
        inside = [n for n in function.cfg.order if n.id in body and n.sets(name)]
        if not inside:
            continue
        if any(op == "assign" and e.args[0].key == name for n in inside for op, e in n.events):
            return frozenset()
        return _reaching(function, head, body, name)
    return frozenset()


def _reaching(function: Function, head: Node, body: frozenset[int], name: str) -> frozenset[str]:
    found: set[str] = set()
    setters = [n for n in function.cfg.order if n.sets(name) and n.id not in body]
    for setter in setters:
        behind = graph.after([t for t, _ in setter.succ], lambda n: n.sets(name))
        if head.id in behind:
            values = [e.args[1] for op, e in setter.events if op == "assign" and e.args[0].key == name]
            if len(values) != 1 or values[0].kind not in ("num", "name", "field"):
                return frozenset()
            found.add(values[0].key)
    return frozenset(found)
