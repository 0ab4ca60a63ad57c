"""The control-flow graph of a function, from its syntax tree: statements, loops, jumps and preprocessor arms.

Both arms of a `#if` inside a function are kept as the two sides of a branch on its condition. Iterator macros are
branches whose outcome is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmlint.facts.cfg import Cfg, Node, Tail
from mmlint.facts.ir import Expr
from mmlint.facts.weave import Scope, TooLargeError, Weaver, splits

if TYPE_CHECKING:
    from tree_sitter import Node as TsNode

    from mmlint.source.file import FunctionSource


def build(function: FunctionSource) -> Cfg:
    """The graph of `function`. A function beyond 6,000 nodes is cut off and marked truncated."""
    return _Builder(function).build()


class _Builder(Weaver):
    def build(self) -> Cfg:
        entry = self.node("entry", self.function.start_line)
        self.tails = [(entry, None)]
        truncated = False
        try:
            self.statement(self.function.body)
        except (TooLargeError, RecursionError):
            truncated = True
        self.connect(self.exit)
        self.exit.id = len(self.nodes)
        self.nodes.append(self.exit)
        return Cfg(self.nodes, entry, self.exit, truncated)

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
        scope = Scope()
        self.scopes.append(scope)
        for child in node.named_children:
            self.statement(child)
        self.scopes.pop()
        if scope.cleanups and self.tails:
            self.run_cleanups(scope, self.function.line(node) + node.end_point[0] - node.start_point[0])

    def expression_statement(self, node: TsNode) -> None:
        for child in node.named_children:
            if child.type != "comment":
                self.evaluate(self.low.lower(child))

    def declaration(self, node: TsNode) -> None:
        type_node = node.child_by_field_name("type")
        type_ = self.low.text(type_node) if type_node is not None else ""
        source = self.function.source(node) if b"__free(" in self.function.text else b""
        children = node.children_by_field_name("declarator")
        ends = [child.start_byte - node.start_byte for child in children[1:]]
        for child, begin, end in zip(children, [0, *ends], [*ends, len(source)], strict=True):
            value = child.child_by_field_name("value") if child.type == "init_declarator" else None
            name, stars = self._declared(child)
            if not name:
                continue
            full = type_ + " " + "*" * stars
            line = self.function.line(child)
            if value is None:
                self.emit(self.node("decl", line, None, name, full))
            else:
                self.declare(name, full, self.low.lower(value), child, line)
            if b"__free(" in source[begin:end]:
                release = source[begin:].split(b"__free(", 1)[1].split(b")", 1)[0].decode("ascii", "replace").strip()
                target = Expr("name", name, (), line)
                self.scopes[-1].cleanups.append((f"free:{release}", target))

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
        scope = Scope()
        self.scopes.append(scope)
        if original.startswith(b"scoped_guard"):
            self.emit(self.node("expr", lock.line, lock))
            scope.cleanups.append((lock.value, lock))
        consequence = node.child_by_field_name("consequence")
        if consequence is not None:
            self.statement(consequence)
        self.scopes.pop()
        if self.tails:
            self.run_cleanups(scope, self.function.line(node) + node.end_point[0] - node.start_point[0])

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
        head = self.node("nop", self.function.line(node))
        self.emit(head)
        condition = node.child_by_field_name("condition")
        original = self.function.source(node)
        test = self.low.lower(condition)
        if original.startswith(b"while"):
            yes, no = self.condition(test)
        else:
            name = original.split(b"(", 1)[0].strip().decode("ascii", "replace")
            args = test.args if test.kind == "comma" else (test,)
            branch = self.node(
                "iter", test.line, Expr("call", name, args, self.function.line(node), self.function.column(node))
            )
            self.emit(branch)
            yes, no = [(branch, True)], [(branch, False)]
        self.tails = yes
        breaks, continues = self._loop_body(node.child_by_field_name("body"))
        self.tails += continues
        self.connect(head)
        self.tails = no + breaks

    def do_(self, node: TsNode) -> None:
        head = self.node("nop", self.function.line(node))
        self.emit(head)
        breaks, continues = self._loop_body(node.child_by_field_name("body"))
        self.tails += continues
        yes, no = self.condition(self.low.lower(node.child_by_field_name("condition")))
        self.tails = yes
        self.connect(head)
        self.tails = no + breaks

    def for_(self, node: TsNode) -> None:
        scope = Scope()
        self.scopes.append(scope)
        initializer = node.child_by_field_name("initializer")
        if initializer is not None:
            if initializer.type == "declaration":
                self.statement(initializer)
            else:
                self.evaluate(self.low.lower(initializer))
        head = self.node("nop", self.function.line(node))
        self.emit(head)
        condition = node.child_by_field_name("condition")
        yes, no = self.condition(self.low.lower(condition)) if condition is not None else (self.tails, [])
        self.tails = yes
        breaks, continues = self._loop_body(node.child_by_field_name("body"))
        self.tails += continues
        update = node.child_by_field_name("update")
        if update is not None:
            self.evaluate(self.low.lower(update))
        self.connect(head)
        self.scopes.pop()
        self.tails = no + breaks

    def switch_(self, node: TsNode) -> None:
        value = self.low.lower(node.child_by_field_name("condition"))
        head = self.node("switch", value.line, value)
        self.emit(head)
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
        scope = Scope()
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
        if expr.kind == "cond" and splits(expr):
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
                self.emit(self.node("expr", line, Expr("assign", "=", (value, expr), line, expr.column)))
                expr = value
            self.unwind(0, line)
        self.emit(self.node("return", line, expr))
        self.connect(self.exit)

    def break_(self, node: TsNode) -> None:
        if self.breaks:
            target, depth = self.breaks[-1]
            self.unwind(depth, self.function.line(node))
            target += self.tails
        self.tails = []

    def continue_(self, node: TsNode) -> None:
        if self.continues:
            target, depth = self.continues[-1]
            self.unwind(depth, self.function.line(node))
            target += self.tails
        self.tails = []

    def goto_(self, node: TsNode) -> None:
        label = node.child_by_field_name("label")
        if label is not None:
            self.connect(self.label(self.low.text(label), self.function.line(node)))
        self.tails = []

    def labeled(self, node: TsNode) -> None:
        label = node.child_by_field_name("label")
        target = self.label(self.low.text(label) if label is not None else "", self.function.line(node))
        target.line = self.function.line(node)
        self.emit(target)
        for child in node.named_children:
            if label is None or child.start_byte != label.start_byte:
                self.statement(child)

    # -------------------------------------------------------- preprocessor
    def preprocessor(self, node: TsNode) -> None:
        line = self.function.line(node)
        head = node.child_by_field_name("condition") or node.child_by_field_name("name")
        negated = node.type == "preproc_ifdef" and self.function.norm(node).startswith(b"#ifndef")
        text = self.low.text(head) if head is not None else "?"
        branch = self.node("branch", line, Expr("name", f"#{text}", (), line))
        self.emit(branch)
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
