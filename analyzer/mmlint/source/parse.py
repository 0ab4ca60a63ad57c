"""Parse normalised C; the one place that knows tree-sitter's set-up."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mmlint.source import preproc
from mmlint.source.normalise import normal_function

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_c

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


def parse(text: bytes) -> Tree:
    """The tree of plain C."""
    return _parser().parse(text)


class Parsed:
    """One function's tree: its definition (the root where none was found), the text it is of, the arms left out."""

    __slots__ = ("body", "damaged", "dropped", "node", "text")

    def __init__(
        self, node: Node, body: Node | None, text: bytes, dropped: tuple[tuple[int, int], ...], damaged: bool
    ) -> None:
        self.node = node
        self.body = body
        self.text = text
        self.dropped = dropped
        self.damaged = damaged


_ATTEMPTS = (
    (False, False, False),
    (True, False, False),
    (False, True, False),
    (True, True, False),
    (True, True, True),
)
"""Ways to read a function, tried until one leaves no ERROR: (harder normalisation, one arm per group, the other)."""


def _harder(text: bytes) -> bytes:
    from mmlint.source.hard import harder  # its patterns take longer to compile than most runs need them

    return harder(text)


def parse_function(masked: bytes, body_at: int) -> Parsed:
    """Parse a function's masked slice, `body_at` being the offset of its `{`; the first attempt counts if all fail."""
    first: Parsed | None = None
    for hard, everything, off in _ATTEMPTS:
        if everything and b"#" not in masked:
            break
        resolved = preproc.resolve(masked, everything=everything, off=off)
        text = normal_function(resolved.text, body_at)
        parsed = _parsed(_harder(text) if hard else text, resolved.dropped)
        if not parsed.damaged:
            return parsed
        first = first or parsed
    assert first is not None
    return first


def _parsed(text: bytes, dropped: tuple[tuple[int, int], ...]) -> Parsed:
    root = parse(text).root_node
    for child in root.named_children:
        if child.type == "function_definition":
            body = child.child_by_field_name("body")
            return Parsed(
                child, body, text, dropped, root.has_error or body is None or bool(text[child.end_byte :].strip())
            )
    return Parsed(root, None, text, dropped, True)
