"""A C file and its functions: each function is parsed by itself, from its own slice, when it is first looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from mmlint.source import preproc
from mmlint.source.hard import harder
from mmlint.source.header import clean_header, normal_header, read_header
from mmlint.source.macros import MacroSource, function_macros
from mmlint.source.mask import mask
from mmlint.source.normalise import normalise, normalise_masked
from mmlint.source.outline import Lines, OutlineEntry, outline_masked

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_c

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter; `name` is "" where there is none, `type_text` has one blank between words, without annotations."""

    name: str
    type_text: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A function whose body holds something the parser could not read."""

    name: str
    line: int


_ATTEMPTS = (
    (False, False, False),
    (True, False, False),
    (False, True, False),
    (True, True, False),
    (True, True, True),
)
"""Ways to read a function, tried until one leaves no ERROR: (harder normalisation, one arm of every group, the other)."""


class FunctionSource:
    """One function definition of a file.

    Its nodes come from a parse of its slice alone: ask `line`, `column`, `source` and `norm` about a node, never the
    node's own positions. Lines and columns count from 1.
    """

    __slots__ = (
        "_body", "_file", "_node", "_normalised", "_params", "_parsed", "_returns", "body_byte", "damaged_",
        "dropped", "end_byte", "end_line", "name", "name_line", "path", "start_byte", "start_line",
    )  # fmt: skip

    def __init__(self, file: SourceFile, entry: OutlineEntry) -> None:
        self._file = file
        self.path = file.path
        self.name = entry.name
        self.start_byte = entry.start_byte
        self.end_byte = entry.end_byte
        self.start_line = entry.start_line
        self.end_line = entry.end_line
        self.name_line = entry.name_line
        self.body_byte = entry.body_byte
        self._parsed = False
        self._params: tuple[Param, ...] | None = None
        self._returns: str | None = None

    def __repr__(self) -> str:
        return f"FunctionSource({self.path}:{self.start_line} {self.name})"

    @property
    def text(self) -> bytes:
        """The original bytes of the definition."""
        return self._file.text[self.start_byte : self.end_byte]

    @property
    def file(self) -> SourceFile:
        """The file it stands in."""
        return self._file

    @property
    def _header(self) -> bytes:
        return self._file.masked[self.start_byte : self.body_byte]

    @property
    def static(self) -> bool:
        """Whether its header says `static`."""
        return b"static" in self._header.split()

    @property
    def inline(self) -> bool:
        """Whether its header says `inline`, in any of the kernel's spellings."""
        return not {b"inline", b"__inline", b"__inline__", b"__always_inline"}.isdisjoint(self._header.split())

    @property
    def condition(self) -> str:
        """The preprocessor condition it stands under, terms joined by ` && `, "" if none."""
        return self._file.conditions.at(self.start_byte)

    def _parse(self) -> None:
        if self._parsed:
            return
        best: tuple[Tree, bytes, tuple[tuple[int, int], ...]] | None = None
        masked = self._file.masked[self.start_byte : self.end_byte]
        for hard, everything, off in _ATTEMPTS:
            if everything and b"#" not in masked:
                break
            resolved = preproc.resolve(masked, everything=everything, off=off)
            text = normal_function(resolved.text, self.body_byte - self.start_byte)
            if hard:
                text = harder(text)
            tree = _parser().parse(text)
            if best is None or not tree.root_node.has_error:
                best = (tree, text, resolved.dropped)
            if not tree.root_node.has_error:
                break
        assert best is not None
        tree, self._normalised, self.dropped = best
        self._node, self._body = _definition(tree.root_node)
        self.damaged_ = tree.root_node.has_error or self._body is None
        self._parsed = True

    @property
    def node(self) -> Node:
        """The `function_definition` node (the root of the slice's tree where the header could not be read)."""
        self._parse()
        return self._node

    @property
    def body(self) -> Node:
        """The `compound_statement` of the body."""
        self._parse()
        return self._body if self._body is not None else self._node

    @property
    def damaged(self) -> bool:
        """Whether the tree has an ERROR or MISSING node: what is not read is not judged."""
        self._parse()
        return self.damaged_

    @property
    def dropped_lines(self) -> tuple[tuple[int, int], ...]:
        """First and last line of each preprocessor arm that the tree leaves out because only one could be read."""
        self._parse()
        line_of = self._file.line_of
        return tuple(
            (line_of(self.start_byte + start), line_of(self.start_byte + end - 1)) for start, end in self.dropped
        )

    @property
    def params(self) -> tuple[Param, ...]:
        """The parameters in order; none for `(void)`."""
        if self._params is None:
            self._params = _params(self)
        return self._params

    @property
    def returns(self) -> str:
        """The return type, without storage class and annotations."""
        if self._returns is None:
            self._returns = _returns(self)
        return self._returns

    def line(self, node: Node) -> int:
        """The line on which `node` starts."""
        return self.start_line + node.start_point[0]

    def end_line_of(self, node: Node) -> int:
        """The line on which `node` ends."""
        return self.start_line + node.end_point[0]

    def column(self, node: Node) -> int:
        """The column (bytes, from 1) at which `node` starts."""
        at = self.start_byte + node.start_byte
        return at - self._file.text.rfind(b"\n", 0, at)

    def source(self, node: Node) -> bytes:
        """The original bytes under `node`: iterator names and annotations as they were written."""
        return self._file.text[self.start_byte + node.start_byte : self.start_byte + node.end_byte]

    def norm(self, node: Node) -> bytes:
        """The bytes under `node` as the parser saw them."""
        self._parse()
        return self._normalised[node.start_byte : node.end_byte]


