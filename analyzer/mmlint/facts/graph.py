"""Questions about a control-flow graph alone: what comes after a node, before it, and round it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mmlint.facts.cfg import Cfg, Node

_ARM = 10
_WIDE_ARM = 24


def after(start: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> set[int]:
    """The ids of the nodes that control may reach from `start` (included); it does not go on behind a `stop` node."""
    found = list(start)
    seen = {n.id for n in found}
    work = [n for n in found if stop is None or not stop(n)]
    while work:
        for target, _ in work.pop().succ:
            if target.id not in seen:
                seen.add(target.id)
                if stop is None or not stop(target):
                    work.append(target)
    return seen


def before(end: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> set[int]:
    """The ids of the nodes from which control may reach one of `end` (included); it does not go back beyond a `stop`
    node.
    """
    work = list(end)
    seen = {n.id for n in work}
    while work:
        for source in work.pop().pred:
            if source.id not in seen:
                seen.add(source.id)
                if stop is None or not stop(source):
                    work.append(source)
    return seen


def always_through(cfg: Cfg, gates: Iterable[Node], target: Node) -> bool:
    """Whether every way from the entry to `target` passes one of `gates`."""
    ids = {n.id for n in gates}
    return target.id not in after([cfg.entry], lambda node: node.id in ids) or target.id in ids


def is_retry(cfg: Cfg) -> Callable[[Node], bool]:
    """A test for labels that a `goto` further down jumps back to."""
    rank = {node.id: i for i, node in enumerate(cfg.order)}
    heads = {
        n.id for n in cfg.order if n.kind == "nop" and n.name and any(rank.get(p.id, 0) > rank[n.id] for p in n.pred)
    }
    return lambda node: node.id in heads


def skips(branch: Node, taken: Node, wanted: set[int]) -> bool:
    """Whether the branch, on its way to `taken`, goes round a short straight arm that has a node of `wanted` in it."""
    return any(_straight(arm, taken, wanted) for arm, _ in branch.succ if arm is not taken)


def _straight(node: Node, join: Node, wanted: set[int]) -> bool:
    passed = False
    for _ in range(_ARM):
        if node is join:
            return passed
        passed |= node.id in wanted
        if len(node.succ) != 1:
            return False
        node = node.succ[0][0]
    return False


def rejoins(start: Node, join: Node, wanted: set[int]) -> bool:
    """Whether the arm that begins at `start` soon passes a node of `wanted` and then comes to `join`."""
    near = _near([start], join)
    return any(join.id in {t.id for n in _near([drop], join) for t, _ in n.succ} for drop in near if drop.id in wanted)


def _near(start: list[Node], join: Node) -> list[Node]:
    """Up to `_WIDE_ARM` nodes from `start` on, breadth first, without going through `join`."""
    found: list[Node] = []
    work = list(start)
    while work and len(found) < _WIDE_ARM:
        node = work.pop(0)
        if node is not join and node not in found:
            found.append(node)
            work += [t for t, _ in node.succ]
    return found
