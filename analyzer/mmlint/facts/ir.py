"""The small language that the flow analyses read: expressions lowered from tree-sitter nodes.

Casts, parentheses and branch hints (`likely`, `unlikely`) are gone; `a->b` and `a.b` are both a field; each expression
knows its place in the file. Two expressions with the same `key` are the same text up to white space and those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node as TsNode

    from mmlint.source.file import FunctionSource

_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_ERROR_TESTS = frozenset({"IS_ERR", "IS_ERR_OR_NULL", "IS_ERR_VALUE"})
_HINT_CALLS = frozenset({"likely", "unlikely", "data_race"})


class Expr:
    """One expression. `kind` is name, num, str, call, field, index, unary, binary, assign, cond, comma, init or other.

    `value` is the identifier, literal text, callee name, field name or operator; `args` are the operands. For a call
    through an expression (`ops->fn(x)`) `value` is empty and `callee` holds the expression.
    """

    __slots__ = ("_key", "args", "callee", "column", "end_line", "kind", "line", "value")

    def __init__(
        self,
        kind: str,
        value: str,
        args: tuple[Expr, ...],
        line: int,
        column: int = 1,
        end_line: int = 0,
        callee: Expr | None = None,
    ) -> None:
        self.kind = kind
        self.value = value
        self.args = args
        self.line = line
        self.column = column
        self.end_line = end_line or line
        self.callee = callee
        self._key: str | None = None

    @property
    def key(self) -> str:
        """Canonical text, for comparing expressions; made when it is first asked for."""
        key = self._key
        if key is None:
            key = self._key = _render(self)
        return key

    @property
    def opposite(self) -> str:
        """The key of the comparison that holds where this one does not (`a != b` for `a == b`), or the empty string."""
        operator = _OPPOSITE.get(self.value) if self.kind == "binary" else None
        return f"{_operand(self.args[0])} {operator} {_operand(self.args[1])}" if operator else ""

    def walk(self) -> Iterator[Expr]:
        """This expression and all below it, operands before operators (the order of evaluation as far as C has one)."""
        found: list[Expr] = []
        _gather(self, found)
        return iter(found)

    def calls(self) -> Iterator[Expr]:
        """The calls in it, innermost first."""
        return (e for e in self.walk() if e.kind == "call")

    def names(self) -> frozenset[str]:
        """The identifiers that occur in it (field names are not identifiers)."""
        return frozenset(e.value for e in self.walk() if e.kind == "name")

    @property
    def root(self) -> str:
        """The identifier that an lvalue starts from: `a` for `a->b[i].c` and `*a`, or the empty string."""
        expr = self
        while expr.kind in ("field", "index") or (expr.kind == "unary" and expr.value in "*&"):
            expr = expr.args[0]
        return expr.value if expr.kind == "name" else ""

    def __repr__(self) -> str:
        return f"<{self.kind} {self.key} :{self.line}>"


def _gather(expr: Expr, into: list[Expr]) -> None:
    if expr.callee is not None:
        _gather(expr.callee, into)
    for arg in expr.args:
        _gather(arg, into)
    into.append(expr)


def _render(expr: Expr) -> str:
    kind, args = expr.kind, expr.args
    if kind in ("name", "num", "str"):
        return expr.value
    if kind == "call":
        head = expr.value or (expr.callee.key if expr.callee is not None else "?")
        return f"{head}({', '.join(a.key for a in args)})"
    if kind == "field":
        return f"{args[0].key}->{expr.value}"
    if kind == "index":
        return f"{args[0].key}[{args[1].key}]"
    if kind == "unary":
        return f"{args[0].key}{expr.value[1:]}" if expr.value.startswith("p") else f"{expr.value}{_operand(args[0])}"
    if kind in ("binary", "assign"):
        return f"{_operand(args[0])} {expr.value} {_operand(args[1])}"
    if kind == "cond":
        return f"{_operand(args[0])} ? {args[1].key} : {args[2].key}"
    return f"{expr.value}{{{', '.join(a.key for a in args)}}}"


def _operand(expr: Expr) -> str:
    return f"({expr.key})" if expr.kind in ("binary", "assign", "cond", "comma") else expr.key


def operands(expr: Expr, operator: str) -> Iterator[Expr]:
    """The terms of `a && b && c`, by the operator; an expression of another sort is its own only term."""
    if expr.kind == "binary" and expr.value == operator:
        for arg in expr.args:
            yield from operands(arg, operator)
    else:
        yield expr


def stores_to(expr: Expr, key: str) -> bool:
    """Whether an expression assigns to an lvalue, told by its text."""
    return any(e.kind == "assign" and e.args[0].key == key for e in expr.walk())


def asks_for_error(expr: Expr) -> bool:
    """Whether an expression is a call that tells an error pointer, or an error in a number, from a good value."""
    return expr.kind == "call" and expr.value in _ERROR_TESTS and bool(expr.args)


class Lowering:
    """Turns tree-sitter expression nodes of one function into `Expr`."""

    def __init__(self, function: FunctionSource) -> None:
        self.function = function
        self._text = function.parsed.text
        self._first_line = function.start_line
        self._ascii = function.file.ascii

    def text(self, node: TsNode) -> str:
        """The node's text, as it was parsed."""
        return self._text[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def lower(self, node: TsNode | None) -> Expr:
        """The expression below `node`; anything not understood keeps its operands under kind `other`."""
        if node is None:
            return Expr("other", "", (), 0)
        handler = _HANDLERS.get(node.type)
        if handler is not None:
            return handler(self, node)
        return self.make("other", node.type, tuple(self.lower(c) for c in node.named_children), node)

    def make(self, kind: str, value: str, args: tuple[Expr, ...], node: TsNode, callee: Expr | None = None) -> Expr:
        """An expression placed where `node` stands."""
        row, byte = node.start_point
        column = byte + 1 if row and self._ascii else self.function.column(node)
        first = self._first_line
        return Expr(kind, value, args, first + row, column, first + node.end_point[0], callee)

    def word(self, kind: str, node: TsNode) -> Expr:
        """An expression that is one word, on one line."""
        row, byte = node.start_point
        column = byte + 1 if row and self._ascii else self.function.column(node)
        line = self._first_line + row
        return Expr(kind, self.text(node), (), line, column, line)

    def inner(self, node: TsNode) -> Expr:
        """What stands in parentheses."""
        children = [c for c in node.named_children if c.type != "comment"]
        if len(children) == 1:
            return self.lower(children[0])
        return self.make("comma", ",", tuple(self.lower(c) for c in children), node)


def _name(low: Lowering, node: TsNode) -> Expr:
    return low.word("name", node)


def _number(low: Lowering, node: TsNode) -> Expr:
    return low.word("num", node)


def _string(low: Lowering, node: TsNode) -> Expr:
    return low.make("str", low.text(node), (), node)


def _call(low: Lowering, node: TsNode) -> Expr:
    function = node.child_by_field_name("function")
    arguments = node.child_by_field_name("arguments")
    args = tuple(low.lower(c) for c in arguments.named_children if c.type != "comment") if arguments is not None else ()
    callee = low.lower(function)
    if callee.kind == "name":
        if callee.value in _HINT_CALLS and len(args) == 1:
            return args[0]
        return low.make("call", callee.value, args, node)
    if callee.kind == "call" and callee.value in ("guard", "class", "CLASS") and callee.args:
        return low.make("call", f"guard:{callee.args[0].key}", args, node)
    return low.make("call", "", args, node, callee)


def _field(low: Lowering, node: TsNode) -> Expr:
    base = low.lower(node.child_by_field_name("argument"))
    field = node.child_by_field_name("field")
    if base.kind == "unary" and base.value == "&":
        base = base.args[0]
    return low.make("field", low.text(field) if field is not None else "", (base,), node)


def _index(low: Lowering, node: TsNode) -> Expr:
    base, index = node.child_by_field_name("argument"), node.child_by_field_name("index")
    return low.make("index", "[]", (low.lower(base), low.lower(index)), node)


def _unary(low: Lowering, node: TsNode) -> Expr:
    operator = node.child_by_field_name("operator")
    op = operator.type if operator is not None else "?"
    arg = low.lower(node.child_by_field_name("argument"))
    if op == "*" and arg.kind == "unary" and arg.value == "&":
        return arg.args[0]
    if op == "!" and arg.kind == "unary" and arg.value == "!":
        return arg.args[0]
    return low.make("unary", op, (arg,), node)


def _update(low: Lowering, node: TsNode) -> Expr:
    operator = node.child_by_field_name("operator")
    argument = node.child_by_field_name("argument")
    op = operator.type if operator is not None else "++"
    postfix = argument is not None and operator is not None and operator.start_byte > argument.start_byte
    inner = low.lower(argument)
    if postfix and argument is not None and argument.type in ("unary_expression", "pointer_expression"):
        # The grammar reads `!p++` as `(!p)++`: the increment belongs to the operand.
        return low.make("unary", inner.value, (low.make("unary", "p" + op, inner.args, node),), node)
    return low.make("unary", ("p" if postfix else "") + op, (inner,), node)


def _binary(low: Lowering, node: TsNode) -> Expr:
    operator = node.child_by_field_name("operator")
    args = (low.lower(node.child_by_field_name("left")), low.lower(node.child_by_field_name("right")))
    return low.make("binary", operator.type if operator is not None else "?", args, node)


def _assign(low: Lowering, node: TsNode) -> Expr:
    operator = node.child_by_field_name("operator")
    args = (low.lower(node.child_by_field_name("left")), low.lower(node.child_by_field_name("right")))
    return low.make("assign", operator.type if operator is not None else "=", args, node)


def _cond(low: Lowering, node: TsNode) -> Expr:
    condition = low.lower(node.child_by_field_name("condition"))
    then = node.child_by_field_name("consequence")
    args = (
        condition,
        low.lower(then) if then is not None else condition,
        low.lower(node.child_by_field_name("alternative")),
    )
    return low.make("cond", "?", args, node)


def _cast(low: Lowering, node: TsNode) -> Expr:
    return low.lower(node.child_by_field_name("value"))


def _comma(low: Lowering, node: TsNode) -> Expr:
    args = (low.lower(node.child_by_field_name("left")), low.lower(node.child_by_field_name("right")))
    return low.make("comma", ",", args, node)


def _parens(low: Lowering, node: TsNode) -> Expr:
    return low.inner(node)


def _sizeof(low: Lowering, node: TsNode) -> Expr:
    return low.make("num", low.text(node), (), node)


def _init(low: Lowering, node: TsNode) -> Expr:
    return low.make("init", "", tuple(low.lower(c) for c in node.named_children if c.type != "comment"), node)


def _pair(low: Lowering, node: TsNode) -> Expr:
    value = node.child_by_field_name("value")
    designator = node.child_by_field_name("designator")
    field = low.text(designator).lstrip(".") if designator is not None else ""
    return low.make("init", field, (low.lower(value),), node)


_HANDLERS: dict[str, Callable[[Lowering, TsNode], Expr]] = {
    "identifier": _name,
    "field_identifier": _name,
    "type_identifier": _name,
    "true": _name,
    "false": _name,
    "null": _name,
    "number_literal": _number,
    "char_literal": _number,
    "string_literal": _string,
    "concatenated_string": _string,
    "call_expression": _call,
    "field_expression": _field,
    "subscript_expression": _index,
    "unary_expression": _unary,
    "pointer_expression": _unary,
    "update_expression": _update,
    "binary_expression": _binary,
    "assignment_expression": _assign,
    "conditional_expression": _cond,
    "cast_expression": _cast,
    "comma_expression": _comma,
    "parenthesized_expression": _parens,
    "sizeof_expression": _sizeof,
    "alignof_expression": _sizeof,
    "offsetof_expression": _sizeof,
    "initializer_list": _init,
    "initializer_pair": _pair,
    "compound_literal_expression": _cast,
}
