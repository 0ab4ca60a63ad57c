"""Where a function is defined: an outline of each folder, kept between runs and refreshed file by file."""

from __future__ import annotations

import hashlib
import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from mmlint.kept import recall, remember
from mmlint.kernel.tables import tables
from mmlint.source.outline import outline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmlint.inputs.tree import Tree

_FORMAT = 7
_STATIC, _LOCKS, _PAGES = 1, 2, 4
_NONE: frozenset[str] = frozenset()
Where = dict[str, list[tuple[str, int]]]
"""Function name -> the files of a folder that define it, with the flags of the definition."""
_WORD = re.compile(rb"[A-Za-z_]\w*")


class Place(NamedTuple):
    """A definition: its file, whether it is static to it, whether its text names a call that takes or drops a lock
    (`locks`), or one that takes a page reference or pin (`pages`).
    """

    path: str
    static: bool
    locks: bool
    pages: bool = False


@runtime_checkable
class _Layer(Protocol):
    """A tree with some files replaced, as a patch leaves it; None stands for a file that is gone."""

    @property
    def base(self) -> Tree: ...

    @property
    def changes(self) -> Mapping[str, bytes | None]: ...


class FolderIndex:
    """Where the functions of one folder are defined; a patched state looks at its own files and then at its base."""

    def __init__(self, folder: str, where: Where, base: FolderIndex | None = None, own: frozenset[str] = _NONE) -> None:
        self.folder = folder
        self._where = where
        self._base = base
        self._own = own

    def places(self, name: str) -> list[Place]:
        """The definitions of a function, by path."""
        found = [self._place(*entry) for entry in self._where.get(name, ())]
        if self._base is not None:
            found += [place for place in self._base.places(name) if place.path not in self._own]
            found.sort()
        return found

    def _place(self, name: str, flags: int) -> Place:
        path = f"{self.folder}/{name}" if self.folder else name
        return Place(path, bool(flags & _STATIC), bool(flags & _LOCKS), bool(flags & _PAGES))

    @cached_property
    def takers(self) -> frozenset[str]:
        """The functions that other files can call and whose text names a call that takes a page reference or pin."""
        mine = {name for name, found in self._where.items() if any(f & (_PAGES | _STATIC) == _PAGES for _, f in found)}
        below = self._base.takers if self._base is not None else _NONE
        return frozenset(mine).union(n for n in below if any(p.pages and not p.static for p in self.places(n)))


def folder_index(tree: Tree, folder: str) -> FolderIndex:
    """The index of a folder. Only what lies below a patch is kept on disk, never a patched state."""
    if not isinstance(tree, _Layer):
        return _unpatched(tree, folder)
    base = folder_index(tree.base, folder)
    own = {path: content for path, content in tree.changes.items() if path.rpartition("/")[0] == folder}
    where: Where = {}
    for path, content in sorted(own.items()):
        _add(where, path.rpartition("/")[2], content)
    return FolderIndex(folder, where, base, frozenset(own)) if own else base


def _add(where: Where, name: str, content: bytes | None) -> None:
    if content is not None and b"{" in content and name.endswith((".c", ".h")):
        for function, flags in _entries(content, name):
            where.setdefault(function, []).append((name, flags))


@lru_cache(maxsize=32)
def _unpatched(tree: Tree, folder: str) -> FolderIndex:
    """The index of a tree as it lies in store; every state of a series that is laid over it shares the answer."""
    kept, where = _load(tree, folder)
    stamps = {name: stamp for name, stamp in tree.stamps(folder).items() if name.endswith((".c", ".h"))}
    stale = {name for name in stamps.keys() | kept.keys() if stamps.get(name) != kept.get(name)}
    if stale:
        rest = ((function, [entry for entry in found if entry[0] not in stale]) for function, found in where.items())
        where = {function: found for function, found in rest if found}
        for name in sorted(stale & stamps.keys()):
            _add(where, name, tree.read(f"{folder}/{name}" if folder else name) or b"")
        _store(tree, folder, stamps, where)
    return FolderIndex(folder, where)


def _entries(text: bytes, name: str) -> list[tuple[str, int]]:
    """The functions of one file with their flags; of several with one name, what holds of any of them."""
    header = name.endswith(".h")
    known = tables()
    lockers = frozenset(word.encode() for word in (*known.takes, *known.drops))
    takers = frozenset(word.encode() for word in known.page_takers)
    found: dict[str, int] = {}
    for entry in outline(text):
        head = text[entry.start_byte : entry.start_byte + 64].split(b"(", 1)[0]
        words = _WORD.findall(text, entry.start_byte, entry.end_byte)
        old = found.get(entry.name, _STATIC)
        static = old & _STATIC if not header and b"static" in head.split() else 0
        locks = 0 if lockers.isdisjoint(words) else _LOCKS
        pages = 0 if takers.isdisjoint(words) else _PAGES
        found[entry.name] = static | (old & ~_STATIC) | locks | pages
    return sorted(found.items())


def _name(tree: Tree, folder: str) -> str:
    key = hashlib.sha256(f"{_FORMAT}\0{tree.identity}\0{folder}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"index/{key}"


def _load(tree: Tree, folder: str) -> tuple[dict[str, str], Where]:
    return recall(_name(tree, folder)) or ({}, {})


def _store(tree: Tree, folder: str, stamps: dict[str, str], where: Where) -> None:
    remember(_name(tree, folder), (stamps, where))
