"""A control-flow graph in the making: expressions become nodes, with conditions as branches and cleanups by scope.

`tails` are the edges that wait for the node that comes next. `BUG_ON` and its like end the path on which their
condition holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmlint.facts.cfg import Node, Tail
from mmlint.facts.ir import Expr, Lowering
from mmlint.kernel.tables import tables

if TYPE_CHECKING:
    from tree_sitter import Node as TsNode

    from mmlint.source.file import FunctionSource

_ASSERTS = frozenset(
    {"BUG_ON", "VM_BUG_ON", "VM_BUG_ON_PAGE", "VM_BUG_ON_FOLIO", "VM_BUG_ON_VMA", "VM_BUG_ON_MM", "VM_BUG_ON_PGFLAGS"}
)
_OWN_ASSERT = "_bug_on"
"""How the macros end by which file systems say what cannot be: the condition comes behind the object."""
_NAMED = frozenset({"name", "field"})
_MAX_NODES = 6000


class TooLargeError(Exception):
    """The graph has more nodes than are followed."""


class Scope:
    """A block, with what runs where control leaves it, first to last."""

    __slots__ = ("cleanups",)

    def __init__(self) -> None:
        self.cleanups: list[tuple[str, Expr | None]] = []


class Weaver:
    """The nodes so far, and the edges that wait for the next one."""

    def __init__(self, function: FunctionSource) -> None:
        self.function = function
        self.low = Lowering(function)
        self.nodes: list[Node] = []
        self.labels: dict[str, Node] = {}
        self.scopes: list[Scope] = []
        self.breaks: list[tuple[list[Tail], int]] = []
        self.continues: list[tuple[list[Tail], int]] = []
        self.noreturn = tables().noreturn
        self.exit = Node(-1, "exit", function.end_line)
        self.tails: list[Tail] = []

    def node(self, kind: str, line: int, expr: Expr | None = None, name: str = "", type_: str = "") -> Node:
        """A new node, without edges. Raises `TooLargeError`."""
        if len(self.nodes) >= _MAX_NODES:
            raise TooLargeError
        node = Node(len(self.nodes), kind, line, expr, name, type_)
        self.nodes.append(node)
        return node

    def connect(self, node: Node) -> None:
        """Let the edges that wait end at `node`."""
        for tail, label in self.tails:
            tail.succ.append((node, label))
        self.tails = []

    def emit(self, node: Node) -> None:
        """Make `node` the next step."""
        self.connect(node)
        self.tails = [(node, None)]

    def label(self, name: str, line: int) -> Node:
        """The node of a label, which a jump may ask for before it is reached."""
        node = self.labels.get(name)
        if node is None:
            node = self.labels[name] = self.node("nop", line, name=name)
        return node

    def unwind(self, depth: int, line: int) -> None:
        """Leave the scopes beyond `depth`, innermost first."""
        for scope in reversed(self.scopes[depth:]):
            self.run_cleanups(scope, line)

    def run_cleanups(self, scope: Scope, line: int) -> None:
        """What runs at the end of a scope, last to first."""
        for name, expr in reversed(scope.cleanups):
            self.emit(self.node("cleanup", line, expr, name))

    def evaluate(self, expr: Expr) -> None:
        """Emit an expression statement; ternaries whose arms call something become branches."""
        if expr.kind == "comma":
            for arg in expr.args:
                self.evaluate(arg)
            return
        if expr.kind == "call" and expr.args and (expr.value in _ASSERTS or expr.value.endswith(_OWN_ASSERT)):
            _, fails = self.condition(expr.args[-1 if expr.value.endswith(_OWN_ASSERT) else 0])
            self.tails = fails
            return
        if expr.kind == "call" and expr.value.startswith("guard:"):
            self.scopes[-1].cleanups.append((expr.value, expr))
        inner = expr.args[1] if expr.kind == "assign" and expr.value == "=" else expr
        if inner is not expr and inner.kind == "assign" and splits(inner.args[1]):
            self.evaluate(expr.args[1])
            expr = Expr("assign", "=", (expr.args[0], expr.args[1].args[0]), expr.line, expr.column, expr.end_line)
        if expr.kind == "assign" and expr.value == "=" and splits(expr.args[1]):
            test, then, other = expr.args[1].args
            self._choose(
                test, [Expr("assign", "=", (expr.args[0], arm), expr.line, expr.column) for arm in (then, other)]
            )
            return
        if expr.kind == "cond":
            self._choose(expr.args[0], list(expr.args[1:]))
            return
        if expr.kind == "binary" and expr.value in ("&&", "||") and any(True for _ in expr.calls()):
            yes, no = self.condition(expr)
            self.tails = yes + no
            return
        node = self.node("expr", expr.line, expr)
        self.emit(node)
        if any(op == "call" and event.value in self.noreturn for op, event in node.events):
            self.tails = []

    def _choose(self, test: Expr, arms: list[Expr]) -> None:
        yes, no = self.condition(test)
        done: list[Tail] = []
        for tails, arm in zip((yes, no), arms, strict=True):
            self.tails = tails
            self.evaluate(arm)
            done += self.tails
        self.tails = done

    def declare(self, name: str, type_: str, value: Expr, node: TsNode, line: int) -> None:
        """A declaration with a value."""
        target = Expr("name", name, (), line, self.function.column(node))
        if splits(value):
            yes, no = self.condition(value.args[0])
            done: list[Tail] = []
            for tails, arm in ((yes, value.args[1]), (no, value.args[2])):
                self.tails = tails
                assign = Expr("assign", "=", (target, arm), line, target.column, value.end_line)
                self.emit(self.node("decl", line, assign, name, type_))
                done += self.tails
            self.tails = done
            return
        assign = Expr("assign", "=", (target, value), line, target.column, value.end_line)
        self.emit(self.node("decl", line, assign, name, type_))

    def condition(self, expr: Expr) -> tuple[list[Tail], list[Tail]]:
        """Emit the test and give back the dangling edges on which it is true and false."""
        if expr.kind == "unary" and expr.value == "!":
            yes, no = self.condition(expr.args[0])
            return no, yes
        if expr.kind == "binary" and expr.value in ("&&", "||"):
            yes, no = self.condition(expr.args[0])
            self.tails = yes if expr.value == "&&" else no
            yes2, no2 = self.condition(expr.args[1])
            return (yes2, no + no2) if expr.value == "&&" else (yes + yes2, no2)
        if expr.kind == "comma" and expr.args:
            for arg in expr.args[:-1]:
                self.evaluate(arg)
            return self.condition(expr.args[-1])
        if expr.kind == "assign":
            self.evaluate(expr)
            return self.condition(expr.args[0])
        if expr.kind == "call" and expr.value.startswith(("WARN_ON", "VM_WARN_ON")) and expr.args:
            return self.condition(expr.args[0])
        if expr.kind == "call" and expr.value == "IS_ERR_OR_NULL" and expr.args and expr.args[0].kind in _NAMED:
            return self.condition(_two_questions(expr))
        if expr.kind == "binary" and any(a.kind == "assign" for a in expr.args):
            plain = []
            for arg in expr.args:
                if arg.kind == "assign":
                    self.evaluate(arg)
                plain.append(arg.args[0] if arg.kind == "assign" else arg)
            expr = Expr("binary", expr.value, tuple(plain), expr.line, expr.column, expr.end_line)
        if expr.kind in ("num", "name") and expr.value in ("0", "1", "true", "false"):
            tails, self.tails = self.tails, []
            return (tails, []) if expr.value in ("1", "true") else ([], tails)
        node = self.node("branch", expr.line, expr)
        self.emit(node)
        self.tails = []
        return [(node, True)], [(node, False)]


def _two_questions(expr: Expr) -> Expr:
    """`!ptr || IS_ERR(ptr)`: what `IS_ERR_OR_NULL(ptr)` asks, so that who writes out the one has the flow of both."""
    at = (expr.line, expr.column, expr.end_line)
    null = Expr("unary", "!", expr.args, *at)
    return Expr("binary", "||", (null, Expr("call", "IS_ERR", expr.args, *at)), *at)


def splits(expr: Expr) -> bool:
    """Whether a value is one of two that become ways of their own."""
    return expr.kind == "cond" and (
        any(True for _ in expr.calls()) or expr.args[1].value in ("NULL", "0") or expr.args[2].value in ("NULL", "0")
    )
