"""What lies before what in a function when each loop is gone through once: reachability on the graph without back edges."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact


class Reach:
    """Reachability over forward edges. Positions count in reverse postorder, which every forward edge ascends."""

    def __init__(self, function: Function) -> None:
        order = function.cfg.order
        self.order = order
        self.rank = {node.id: i for i, node in enumerate(order)}
        self.after = [0] * len(order)
        for i in range(len(order) - 1, -1, -1):
            mask = 0
            for target, _ in order[i].succ:
                j = self.rank[target.id]
                if j > i:
                    mask |= self.after[j] | (1 << j)
            self.after[i] = mask
        self.exit = self.rank.get(function.cfg.exit.id)

    def before(self, a: Node, b: Node) -> bool:
        """Whether control may pass `a` and later `b`, without going round a loop."""
        return bool(self.after[self.rank[a.id]] >> self.rank[b.id] & 1)

    def together(self, a: Node, b: Node) -> bool:
        """Whether one path may pass both."""
        return a is b or self.before(a, b) or self.before(b, a)

    def dominates(self, a: Node, b: Node) -> bool:
        """Whether every way from the entry to `b` passes `a`."""
        return self._avoids(self.order[0], b, a) is False

    def follows(self, a: Node, b: Node) -> bool:
        """Whether every way from `a` to the exit passes `b`."""
        return self.exit is None or self._avoids(a, self.order[self.exit], b) is False

    def _avoids(self, start: Node, end: Node, middle: Node) -> bool:
        """Whether some way from `start` to `end` does not pass `middle`."""
        if middle in (start, end):
            return False
        goal, seen, work = self.rank[end.id], set(), [start]
        while work:
            node = work.pop()
            i = self.rank[node.id]
            if node is end:
                return True
            if i in seen or node is middle or i > goal:
                continue
            seen.add(i)
            work += [target for target, _ in node.succ if self.rank[target.id] > i]
        return False

    def side(self, branch: Node, outcome: bool) -> int:
        """The nodes (as a mask of ranks) that may follow one outcome of a branch."""
        mask, i = 0, self.rank[branch.id]
        for target, label in branch.succ:
            j = self.rank[target.id]
            if label is outcome and j > i:
                mask |= self.after[j] | (1 << j)
        return mask

    def ends(self, branch: Node, outcome: bool) -> bool:
        """Whether one side of a branch never gets back to the caller (`BUG_ON`, `panic`) and does not loop."""
        targets = [target for target, label in branch.succ if label is outcome]
        if any(self.rank[target.id] <= self.rank[branch.id] for target in targets):
            return False
        if self.exit is None or not targets:
            return True
        mask = self.side(branch, outcome)
        if mask >> self.exit & 1:
            return False
        reached = (node for node in self.order if mask >> self.rank[node.id] & 1)
        return not any(self.rank[t.id] <= self.rank[n.id] for n in reached for t, _ in n.succ)

    def chosen(self, branch: Node, node: Node) -> bool | None:
        """The outcome of `branch` on which alone `node` follows; None if it follows both or neither."""
        bit = self.rank[node.id]
        yes, no = self.side(branch, True) >> bit & 1, self.side(branch, False) >> bit & 1
        return None if yes == no else bool(yes)


@fact
def reach(function: Function) -> Reach:
    """Reachability in one function."""
    return Reach(function)
