"""Control-flow graph of one function: statements as nodes, short-circuit conditions as branches, scope ends explicit.

`mmlint.facts.build` makes it.
"""

from __future__ import annotations

from mmlint.facts.ir import Expr

Label = bool | str | None
Tail = tuple["Node", Label]


class Node:
    """One step of a function.

    `kind` is entry, exit, expr, decl, branch, iter, switch, return, cleanup or nop. `succ` are edges: True and False
    out of branch and iter, the case value's text (or "default") out of switch, None elsewhere. `name` is the declared
    variable of a decl, the label of a nop, the cleanup of a cleanup node.
    """

    __slots__ = ("_events", "column", "expr", "id", "kind", "line", "name", "pred", "succ", "type")

    def __init__(
        self, id_: int, kind: str, line: int, expr: Expr | None = None, name: str = "", type_: str = ""
    ) -> None:
        self.id = id_
        self.kind = kind
        self.line = line
        self.column = expr.column if expr is not None else 1
        self.expr = expr
        self.name = name
        self.type = type_
        self.succ: list[tuple[Node, Label]] = []
        self.pred: list[Node] = []

        self._events: tuple[tuple[str, Expr], ...] | None = None

    @property
    def events(self) -> tuple[tuple[str, Expr], ...]:
        """Its calls ("call"), assignments ("assign") and increments or swaps ("update"), in the order in which they
        happen; they are looked for when they are first asked for.
        """
        events = self._events
        if events is None:
            roots = () if self.expr is None else self.expr.args if self.kind == "iter" else (self.expr,)
            found: list[tuple[str, Expr]] = []
            for root in roots:
                _find_events(root, found)
            events = self._events = tuple(found)
        return events

    def sets(self, *lvalues: str) -> bool:
        """Whether an assignment or increment in it changes one of these lvalues."""
        return any(op != "call" and expr.args[0].key in lvalues for op, expr in self.events)

    def __repr__(self) -> str:
        return f"<{self.id} {self.kind} :{self.line} {self.expr.key if self.expr is not None else self.name}>"


def _find_events(expr: Expr, into: list[tuple[str, Expr]]) -> None:
    """What happens when the expression is evaluated, but for reading, in the order of `Expr.walk`."""
    if expr.callee is not None:
        _find_events(expr.callee, into)
    for arg in expr.args:
        if arg.args or arg.callee is not None or arg.kind == "call":
            _find_events(arg, into)
    kind = expr.kind
    if kind in ("call", "assign"):
        into.append((kind, expr))
        if expr.value == "swap" and len(expr.args) == 2:
            into += (("update", Expr("unary", "swap", (arg,), expr.line, expr.column)) for arg in expr.args)
    elif kind == "unary" and expr.value.endswith(("++", "--")):
        into.append(("update", expr))


class Cfg:
    """The graph: `nodes` in creation order, `order` the reachable ones in reverse postorder from `entry`."""

    __slots__ = ("entry", "exit", "nodes", "order", "truncated")

    def __init__(self, nodes: list[Node], entry: Node, exit_: Node, truncated: bool) -> None:
        self.nodes = nodes
        self.entry = entry
        self.exit = exit_
        self.truncated = truncated
        self.order = _reverse_postorder(entry)
        for node in self.order:
            for target, _ in node.succ:
                target.pred.append(node)


def _reverse_postorder(entry: Node) -> list[Node]:
    seen, out = {entry.id}, []
    stack = [(entry, iter(entry.succ))]
    while stack:
        node, edges = stack[-1]
        for target, _ in edges:
            if target.id not in seen:
                seen.add(target.id)
                stack.append((target, iter(target.succ)))
                break
        else:
            out.append(node)
            stack.pop()
    out.reverse()
    return out
