"""What lies before what in a function when each loop is gone through once: reachability without back edges.

The end of a loop's body leads on to what follows the loop; a `goto` back to a label leads nowhere, for what comes after
the label is then done again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Set

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact


class Reach:
    """Reachability over forward edges. Ranks count in an order that every forward edge ascends."""

    def __init__(self, function: Function) -> None:
        graph = function.cfg
        forward, back = _forward(graph.entry)
        for tail, head in back:
            forward[tail.id] += _exits(tail, head)
        self.order = _topological(graph.entry, forward)
        self.rank = {node.id: i for i, node in enumerate(self.order)}
        self.next = [[j for t in forward[n.id] if (j := self.rank[t.id]) > i] for i, n in enumerate(self.order)]
        self.after = [0] * len(self.order)
        for i in range(len(self.order) - 1, -1, -1):
            mask = 0
            for j in self.next[i]:
                mask |= self.after[j] | (1 << j)
            self.after[i] = mask
        self.exit = self.rank.get(graph.exit.id)
        self._looping = {tail.id for tail, _ in back}
        self.back = back
        """The edges that close a cycle; the head of one made by `goto` has the label's name."""
        self._branches = [i for i, node in enumerate(self.order) if node.kind == "branch"]
        self._sides: dict[tuple[int, bool], int] = {}

    def before(self, a: Node, b: Node) -> bool:
        """Whether control may pass `a` and later `b`, without going round a loop."""
        return bool(self.after[self.rank[a.id]] >> self.rank[b.id] & 1)

    def together(self, a: Node, b: Node) -> bool:
        """Whether one path may pass both."""
        return a is b or self.before(a, b) or self.before(b, a)

    def dominates(self, a: Node, b: Node) -> bool:
        """Whether every way from the entry to `b` passes `a`."""
        return not self._avoids(0, self.rank[b.id], self.rank[a.id])

    def follows(self, a: Node, b: Node) -> bool:
        """Whether every way from `a` to the exit passes `b`."""
        return self.exit is not None and not self._avoids(self.rank[a.id], self.exit, self.rank[b.id])

    def always_meets(self, branch: Node, outcome: bool, nodes: Iterable[Node]) -> bool:
        """Whether every way from one outcome of a branch to the exit passes one of `nodes`."""
        met = {self.rank[node.id] for node in nodes}
        starts = [self.rank[target.id] for target, label in branch.succ if label is outcome]
        return self.exit is not None and not any(self._escapes(start, self.exit, met) for start in starts)

    def meets(self, start: Node, nodes: Iterable[Node]) -> bool:
        """Whether every way from `start` to the exit passes one of `nodes`."""
        met = {self.rank[node.id] for node in nodes} - {self.rank[start.id]}
        return self.exit is not None and not self._escapes(self.rank[start.id], self.exit, met)

    def escapes(self, start: Node, end: Node, gates: Iterable[Node]) -> bool:
        """Whether some way from `start` to `end` passes none of `gates`, which may be the two themselves."""
        met = {self.rank[gate.id] for gate in gates if gate.id in self.rank}
        first, last = self.rank[start.id], self.rank[end.id]
        return met.isdisjoint((first, last)) and self._escapes(first, last, met)

    def _avoids(self, start: int, end: int, middle: int) -> bool:
        """Whether some way from `start` to `end` does not pass `middle`."""
        return middle not in (start, end) and self._escapes(start, end, {middle})

    def _escapes(self, start: int, end: int, met: Set[int]) -> bool:
        seen, work = set(met), [start]
        while work:
            i = work.pop()
            if i == end:
                return True
            if i not in seen and i < end:
                seen.add(i)
                work += self.next[i]
        return False

    def side(self, branch: Node, outcome: bool) -> int:
        """The nodes (as a mask of ranks) that may follow one outcome of a branch."""
        key = (self.rank[branch.id], outcome)
        found = self._sides.get(key)
        if found is None:
            mask, here = 0, self.next[key[0]]
            for target, label in branch.succ:
                j = self.rank[target.id]
                if label is outcome and j in here:
                    mask |= self.after[j] | (1 << j)
            found = self._sides[key] = mask
        return found

    def ends(self, branch: Node, outcome: bool) -> bool:
        """Whether one side of a branch never gets back to the caller (`BUG_ON`, `panic`) and does not loop."""
        targets = [target for target, label in branch.succ if label is outcome]
        if any(self.rank[target.id] <= self.rank[branch.id] for target in targets):
            return False
        mask = self.side(branch, outcome)
        if self.exit is None or not targets or mask >> self.exit & 1:
            return not targets or self.exit is None
        return not any(mask >> self.rank[id_] & 1 for id_ in self._looping)

    def chosen(self, branch: Node, node: Node) -> bool | None:
        """The outcome of `branch` on which alone `node` follows; None if it follows both or neither."""
        bit = self.rank[node.id]
        yes, no = self.side(branch, True) >> bit & 1, self.side(branch, False) >> bit & 1
        return None if yes == no else bool(yes)

    def innermost(self, node: Node) -> tuple[Node | None, bool | None]:
        """The last branch of which `node` is on one side only, and that side."""
        for i in reversed(self._branches[: bisect_left(self._branches, self.rank[node.id])]):
            outcome = self.chosen(self.order[i], node)
            if outcome is not None:
                return self.order[i], outcome
        return None, None

    def leaves(self, branch: Node, node: Node) -> bool:
        """Whether `node` stands on the side of a branch that goes less far: an early exit."""
        outcome = self.chosen(branch, node)
        if outcome is None:
            return False
        return self.side(branch, outcome).bit_count() < self.side(branch, not outcome).bit_count()


