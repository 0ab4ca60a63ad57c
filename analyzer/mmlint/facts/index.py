"""Where a function is defined: an outline of each folder, kept between runs and refreshed file by file."""

from __future__ import annotations

import hashlib
import marshal
import zlib
from collections.abc import Iterable
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from mmlint.kept import recall, remember
from mmlint.kernel.rows import GUARDS
from mmlint.kernel.tables import tables
from mmlint.source.identifiers import identifiers
from mmlint.source.outline import OutlineEntry, outline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmlint.inputs.tree import Tree

_FORMAT = 9
_STATIC, _LOCKS, _PAGES = 1, 2, 4
_NONE: frozenset[str] = frozenset()
Where = dict[str, list[tuple[str, int]]]
"""Function name -> the files of a folder that define it, with the flags of the definition."""
Flags = dict[str, int]
"""Function name -> what is marked of its definition."""
Outlines = dict[str, tuple[int, bytes]]
"""File -> checksum of its text, and its outline as marshal has it: few files are asked for."""


class Place(NamedTuple):
    """A definition: its file, whether it is static to it, whether its text names a call that takes or drops a lock
    (`locks`), or one that takes a page reference or pin (`pages`).
    """

    path: str
    static: bool
    locks: bool
    pages: bool = False


def place(path: str, flags: int) -> Place:
    """A definition in the file `path`, by its flags."""
    return Place(path, bool(flags & _STATIC), bool(flags & _LOCKS), bool(flags & _PAGES))


@runtime_checkable
class _Layer(Protocol):
    """A tree with some files replaced, as a patch leaves it; None stands for a file that is gone."""

    @property
    def base(self) -> Tree: ...

    @property
    def changes(self) -> Mapping[str, bytes | None]: ...


class FolderIndex:
    """Where the functions of one folder are defined; a patched state looks at its own files and then at its base."""

    def __init__(
        self,
        folder: str,
        where: Where,
        outlines: Outlines,
        base: FolderIndex | None = None,
        own: frozenset[str] = _NONE,
    ) -> None:
        self.folder = folder
        self._where = where
        self._outlines = outlines
        self._base = base
        self._own = own

    def outline(self, name: str, text: bytes) -> tuple[OutlineEntry, ...] | None:
        """The outline of the file `name` of the folder, None if it is not that of `text`."""
        checksum, packed = self._outlines.get(name, (-1, b""))
        if checksum == zlib.crc32(text):
            return tuple(map(OutlineEntry._make, marshal.loads(packed)))  # noqa: S302 (made here)
        return self._base.outline(name, text) if self._base is not None else None

    def places(self, name: str) -> list[Place]:
        """The definitions of a function, by path."""
        here = self._where.get(name)
        before = f"{self.folder}/" if self.folder else ""
        found = [place(before + file, flags) for file, flags in here] if here is not None else []
        if self._base is not None:
            found += [place for place in self._base.places(name) if place.path not in self._own]
            found.sort()
        return found

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
    outlines: Outlines = {}
    for path, content in sorted(own.items()):
        _add(where, outlines, path.rpartition("/")[2], content)
    return FolderIndex(folder, where, outlines, base, frozenset(own)) if own else base


def _add(where: Where, outlines: Outlines, name: str, content: bytes | None) -> None:
    if content is not None and b"{" in content and name.endswith((".c", ".h")):
        entries = outline(content)
        outlines[name] = zlib.crc32(content), marshal.dumps([tuple(entry) for entry in entries])
        texts = ((entry.name, content[entry.start_byte : entry.end_byte]) for entry in entries)
        for function, flags in sorted(flags_of(texts, name).items()):
            where.setdefault(function, []).append((name, flags))


@lru_cache(maxsize=32)
def _unpatched(tree: Tree, folder: str) -> FolderIndex:
    """The index of a tree as it lies in store; every state of a series that is laid over it shares the answer."""
    kept, where, outlines = _load(tree, folder)
    stamps = {name: stamp for name, stamp in tree.stamps(folder).items() if name.endswith((".c", ".h"))}
    stale = {name for name in stamps.keys() | kept.keys() if stamps.get(name) != kept.get(name)}
    if stale:
        rest = ((function, [entry for entry in found if entry[0] not in stale]) for function, found in where.items())
        where = {function: found for function, found in rest if found}
        outlines = {name: outlined for name, outlined in outlines.items() if name not in stale}
        for name in sorted(stale.intersection(stamps)):
            _add(where, outlines, name, tree.read(f"{folder}/{name}" if folder else name) or b"")
        _store(tree, folder, stamps, where, outlines)
    return FolderIndex(folder, where, outlines)


def flags_of(functions: Iterable[tuple[str, bytes]], path: str) -> Flags:
    """The names of a file's functions, given with their texts; of several with one name, what holds of any of them."""
    header = path.endswith(".h")
    lockers, takers = _marks()
    found: Flags = {}
    for name, text in functions:
        head = text[:64].split(b"(", 1)[0]
        words = identifiers(text)
        old = found.get(name, _STATIC)
        static = old & _STATIC if not header and b"static" in head.split() else 0
        locks = 0 if lockers.isdisjoint(words) else _LOCKS
        pages = 0 if takers.isdisjoint(words) else _PAGES
        found[name] = static | (old & ~_STATIC) | locks | pages
    return found


@cache
def _marks() -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The calls that take or drop a lock, and those that take a page reference or pin."""
    known = tables()
    lockers = frozenset(word.encode() for word in (*known.takes, *known.drops, *GUARDS))
    return lockers, frozenset(word.encode() for word in known.page_takers)


def _name(tree: Tree, folder: str) -> str:
    key = hashlib.sha256(f"{_FORMAT}\0{tree.identity}\0{folder}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"index/{key}"


def _load(tree: Tree, folder: str) -> tuple[dict[str, str], Where, Outlines]:
    return recall(_name(tree, folder)) or ({}, {}, {})


def _store(tree: Tree, folder: str, stamps: dict[str, str], where: Where, outlines: Outlines) -> None:
    remember(_name(tree, folder), (stamps, where, outlines))
