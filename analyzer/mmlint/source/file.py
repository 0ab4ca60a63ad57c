"""A C file: original bytes, its functions and macros, and (on demand) the tree of the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from mmlint.frozen import dataclass
from mmlint.source import preproc
from mmlint.source.function import FunctionSource
from mmlint.source.macros import MacroSource, function_macros
from mmlint.source.mask import mask
from mmlint.source.normalise import normal_file
from mmlint.source.outline import Lines, OutlineEntry, outline_masked
from mmlint.source.parse import parse
from mmlint.source.signature import Param

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

__all__ = ["FunctionSource", "MacroSource", "Param", "SourceFile", "Unread"]


Outlined = Callable[[], "tuple[OutlineEntry, ...] | None"]


@dataclass(frozen=True, slots=True)
class Unread:
    """A function whose tree has a part that could not be read, and the line it starts on."""

    name: str
    line: int


class SourceFile:
    """A C file named `path`; nothing is scanned or parsed before it is asked for.

    `outlined` may know the outline of this very text; it is asked when the functions are.
    """

    def __init__(self, path: str, text: bytes, outlined: Outlined | None = None) -> None:
        self.path = path
        self.text = text
        self._outlined = outlined

    @cached_property
    def masked(self) -> bytes:
        """The text with comments and the contents of literals blanked, nothing moved."""
        return mask(self.text)

    @cached_property
    def normalised(self) -> bytes:
        """The whole text as the parser sees it, each function as it is read by itself."""
        resolved = preproc.resolve(self.masked).text
        out = bytearray(normal_file(resolved))
        for function in self.functions:
            if resolved[function.body_byte : function.body_byte + 1] == b"{":
                out[function.start_byte : function.end_byte] = function.parsed.text
        return bytes(out)

    @cached_property
    def tree(self) -> Tree:
        """The tree of the whole normalised text (for tables and declarations; functions have their own trees)."""
        return parse(self.normalised)

    @cached_property
    def ascii(self) -> bool:
        """Whether a character is a byte."""
        return self.text.isascii()

    @cached_property
    def lines(self) -> list[bytes]:
        """The original lines without their newlines."""
        return self.text.split(b"\n")

    @cached_property
    def _line_index(self) -> Lines:
        return Lines(self.text)

    def masked_part(self, start: int, end: int) -> bytes:
        """`masked` from `start`, which lies in no comment or literal, to `end`."""
        whole = self.__dict__.get("masked")
        return mask(self.text[start:end]) if whole is None else whole[start:end]

    def line_of(self, byte: int) -> int:
        """The line (from 1) of a byte offset."""
        return self._line_index.of(byte)

    @cached_property
    def conditions(self) -> preproc.Conditions:
        """The preprocessor condition at each offset."""
        return preproc.Conditions(self.masked)

    def condition_on(self, line: int) -> str:
        """The preprocessor condition at the start of a line, as `Conditions.at` tells it."""
        return self.conditions.at(self._line_index.starts[line - 1])

    @cached_property
    def functions(self) -> tuple[FunctionSource, ...]:
        """The function definitions in order, those of every preprocessor arm."""
        entries = self._outlined() if self._outlined is not None else None
        self._outlined = None
        if entries is None:
            entries = outline_masked(self.masked, self._line_index)
        return tuple(FunctionSource(self, entry) for entry in entries)

    @cached_property
    def _by_name(self) -> dict[str, list[FunctionSource]]:
        found: dict[str, list[FunctionSource]] = {}
        for function in self.functions:
            found.setdefault(function.name, []).append(function)
        return found

    def named(self, name: str) -> Sequence[FunctionSource]:
        """The definitions of `name`: several under different preprocessor conditions."""
        return self._by_name.get(name, ())

    def function(self, name: str) -> FunctionSource | None:
        """The first definition of `name`, if the file has one."""
        return next(iter(self.named(name)), None)

    @cached_property
    def unread(self) -> tuple[Unread, ...]:
        """The functions whose tree is damaged (parses all of them)."""
        return tuple(Unread(function.name, function.start_line) for function in self.functions if function.damaged)

    @cached_property
    def macros(self) -> Mapping[str, MacroSource]:
        """The function-like macros by name."""
        return MappingProxyType(function_macros(self.masked, self._line_index))

    def original(self, node: Node) -> bytes:
        """The original bytes under a node of `tree` (for nodes of a function, ask the function)."""
        return self.text[node.start_byte : node.end_byte]