def normal_function(masked: bytes, body_at: int) -> bytes:
    """A function's masked slice as plain C of the same length; `body_at` is the offset of its `{`."""
    head = clean_header(masked[:body_at])
    header = read_header(head)
    return normalise_masked(normal_header(head, header) if header else head) + normalise_masked(masked[body_at:])


def _definition(root: Node) -> tuple[Node, Node | None]:
    for child in root.named_children:
        if child.type == "function_definition":
            return child, child.child_by_field_name("body")
    return root, None


def _function_declarator(function: FunctionSource) -> Node | None:
    node = function.node.child_by_field_name("declarator")
    innermost = None
    while node is not None:
        if node.type == "function_declarator":
            innermost = node
        following = node.child_by_field_name("declarator")
        if following is None and node.type == "parenthesized_declarator":
            following = node.named_children[0] if node.named_children else None
        node = following
    return innermost


def _identifier(node: Node | None) -> Node | None:
    while node is not None and node.type != "identifier":
        following = node.child_by_field_name("declarator")
        if following is None and node.named_children:
            following = node.named_children[0]
        node = following
    return node


def _words(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())


def _params(function: FunctionSource) -> tuple[Param, ...]:
    declarator = _function_declarator(function)
    listed = declarator.child_by_field_name("parameters") if declarator is not None else None
    if listed is None:
        return ()
    found = []
    for child in listed.named_children:
        if child.type == "variadic_parameter":
            found.append(Param("...", "..."))
        if child.type != "parameter_declaration":
            continue
        whole = function.norm(child)
        name = _identifier(child.child_by_field_name("declarator"))
        if name is None:
            if whole.strip() != b"void":
                found.append(Param("", _words(whole)))
            continue
        at, end = name.start_byte - child.start_byte, name.end_byte - child.start_byte
        found.append(Param(function.norm(name).decode(), _words(whole[:at] + whole[end:])))
    return tuple(found)


def _returns(function: FunctionSource) -> str:
    declarator = _function_declarator(function)
    if declarator is None:
        return ""
    before = function.norm(function.node)[: declarator.start_byte - function.node.start_byte]
    words = [word for word in before.split() if word not in (b"static", b"inline", b"extern", b"asmlinkage")]
    return _words(b" ".join(words))


class SourceFile:
    """A C file: original bytes, functions, macros, and (on demand) the tree of the whole."""

    def __init__(self, path: str, text: bytes) -> None:
        self.path = path
        self.text = text

    @cached_property
    def masked(self) -> bytes:
        """The text with comments and the contents of literals blanked, nothing moved."""
        return mask(self.text)

    @cached_property
    def normalised(self) -> bytes:
        """The whole text as the parser sees it."""
        return normalise(self.text)

    @cached_property
    def tree(self) -> Tree:
        """The tree of the whole normalised text (for tables and declarations; functions have their own trees)."""
        return _parser().parse(self.normalised)

    @cached_property
    def lines(self) -> list[bytes]:
        """The original lines without their newlines."""
        return self.text.split(b"\n")

    @cached_property
    def _line_index(self) -> Lines:
        return Lines(self.text)

    def line_of(self, byte: int) -> int:
        """The line (from 1) of a byte offset."""
        return self._line_index.of(byte)

    @cached_property
    def conditions(self) -> preproc.Conditions:
        """The preprocessor condition at each offset."""
        return preproc.Conditions(self.masked)

    @cached_property
    def functions(self) -> tuple[FunctionSource, ...]:
        """The function definitions in order, those of every preprocessor arm."""
        return tuple(FunctionSource(self, entry) for entry in outline_masked(self.masked, self._line_index))

    @cached_property
    def _by_name(self) -> dict[str, FunctionSource]:
        named: dict[str, FunctionSource] = {}
        for function in self.functions:
            named.setdefault(function.name, function)
        return named

    def function(self, name: str) -> FunctionSource | None:
        """The first definition of `name`, if the file has one."""
        return self._by_name.get(name)

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
