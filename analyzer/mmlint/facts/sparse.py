"""The index of a folder for a run that asks for few of its names: files are outlined when one of them may be meant.

To index all folders that a tree's analysed files lie in takes a fifth of an audit. Nothing of this is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from mmlint.facts.index import Flags, Place, flags_of, place
from mmlint.kernel.tables import tables
from mmlint.source.identifiers import identifiers

if TYPE_CHECKING:
    from mmlint.facts.function import Function
    from mmlint.inputs.tree import Tree

_INSIDE = re.compile(rb"^(?:\{[ \t]*\n(?>(?:(?:[ \t#/*][^\n]*|\w+[ \t]*:[^\n]*)?\n)*)\}|#[^\n]*)", re.M)
"""Where no function's name is: a body whose lines are indented, directives or labels; a directive."""
_COMMENT = re.compile(rb'/\*[^"]*?\*/')
"""A comment; one that holds a quote stays, as it may be none (`"drivers/*"`)."""
_OF_HEADERS = bytes(byte if byte < 128 and (chr(byte).isalnum() or byte in b"_(,)") else 32 for byte in range(256))
_WORDS_OF_C = frozenset("do else enum for if return sizeof struct switch typeof union volatile while".split())
_COMPOSED = re.compile(r"(?:compat_)?sys_(?=\w)")
"""What the name of a system call has before the word that is written in its definition."""


class SparseIndex:
    """Where the functions of one folder are defined, as `FolderIndex` has it. `functions` gives those of a file."""

    def __init__(self, tree: Tree, folder: str, functions: Callable[[str], Iterable[Function]]) -> None:
        self._functions = functions
        self._texts = _Texts(tree, folder)
        self._flags: dict[str, Flags] = {}
        self._places: dict[str, list[Place]] = {}

    def places(self, name: str) -> list[Place]:
        """The definitions of a function, by path."""
        if not name or name in _WORDS_OF_C:
            return []
        if name not in self._places:
            words = {name.encode(), _COMPOSED.sub("", name, count=1).encode()}
            if self._texts.words.isdisjoint(words):
                return []
            paths = (path for path, outside in self._texts.outside.items() if not outside.isdisjoint(words))
            found = ((path, self._file(path).get(name)) for path in paths)
            self._places[name] = [place(path, flags) for path, flags in found if flags is not None]
        return self._places[name]

    @cached_property
    def takers(self) -> frozenset[str]:
        """The functions that other files can call and whose text names a call that takes a page reference or pin."""
        marked = ((name, place(path, flags)) for path in self._texts.taking for name, flags in self._file(path).items())
        return frozenset(name for name, found in marked if found.pages and not found.static)

    def _file(self, path: str) -> Flags:
        if path not in self._flags:
            self._flags[path] = flags_of(((f.name, f.text) for f in self._functions(path)), path)
        return self._flags[path]


class _Texts:
    """What is looked at in each file of a folder that may define functions."""

    def __init__(self, tree: Tree, folder: str) -> None:
        self.outside: dict[str, frozenset[bytes]] = {}
        """The words that may name a function, by path in order."""
        self.taking: list[str] = []
        """The paths of the files that name a call which takes a page reference or pin."""
        takers = frozenset(word.encode() for word in tables().page_takers)
        for name in tree.names(folder):
            path = f"{folder}/{name}" if folder else name
            text = (tree.read(path) or b"") if name.endswith((".c", ".h")) else b""
            if b"{" in text:
                self.outside[path] = _headed(_INSIDE.sub(b"", _COMMENT.sub(b"", text)))
                if not takers.isdisjoint(identifiers(text)):
                    self.taking.append(path)
        self.words = frozenset().union(*self.outside.values())
        """Those of all files."""


def _headed(text: bytes) -> frozenset[bytes]:
    """The words that may name a function: those before a parenthesis, and those first in one (`DEFINE_CALL(name)`)."""
    plain = b" ".join(text.translate(_OF_HEADERS).split()).replace(b" (", b"(").replace(b"( ", b"(")
    found = set()
    for part in plain.replace(b",", b")").split(b"("):
        first = part.partition(b")")[0].rstrip()
        if b" " not in first:
            found.add(first)
        found.add(part[max(part.rfind(b" "), part.rfind(b")")) + 1 :])
    return frozenset(found)
