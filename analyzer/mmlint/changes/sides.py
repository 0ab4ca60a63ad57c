"""Both states of a function as the judges of its protocol steps read them: order, branches, what is gained."""

from __future__ import annotations

from functools import cached_property

from mmlint.changes.about import alike_about, target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison
from mmlint.changes.gains import Gains
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act
from mmlint.kernel.entries import Step


class Sides:
    """Both states of one function as the judges of its steps read them."""

    def __init__(self, change: FunctionChange, compared: Comparison) -> None:
        self.change = change
        self.compared = compared
        self.tables = compared.before.tables
        self.old = reach(compared.before)
        self.new = reach(compared.after)
        self.gains = Gains(change, compared)

    @cached_property
    def branches(self) -> dict[str, list[Node]]:
        """The branches after the patch by the text of their condition."""
        found: dict[str, list[Node]] = {}
        for node in self.new.order:
            if node.kind == "branch" and node.expr is not None:
                found.setdefault(node.expr.key, []).append(node)
        return found

    @cached_property
    def spoken_before(self) -> frozenset[str]:
        """The variables and members that the function spoke of before the patch."""
        return _spoken(self.compared.before, self.old)

    @cached_property
    def spoken_after(self) -> frozenset[str]:
        """Those that it speaks of after it."""
        return _spoken(self.compared.after, self.new)

    def counterparts(self, branch: Node) -> list[Node]:
        """The branches after the patch that one of before may be: on its line, or else any of the same text."""
        alike = self.branches.get(branch.expr.key, []) if branch.expr is not None else []
        there = [node for node in alike if node.line == self.compared.lines.get(branch.line)]
        if there or branch.line in self.compared.lines:
            return there
        return [node for node in alike if node.line not in self.compared.standing]

    def changes(self, word: str) -> bool:
        """Whether a call writes an entry or takes a lock."""
        return word in self.tables.set_entries or word in self.tables.wrprotects or word in self.tables.takes

    def in_order(self, act: Act, sink: Act, row: Step) -> bool:
        """Whether the step stands on its side of the sink before the patch."""
        if row.side == "either":
            return self.old.together(act.node, sink.node)
        if row.role == "carry" and act.node is sink.node:
            return act is not sink
        first, second = (act, sink) if row.side == "before" else (sink, act)
        return self.old.before(first.node, second.node)

    def same_thing(self, act: Act, sink: Act, row: Step) -> bool:
        """Whether the step is about what the sink is about: what is released was taken, what is written was marked."""
        if row.role not in ("release", "carry", "mark", "take") and row.only != "same":
            return True
        if row.role == "carry":
            mine = self._flow(target(act) or act.names)
            return bool(mine & (sink.names | target(sink))) or not mine
        return alike_about(act, sink)

    def _flow(self, names: frozenset[str]) -> frozenset[str]:
        """The variables that a value may get into by plain assignments."""
        found = set(names)
        for node in self.old.order:
            expr = node.expr
            if expr is not None and expr.kind == "assign" and expr.args[1].names() & found:
                found.add(expr.args[0].root)
        return frozenset(found)


def _spoken(function: Function, order: Reach) -> frozenset[str]:
    exprs = (e for n in order.order if n.expr is not None for e in n.expr.walk())
    return frozenset(function.params).union(e.value for e in exprs if e.kind in ("name", "field"))