def once(order: Reach, kinds: tuple[str, ...], text: Callable[[Node], str]) -> dict[str, Node]:
    """The nodes of these kinds by their text, those that occur once; what has no text is left out."""
    found: dict[str, list[Node]] = {}
    for node in order.order:
        if node.kind in kinds and node.expr is not None and (key := text(node)):
            found.setdefault(key, []).append(node)
    return {key: nodes[0] for key, nodes in found.items() if len(nodes) == 1}


def _forward(entry: Node) -> tuple[dict[int, list[Node]], list[tuple[Node, Node]]]:
    """The edges without those that close a cycle, and those."""
    forward: dict[int, list[Node]] = {entry.id: []}
    back: list[tuple[Node, Node]] = []
    open_ = {entry.id}
    stack = [(entry, iter(entry.succ))]
    while stack:
        node, edges = stack[-1]
        for target, _ in edges:
            if target.id in open_:
                back.append((node, target))
                continue
            forward[node.id].append(target)
            if target.id not in forward:
                forward[target.id] = []
                open_.add(target.id)
                stack.append((target, iter(target.succ)))
                break
        else:
            open_.discard(node.id)
            stack.pop()
    return forward, back


def _exits(tail: Node, head: Node) -> list[Node]:
    """Where a loop goes on when its condition is tested for the last time; nothing for a label that a goto names."""
    if head.name:
        return []
    body = {head.id, tail.id}
    work = [tail] if tail is not head else []
    while work:
        for node in work.pop().pred:
            if node.id not in body:
                body.add(node.id)
                work.append(node)
    found: list[Node] = []
    seen, work = {head.id}, [head]
    while work:
        for target, _ in work.pop().succ:
            if target.id not in body:
                found.append(target)
            elif target.id not in seen and (target.kind in ("branch", "iter") or _asked_first(head, target)):
                seen.add(target.id)
                work.append(target)
    return found


def _asked_first(head: Node, node: Node) -> bool:
    """Whether a statement stands in a loop's condition: `while ((ret = next()) > 0)`."""
    return node.kind == "expr" and node.line == head.line and len(node.succ) == 1


def _topological(entry: Node, forward: dict[int, list[Node]]) -> list[Node]:
    seen, out = {entry.id}, []
    stack = [(entry, iter(forward[entry.id]))]
    while stack:
        node, edges = stack[-1]
        for target in edges:
            if target.id not in seen:
                seen.add(target.id)
                stack.append((target, iter(forward[target.id])))
                break
        else:
            out.append(node)
            stack.pop()
    out.reverse()
    return out


@fact
def reach(function: Function) -> Reach:
    """Reachability in one function."""
    return Reach(function)
