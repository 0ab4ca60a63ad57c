"""One function of a C file, parsed by itself from its own slice when it is first looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmlint.source.outline import OutlineEntry
from mmlint.source.parse import Parsed, parse_function
from mmlint.source.signature import Param, params_of, returns_of

if TYPE_CHECKING:
    from tree_sitter import Node

    from mmlint.source.file import SourceFile

_INLINE = frozenset((b"inline", b"__inline", b"__inline__", b"__always_inline"))
_LEADING_WORD = re.compile(rb"\w+")


class FunctionSource:
    """One function definition of a file.

    Its nodes come from a parse of its slice alone: ask `line`, `column`, `source` and `norm` about a node, never the
    node's own positions. Lines and columns count from 1.
    """

    __slots__ = (
        "_params", "_parsed", "body_byte", "end_byte", "end_line", "file", "name", "name_line", "path", "start_byte",
        "start_line",
    )  # fmt: skip

    def __init__(self, file: SourceFile, entry: OutlineEntry) -> None:
        self.file = file
        self.path = file.path
        self.name = entry.name
        self.start_byte = entry.start_byte
        self.end_byte = entry.end_byte
        self.start_line = entry.start_line
        self.end_line = entry.end_line
        self.name_line = entry.name_line
        self.body_byte = entry.body_byte
        self._parsed: Parsed | None = None
        self._params: tuple[Param, ...] | None = None

    def __repr__(self) -> str:
        return f"FunctionSource({self.path}:{self.start_line} {self.name})"

    @property
    def text(self) -> bytes:
        """The original bytes of the definition."""
        return self.file.text[self.start_byte : self.end_byte]

    @property
    def static(self) -> bool:
        """Whether its header says `static`."""
        return b"static" in self._header_words()

    @property
    def inline(self) -> bool:
        """Whether its header says `inline`, in any of the kernel's spellings."""
        return not _INLINE.isdisjoint(self._header_words())

    def _header_words(self) -> list[bytes]:
        return self.file.masked_part(self.start_byte, self.body_byte).split()

    @property
    def condition(self) -> str:
        """The preprocessor condition it stands under, terms joined by ` && `, "" if none."""
        return self.file.conditions.at(self.start_byte)

    @property
    def parsed(self) -> Parsed:
        """The parse of its slice, done once."""
        if self._parsed is None:
            masked = self.file.masked_part(self.start_byte, self.end_byte)
            self._parsed = parse_function(masked, self.body_byte - self.start_byte)
        return self._parsed

    @property
    def node(self) -> Node:
        """The `function_definition` node (the root of the slice's tree where the header could not be read)."""
        return self.parsed.node

    @property
    def body(self) -> Node:
        """The `compound_statement` of the body (`node` where there is none)."""
        parsed = self.parsed
        return parsed.node if parsed.body is None else parsed.body

    @property
    def damaged(self) -> bool:
        """Whether the tree has an ERROR or MISSING node: what is not read is not judged."""
        return self.parsed.damaged

    @property
    def missed(self) -> bool:
        """Whether something was asked of its tree, and that is damaged: who asks nothing misses nothing."""
        return self._parsed is not None and self._parsed.damaged

    @property
    def dropped_lines(self) -> tuple[tuple[int, int], ...]:
        """First and last line of each preprocessor arm that the tree leaves out because only one could be read."""
        at = self.start_byte
        line_of = self.file.line_of
        return tuple((line_of(at + start), line_of(at + end - 1)) for start, end in self.parsed.dropped)

    @property
    def params(self) -> tuple[Param, ...]:
        """The parameters in order; none for `(void)`."""
        if self._params is None:
            self._params = params_of(self.node, self.parsed.text)
        return self._params

    @property
    def returns(self) -> str:
        """The return type, without storage class and annotations."""
        return returns_of(self.node, self.parsed.text)

    def line(self, node: Node) -> int:
        """The line on which `node` starts."""
        return self.start_line + int(node.start_point[0])

    def end_line_of(self, node: Node) -> int:
        """The line on which `node` ends."""
        return self.start_line + int(node.end_point[0])

    def column(self, node: Node) -> int:
        """The column at which `node` starts, in characters; a tab is one."""
        at = self.start_byte + node.start_byte
        before = self.file.text[self.file.text.rfind(b"\n", 0, at) + 1 : at]
        return 1 + (len(before) if before.isascii() else len(before.decode("utf-8", "replace")))

    def place(self, node: Node) -> tuple[int, int, int]:
        """The line and column at which `node` starts, and the line on which it ends."""
        row, byte = node.start_point
        column = byte + 1 if row and self.file.ascii else self.column(node)
        return self.start_line + row, column, self.start_line + node.end_point[0]

    def source(self, node: Node) -> bytes:
        """The original bytes under `node`: iterator names and annotations as they were written."""
        return self.file.text[self.start_byte + node.start_byte : self.start_byte + node.end_byte]

    def norm(self, node: Node) -> bytes:
        """The bytes under `node` as the parser saw them."""
        return self.parsed.text[node.start_byte : node.end_byte]

    def macro_name(self, node: Node) -> str:
        """The macro that a `while`, `for` or `if` stands for (`list_for_each_entry`, `scoped_guard`), else ""."""
        written = _LEADING_WORD.match(self.source(node))
        read = _LEADING_WORD.match(self.norm(node))
        return written[0].decode() if written and read and written[0] != read[0] else ""
