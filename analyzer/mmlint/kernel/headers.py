"""What a kernel tree's own sources say about a name: where it is defined, with which parameters and which body.

This reads C by its layout (definitions start in column 0), enough to hold a table against a header; it is no parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mmlint.frozen import dataclass

_COMMENT = re.compile(r"/(?:\*[^*]*+\*++(?:[^/*][^*]*+\*++)*+/|/[^\n]*+)")
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(\(([^)]*)\))?((?:[^\n\\]|\\\n|\\.)*)", re.M)
_COLUMN0 = re.compile(r"^[*A-Za-z_].*\(", re.M)
_CALL = re.compile(r"\b([A-Za-z_]\w*)[ \t]*\(")
_MEMBER = re.compile(r"\(\*(\w+)\)[ \t]*\(")
_CONSTANT = re.compile(r"^[ \t]+([A-Z][A-Z0-9_]+)[ \t]*(?:=|,|$)", re.M)
_PASTED = re.compile(r"\b(\w*)##\w+(?:##(\w*))?")
_BEHIND_PARAMETERS = re.compile(r"[^;{}()#]*(?:\([^)]*\)[^;{}()#]*)*")
_BRACKETS = {pair: re.compile(f"[{re.escape(pair)}]") for pair in ("()", "{}")}
_GUARD = re.compile(r"^(?:DEFINE_GUARD|DEFINE_LOCK_GUARD_[01]|DEFINE_CLASS|DEFINE_FREE)\((\w+)", re.M)
_GUARD_COND = re.compile(r"^DEFINE_(?:LOCK_)?GUARD(?:_1)?_COND\((\w+),[ \t]*(\w+)", re.M)


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition or declaration: its parameters as written, and the body ("" for a declaration)."""

    name: str
    parameters: tuple[str, ...]
    body: str
    line: int
    macro: bool = False

    @property
    def calls(self) -> frozenset[str]:
        """The names called in the body."""
        return frozenset(_CALL.findall(self.body))


def _blank(match: re.Match[str]) -> str:
    return "\n".join([" " * len(line) for line in match[0].split("\n")])


def _closing(text: str, start: int, pair: str) -> int:
    """The index after the bracket that closes the one at `start`; the end of the text if none does."""
    depth = 0
    for match in _BRACKETS[pair].finditer(text, start):
        depth += 1 if match[0] == pair[0] else -1
        if depth == 0:
            return match.end()
    return len(text)


def split_arguments(text: str) -> tuple[str, ...]:
    """Arguments or parameters apart at their top-level commas."""
    parts, depth, last = [], 0, 0
    for at, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(text[last:at].strip())
            last = at + 1
    rest = text[last:].strip()
    return tuple([*parts, rest] if rest and rest != "void" else parts)


@dataclass
class Header:
    """One file of a tree, without its comments."""

    path: str
    text: str = field(repr=False)
    _known: dict[str, tuple[Definition, ...]] = field(default_factory=dict, repr=False)

    def defined(self, name: str) -> tuple[Definition, ...]:
        """The functions and macros of a name, every one of them (both arms of an #ifdef)."""
        if name not in self._known:
            macros = [self._macro(found) for found in self._macros.get(name, ())]
            self._known[name] = (*macros, *(self._function(name, opening) for opening in self._functions.get(name, ())))
        return self._known[name]

    @property
    def macros(self) -> Iterable[str]:
        """The names of the macros."""
        return self._macros.keys()

    @cached_property
    def _macros(self) -> dict[str, list[re.Match[str]]]:
        """The `#define`s by name."""
        found: dict[str, list[re.Match[str]]] = {}
        for macro in _DEFINE.finditer(self.text):
            found.setdefault(macro[1], []).append(macro)
        return found

    def _macro(self, found: re.Match[str]) -> Definition:
        return Definition(found[1], split_arguments(found[3] or ""), found[4], self._line(found.start()), True)

    @cached_property
    def _functions(self) -> dict[str, list[int]]:
        """Where the parameters of each function begin, by its name."""
        found: dict[str, list[int]] = {}
        for line in _COLUMN0.finditer(self.text):
            for call in _CALL.finditer(line[0]):
                if line[0].count("(", 0, call.start()) == line[0].count(")", 0, call.start()):
                    found.setdefault(call[1], []).append(line.start() + call.end() - 1)
        return found

    def _function(self, name: str, opening: int) -> Definition:
        end = _closing(self.text, opening, "()")
        rest = _BEHIND_PARAMETERS.match(self.text, end)
        at = rest.end() if rest else end
        body = self.text[at : _closing(self.text, at, "{}")] if self.text[at : at + 1] == "{" else ""
        parameters = split_arguments(self.text[opening + 1 : end - 1])
        return Definition(name, parameters, body, self._line(opening))

    def _line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    @cached_property
    def others(self) -> frozenset[str]:
        """Function-pointer members, constants of enumerations, classes of cleanup.h."""
        plain = {*_MEMBER.findall(self.text), *_CONSTANT.findall(self.text)}
        if "DEFINE_" in self.text:
            plain.update(_GUARD.findall(self.text), (base + ext for base, ext in _GUARD_COND.findall(self.text)))
        return frozenset(plain)

    @cached_property
    def _pasted(self) -> tuple[tuple[str, str], ...]:
        pasting = (line for line in self.text.split("\n") if "##" in line) if "##" in self.text else ()
        found = (match for line in pasting for match in _PASTED.finditer(line))
        return tuple(sorted({(match[1], match[2] or "") for match in found if len(match[1]) > 3}))

    @cached_property
    def words(self) -> frozenset[str]:
        """All identifiers."""
        return frozenset(re.findall(r"\w+", self.text))

    def has(self, name: str) -> bool:
        """Whether the file defines or declares the name, also by token pasting (`folio_test_##name`)."""
        if name in self._macros or name in self._functions or name in self.others:
            return True
        return any(
            name.startswith(before)
            and name.endswith(after)
            and name[len(before) : len(name) - len(after)] in self.words
            for before, after in self._pasted
        )


class Files(Protocol):
    """The files of a tree."""

    def read(self, path: str) -> bytes | None:
        """A file by its path in the tree; None if the tree does not have it."""
        ...


class Folder:
    """The files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        """A file by its path in the folder; None if there is none."""
        file = self.root / path
        return file.read_bytes() if file.is_file() else None


def files_of(tree: Files | Path | str) -> Files:
    """The files of a tree, or of the folder with this path."""
    return Folder(Path(tree)) if isinstance(tree, (str, Path)) else tree


class Sources:
    """The files of a kernel tree, read when they are asked for."""

    def __init__(self, tree: Files) -> None:
        self.tree = tree
        self._read: dict[str, Header | None] = {}

    def get(self, path: str) -> Header | None:
        """A file by its path in the tree; None if the tree does not have it."""
        if path not in self._read:
            text = self.tree.read(path)
            known = None if text is None else Header(path, _COMMENT.sub(_blank, text.decode("utf-8", "replace")))
            self._read[path] = known
        return self._read[path]
