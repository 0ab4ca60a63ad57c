"""Where a function is defined: an outline of each folder, kept between runs and refreshed file by file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from mmlint.kernel.tables import tables
from mmlint.source.outline import outline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmlint.inputs.tree import Tree

_FORMAT = 5
Entries = list[tuple[str, bool, bool, bool]]
_WORD = re.compile(rb"[A-Za-z_]\w*")


class Place(NamedTuple):
    """A definition: its file, whether it is static to it, whether its text names a call that takes or drops a lock
    (`locks`), or one that takes a page reference or pin (`pages`).
    """

    path: str
    static: bool
    locks: bool
    pages: bool = False


def cache_folder() -> Path:
    """Where kept results live: `MMLINT_CACHE_DIR`, or `mmlint` below the user's cache folder."""
    named = os.environ.get("MMLINT_CACHE_DIR")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmlint"


@runtime_checkable
class _Layer(Protocol):
    """A tree with some files replaced, as a patch leaves it; None stands for a file that is gone."""

    @property
    def base(self) -> Tree: ...

    @property
    def changes(self) -> Mapping[str, bytes | None]: ...


class FolderIndex:
    """Function name -> files of one folder that define it, with whether each definition is static to its file."""

    def __init__(self, tree: Tree, folder: str) -> None:
        self.folder = folder
        self.where: dict[str, list[Place]] = {}
        for name, (_, entries) in _files(tree, folder).items():
            path = f"{folder}/{name}" if folder else name
            for function, static, locks, pages in entries:
                self.where.setdefault(function, []).append(Place(path, static, locks, pages))

    @cached_property
    def takers(self) -> frozenset[str]:
        """The functions that other files can call and whose text names a call that takes a page reference or pin."""
        found = self.where.items()
        return frozenset(name for name, places in found if any(p.pages and not p.static for p in places))


def _files(tree: Tree, folder: str) -> dict[str, tuple[str, Entries]]:
    """File name -> its stamp and entries. Only what lies below a patch is kept on disk, never a patched state."""
    if isinstance(tree, _Layer):
        files = dict(_files(tree.base, folder))
        for path, content in tree.changes.items():
            parent, _, name = path.rpartition("/")
            if parent == folder:
                files.pop(name, None)
                if content is not None and name.endswith((".c", ".h")):
                    files[name] = ("", _entries(content, name))
        return files
    return _unpatched(tree, folder)


@lru_cache(maxsize=32)
def _unpatched(tree: Tree, folder: str) -> dict[str, tuple[str, Entries]]:
    """The same for a tree as it lies in store; every state of a series that is laid over it shares the answer."""
    kept = _load(tree, folder)
    found: dict[str, tuple[str, Entries]] = {}
    for name in tree.names(folder):
        if not name.endswith((".c", ".h")):
            continue
        path = f"{folder}/{name}" if folder else name
        stamp = tree.stamp(path) or ""
        known = kept.get(name)
        if known is not None and stamp and known[0] == stamp:
            found[name] = known
        else:
            found[name] = (stamp, _entries(tree.read(path) or b"", name))
    if found != kept:
        _store(tree, folder, found)
    return found


def _entries(text: bytes, name: str) -> Entries:
    header = name.endswith(".h")
    known = tables()
    lockers = frozenset(word.encode() for word in (*known.takes, *known.drops))
    takers = frozenset(word.encode() for word in known.page_takers)
    found: dict[str, tuple[bool, bool, bool]] = {}
    for entry in outline(text):
        head = text[entry.start_byte : entry.start_byte + 64].split(b"(", 1)[0]
        words = _WORD.findall(text, entry.start_byte, entry.end_byte)
        static, locks, pages = found.get(entry.name, (True, False, False))
        static &= not header and b"static" in head.split()
        found[entry.name] = (
            static,
            locks or not lockers.isdisjoint(words),
            pages or not takers.isdisjoint(words),
        )
    return [(function, *flags) for function, flags in sorted(found.items())]


def _file(tree: Tree, folder: str) -> Path:
    key = hashlib.sha256(f"{_FORMAT}\0{tree.identity}\0{folder}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_folder() / "index" / f"{key}.json"


def _load(tree: Tree, folder: str) -> dict[str, tuple[str, Entries]]:
    try:
        data = json.loads(_file(tree, folder).read_bytes())
        return {
            name: (stamp, [(n, bool(a), bool(b), bool(c)) for n, a, b, c in entries])
            for name, (stamp, entries) in data.items()
        }
    except (OSError, ValueError, TypeError):
        return {}


def _store(tree: Tree, folder: str, files: dict[str, tuple[str, Entries]]) -> None:
    target = _file(tree, folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(json.dumps(files, separators=(",", ":")))
        scratch.replace(target)
    except OSError:
        return
