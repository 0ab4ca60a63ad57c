"""Control-flow graph of one function: statements as nodes, short-circuit conditions as branches, scope ends explicit.

Both arms of a `#if` inside a function are kept as the two sides of a branch on its condition. `BUG_ON` and its like end
the path on which their condition holds. Iterator macros are branches whose outcome is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmlint.facts.ir import Expr, Lowering
from mmlint.kernel.tables import tables

if TYPE_CHECKING:
    from tree_sitter import Node as TsNode

    from mmlint.source.file import FunctionSource

_ASSERTS = frozenset(
    {"BUG_ON", "VM_BUG_ON", "VM_BUG_ON_PAGE", "VM_BUG_ON_FOLIO", "VM_BUG_ON_VMA", "VM_BUG_ON_MM", "VM_BUG_ON_PGFLAGS"}
)
_MAX_NODES = 6000

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
        """Its calls ("call"), assignments ("assign") and increments ("update"), in the order in which they happen."""
        if self._events is None:
            roots = () if self.expr is None else self.expr.args if self.kind == "iter" else (self.expr,)
            found: list[tuple[str, Expr]] = []
            for root in roots:
                _find_events(root, found)
            self._events = tuple(found)
        return self._events

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


def build(function: FunctionSource) -> Cfg:
    """The graph of `function`. A function beyond 6,000 nodes is cut off and marked truncated."""
    return _Builder(function).build()


class _TooLargeError(Exception):
    pass


class _Scope:
    __slots__ = ("cleanups",)

    def __init__(self) -> None:
        self.cleanups: list[tuple[str, Expr | None]] = []


class _Builder:
    def __init__(self, function: FunctionSource) -> None:
        self.function = function
        self.low = Lowering(function)
        self.nodes: list[Node] = []
        self.labels: dict[str, Node] = {}
        self.scopes: list[_Scope] = []
        self.breaks: list[tuple[list[Tail], int]] = []
        self.continues: list[tuple[list[Tail], int]] = []
        self.noreturn = tables().noreturn
        self.exit = Node(-1, "exit", function.end_line)
        self.tails: list[Tail] = []

    def build(self) -> Cfg:
        entry = self._node("entry", self.function.start_line)
        self.tails = [(entry, None)]
        truncated = False
        try:
            self.statement(self.function.body)
        except (_TooLargeError, RecursionError):
            truncated = True
        self._connect(self.exit)
        self.exit.id = len(self.nodes)
        self.nodes.append(self.exit)
        return Cfg(self.nodes, entry, self.exit, truncated)

    # ------------------------------------------------------------ plumbing
    def _node(self, kind: str, line: int, expr: Expr | None = None, name: str = "", type_: str = "") -> Node:
        if len(self.nodes) >= _MAX_NODES:
            raise _TooLargeError
        node = Node(len(self.nodes), kind, line, expr, name, type_)
        self.nodes.append(node)
        return node

    def _connect(self, node: Node) -> None:
        for tail, label in self.tails:
            tail.succ.append((node, label))
        self.tails = []

    def _emit(self, node: Node) -> None:
        self._connect(node)
        self.tails = [(node, None)]

    def _label(self, name: str, line: int) -> Node:
        node = self.labels.get(name)
        if node is None:
            node = self.labels[name] = self._node("nop", line, name=name)
        return node

    def _unwind(self, depth: int, line: int) -> None:
        for scope in reversed(self.scopes[depth:]):
            self._run_cleanups(scope, line)

    def _run_cleanups(self, scope: _Scope, line: int) -> None:
        for name, expr in reversed(scope.cleanups):
            self._emit(self._node("cleanup", line, expr, name))

    # ---------------------------------------------------------- statements
    def statement(self, node: TsNode) -> None:
        handler = _STATEMENTS.get(node.type)
        if handler is not None:
            handler(self, node)
        elif node.is_named and node.type not in _IGNORED:
            if node.type in _DECLARATIONS:
                return
            if node.type.endswith(("_expression", "identifier")):
                self.evaluate(self.low.lower(node))
            else:
                for child in node.named_children:
                    self.statement(child)

    def compound(self, node: TsNode) -> None:
        scope = _Scope()
        self.scopes.append(scope)
        for child in node.named_children:
            self.statement(child)
        self.scopes.pop()
        if scope.cleanups and self.tails:
            self._run_cleanups(scope, self.function.line(node) + node.end_point[0] - node.start_point[0])

    def evaluate(self, expr: Expr) -> None:
        """Emit an expression statement; ternaries whose arms call something become branches."""
        if expr.kind == "comma":
            for arg in expr.args:
                self.evaluate(arg)
            return
        if expr.kind == "call" and expr.value in _ASSERTS and expr.args:
            _, fails = self.condition(expr.args[0])
            self.tails = fails
            return
        if expr.kind == "call" and expr.value.startswith("guard:"):
            self.scopes[-1].cleanups.append((expr.value, expr))
        inner = expr.args[1] if expr.kind == "assign" and expr.value == "=" else expr
        if inner is not expr and inner.kind == "assign" and _splits(inner.args[1]):
            self.evaluate(expr.args[1])
            expr = Expr("assign", "=", (expr.args[0], expr.args[1].args[0]), expr.line, expr.column, expr.end_line)
        if expr.kind == "assign" and expr.value == "=" and _splits(expr.args[1]):
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
        node = self._node("expr", expr.line, expr)
        self._emit(node)
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

    def expression_statement(self, node: TsNode) -> None:
        for child in node.named_children:
            if child.type != "comment":
                self.evaluate(self.low.lower(child))

    def declaration(self, node: TsNode) -> None:
        type_node = node.child_by_field_name("type")
        type_ = self.low.text(type_node) if type_node is not None else ""
        source = self.function.source(node) if b"__free(" in self.function.text else b""
        for child in node.children_by_field_name("declarator"):
            value = child.child_by_field_name("value") if child.type == "init_declarator" else None
            name, stars = self._declared(child)
            if not name:
                continue
            full = type_ + " " + "*" * stars
            line = self.function.line(child)
            if value is None:
                self._emit(self._node("decl", line, None, name, full))
            else:
                self._declare(name, full, self.low.lower(value), child, line)
            if b"__free(" in source:
                release = source.split(b"__free(", 1)[1].split(b")", 1)[0].decode("ascii", "replace").strip()
                target = Expr("name", name, (), line)
                self.scopes[-1].cleanups.append((f"free:{release}", target))

    def _declare(self, name: str, type_: str, value: Expr, node: TsNode, line: int) -> None:
        target = Expr("name", name, (), line, self.function.column(node))
        if _splits(value):
            yes, no = self.condition(value.args[0])
            done: list[Tail] = []
            for tails, arm in ((yes, value.args[1]), (no, value.args[2])):
                self.tails = tails
                assign = Expr("assign", "=", (target, arm), line, target.column, value.end_line)
                self._emit(self._node("decl", line, assign, name, type_))
                done += self.tails
            self.tails = done
            return
        assign = Expr("assign", "=", (target, value), line, target.column, value.end_line)
        self._emit(self._node("decl", line, assign, name, type_))

    def _declared(self, node: TsNode) -> tuple[str, int]:
        stars, inner = 0, node
        while inner is not None and inner.type not in ("identifier", "field_identifier", "type_identifier"):
            stars += inner.type == "pointer_declarator"
            following = inner.child_by_field_name("declarator")
            if following is None:
                named = [c for c in inner.named_children if c.type.endswith(("declarator", "identifier"))]
                if not named:
                    return "", 0
                following = named[0]
            inner = following
        return self.low.text(inner), stars

    # ---------------------------------------------------------- conditions
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
        node = self._node("branch", expr.line, expr)
        self._emit(node)
        self.tails = []
        return [(node, True)], [(node, False)]

    def if_(self, node: TsNode) -> None:
        condition = node.child_by_field_name("condition")
        original = self.function.source(node)
        if original.startswith(b"scoped_"):
            self._scoped(node, original)
            return
        yes, no = self.condition(self.low.lower(condition))
        self.tails = yes
        consequence = node.child_by_field_name("consequence")
        if consequence is not None:
            self.statement(consequence)
        done, self.tails = self.tails, no
        alternative = node.child_by_field_name("alternative")
        if alternative is not None:
            self.statement(alternative)
        self.tails = done + self.tails

    def _scoped(self, node: TsNode, original: bytes) -> None:
        condition = node.child_by_field_name("condition")
        inner = self.low.lower(condition)
        parts = inner.args if inner.kind == "comma" else (inner,)
        kind = parts[0].key if parts else ""
        lock = Expr("call", f"guard:{kind}", tuple(parts[-1:]) if len(parts) > 1 else (), inner.line, inner.column)
        scope = _Scope()
        self.scopes.append(scope)
        if original.startswith(b"scoped_guard"):
            self._emit(self._node("expr", lock.line, lock))
            scope.cleanups.append((lock.value, lock))
        consequence = node.child_by_field_name("consequence")
        if consequence is not None:
            self.statement(consequence)
        self.scopes.pop()
        if self.tails:
            self._run_cleanups(scope, self.function.line(node) + node.end_point[0] - node.start_point[0])

    # --------------------------------------------------------------- loops
    def _loop_body(self, body: TsNode | None) -> tuple[list[Tail], list[Tail]]:
        breaks: list[Tail] = []
        continues: list[Tail] = []
        self.breaks.append((breaks, len(self.scopes)))
        self.continues.append((continues, len(self.scopes)))
        if body is not None:
            self.statement(body)
        self.breaks.pop()
        self.continues.pop()
        return breaks, continues

    def while_(self, node: TsNode) -> None:
        head = self._node("nop", self.function.line(node))
        self._emit(head)
        condition = node.child_by_field_name("condition")
        original = self.function.source(node)
        test = self.low.lower(condition)
        if original.startswith(b"while"):
            yes, no = self.condition(test)
        else:
            name = original.split(b"(", 1)[0].strip().decode("ascii", "replace")
            args = test.args if test.kind == "comma" else (test,)
            branch = self._node(
                "iter", test.line, Expr("call", name, args, self.function.line(node), self.function.column(node))
            )
            self._emit(branch)
            yes, no = [(branch, True)], [(branch, False)]
        self.tails = yes
        breaks, continues = self._loop_body(node.child_by_field_name("body"))
        self.tails += continues
        self._connect(head)
        self.tails = no + breaks

    def do_(self, node: TsNode) -> None:
        head = self._node("nop", self.function.line(node))
        self._emit(head)
        breaks, continues = self._loop_body(node.child_by_field_name("body"))
        self.tails += continues
        yes, no = self.condition(self.low.lower(node.child_by_field_name("condition")))
        self.tails = yes
        self._connect(head)
        self.tails = no + breaks

    def for_(self, node: TsNode) -> None:
        scope = _Scope()
        self.scopes.append(scope)
        initializer = node.child_by_field_name("initializer")
        if initializer is not None:
            if initializer.type == "declaration":
                self.statement(initializer)
            else:
                self.evaluate(self.low.lower(initializer))
        head = self._node("nop", self.function.line(node))
        self._emit(head)
        condition = node.child_by_field_name("condition")
        yes, no = self.condition(self.low.lower(condition)) if condition is not None else (self.tails, [])
        self.tails = yes
        breaks, continues = self._loop_body(node.child_by_field_name("body"))
        self.tails += continues
        update = node.child_by_field_name("update")
        if update is not None:
            self.evaluate(self.low.lower(update))
        self._connect(head)
        self.scopes.pop()
        self.tails = no + breaks

    def switch_(self, node: TsNode) -> None:
        value = self.low.lower(node.child_by_field_name("condition"))
        head = self._node("switch", value.line, value)
        self._emit(head)
        self.tails = []
        breaks: list[Tail] = []
        self.breaks.append((breaks, len(self.scopes)))
        body = node.child_by_field_name("body")
        has_default = self._cases(head, body) if body is not None else False
        self.breaks.pop()
        self.tails += breaks
        if not has_default:
            self.tails.append((head, "default"))

    def _cases(self, head: Node, body: TsNode) -> bool:
        scope = _Scope()
        self.scopes.append(scope)
        has_default = False
        for child in body.named_children:
            if child.type != "case_statement":
                self.statement(child)
                continue
            value = child.child_by_field_name("value")
            label = self.low.lower(value).key if value is not None else "default"
            has_default |= value is None
            self.tails.append((head, label))
            for inner in child.named_children:
                if value is None or inner.start_byte != value.start_byte:
                    self.statement(inner)
        self.scopes.pop()
        return has_default

    # --------------------------------------------------------------- jumps
    def return_(self, node: TsNode) -> None:
        values = [c for c in node.named_children if c.type != "comment"]
        line = self.function.line(node)
        if not values:
            self._return(line, None)
            return
        expr = self.low.lower(values[0])
        if expr.kind == "cond" and _splits(expr):
            yes, no = self.condition(expr.args[0])
            for tails, arm in ((yes, expr.args[1]), (no, expr.args[2])):
                self.tails = tails
                self._return(line, arm)
            return
        if expr.kind == "comma":
            for arg in expr.args[:-1]:
                self.evaluate(arg)
            expr = expr.args[-1]
        self._return(line, expr)

    def _return(self, line: int, expr: Expr | None) -> None:
        if any(scope.cleanups for scope in self.scopes):
            if expr is not None and any(True for _ in expr.calls()):
                value = Expr("name", "#return", (), line)
                self._emit(self._node("expr", line, Expr("assign", "=", (value, expr), line, expr.column)))
                expr = value
            self._unwind(0, line)
        self._emit(self._node("return", line, expr))
        self._connect(self.exit)

    def break_(self, node: TsNode) -> None:
        if self.breaks:
            target, depth = self.breaks[-1]
            self._unwind(depth, self.function.line(node))
            target += self.tails
        self.tails = []

    def continue_(self, node: TsNode) -> None:
        if self.continues:
            target, depth = self.continues[-1]
            self._unwind(depth, self.function.line(node))
            target += self.tails
        self.tails = []

    def goto_(self, node: TsNode) -> None:
        label = node.child_by_field_name("label")
        if label is not None:
            self._connect(self._label(self.low.text(label), self.function.line(node)))
        self.tails = []

    def labeled(self, node: TsNode) -> None:
        label = node.child_by_field_name("label")
        target = self._label(self.low.text(label) if label is not None else "", self.function.line(node))
        target.line = self.function.line(node)
        self._emit(target)
        for child in node.named_children:
            if label is None or child.start_byte != label.start_byte:
                self.statement(child)

    # -------------------------------------------------------- preprocessor
    def preprocessor(self, node: TsNode) -> None:
        line = self.function.line(node)
        head = node.child_by_field_name("condition") or node.child_by_field_name("name")
        negated = node.type == "preproc_ifdef" and self.function.norm(node).startswith(b"#ifndef")
        text = self.low.text(head) if head is not None else "?"
        branch = self._node("branch", line, Expr("name", f"#{text}", (), line))
        self._emit(branch)
        alternative = node.child_by_field_name("alternative")
        self.tails = [(branch, not negated)]
        for child in node.named_children:
            if (head is None or child.start_byte != head.start_byte) and (
                alternative is None or child.start_byte != alternative.start_byte
            ):
                self.statement(child)
        done, self.tails = self.tails, [(branch, negated)]
        if alternative is not None:
            if alternative.type in ("preproc_elif", "preproc_elifdef"):
                self.preprocessor(alternative)
            else:
                for child in alternative.named_children:
                    self.statement(child)
        self.tails = done + self.tails


def _splits(expr: Expr) -> bool:
    return expr.kind == "cond" and (
        any(True for _ in expr.calls()) or expr.args[1].value in ("NULL", "0") or expr.args[2].value in ("NULL", "0")
    )


_IGNORED = frozenset(
    {"comment", "preproc_def", "preproc_function_def", "preproc_call", "preproc_include", "preproc_directive"}
)
_DECLARATIONS = frozenset(
    {"type_definition", "struct_specifier", "union_specifier", "enum_specifier", "function_definition"}
)
_STATEMENTS = {
    "compound_statement": _Builder.compound,
    "expression_statement": _Builder.expression_statement,
    "declaration": _Builder.declaration,
    "if_statement": _Builder.if_,
    "while_statement": _Builder.while_,
    "do_statement": _Builder.do_,
    "for_statement": _Builder.for_,
    "switch_statement": _Builder.switch_,
    "return_statement": _Builder.return_,
    "break_statement": _Builder.break_,
    "continue_statement": _Builder.continue_,
    "goto_statement": _Builder.goto_,
    "labeled_statement": _Builder.labeled,
    "preproc_if": _Builder.preprocessor,
    "preproc_ifdef": _Builder.preprocessor,
}
