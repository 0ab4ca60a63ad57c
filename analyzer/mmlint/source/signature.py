"""Parameters and return type of a parsed function definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmlint.frozen import dataclass

if TYPE_CHECKING:
    from tree_sitter import Node

_STORAGE = frozenset((b"static", b"inline", b"extern", b"register"))


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter; `name` is "" where there is none, `type_text` has one blank between words, without annotations."""

    name: str
    type_text: str


def params_of(definition: Node, text: bytes) -> tuple[Param, ...]:
    """The parameters of `definition`, a node of a tree of `text`; none for `(void)`."""
    declarator = _function_declarator(definition)
    listed = declarator.child_by_field_name("parameters") if declarator is not None else None
    if listed is None:
        return ()
    found = (_param(child, text) for child in listed.named_children)
    return tuple(param for param in found if param is not None)


def _param(child: Node, text: bytes) -> Param | None:
    if child.type == "variadic_parameter":
        return Param("...", "...")
    if child.type != "parameter_declaration":
        return None
    start, end = child.start_byte, child.end_byte
    name = _identifier(child.child_by_field_name("declarator"))
    if name is not None:
        around = text[start : name.start_byte] + text[name.end_byte : end]
        return Param(text[name.start_byte : name.end_byte].decode(), _words(around))
    unnamed = _words(text[start:end])
    return None if unnamed == "void" else Param("", unnamed)


def returns_of(definition: Node, text: bytes) -> str:
    """The return type of `definition`, without storage class; "" where it cannot be read."""
    declarator = _function_declarator(definition)
    if declarator is None:
        return ""
    before = text[definition.start_byte : declarator.start_byte]
    return _words(b" ".join(word for word in before.split() if word not in _STORAGE))


def _function_declarator(definition: Node) -> Node | None:
    node = definition.child_by_field_name("declarator")
    innermost = None
    while node is not None:
        if node.type == "function_declarator":
            innermost = node
        node = _inner(node)
    return innermost


def _identifier(node: Node | None) -> Node | None:
    while node is not None and node.type != "identifier":
        node = _inner(node)
    return node


def _inner(node: Node) -> Node | None:
    inner = node.child_by_field_name("declarator")
    if inner is None and node.type == "parenthesized_declarator" and node.named_children:
        inner = node.named_children[0]
    return inner


def _words(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())
