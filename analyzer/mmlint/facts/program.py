"""The functions of one state of a tree: files read once, names resolved by file scope, then folder, then headers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mmlint.facts.function import Function
from mmlint.facts.index import FolderIndex, Place, folder_index
from mmlint.facts.sparse import SparseIndex
from mmlint.kernel.tables import Tables, tables
from mmlint.source.file import SourceFile

if TYPE_CHECKING:
    from mmlint.inputs.tree import Tree
    from mmlint.source.function import FunctionSource
    from mmlint.source.outline import OutlineEntry

_RELEASE = re.compile(rb"^(VERSION|PATCHLEVEL)\s*=\s*(\d+)\s*$", re.M)
SHARED_FOLDERS = ("include/linux", "mm")
_INITIALISER = re.compile(rb"\.(\w+)\s*=\s*&?([a-z_]\w*)\s*[,}]")
_OPENS = re.compile(rb"\s*\(")
_LETTER = re.compile(rb"\w")
_PROFILED = "_noprof"
"""How the function behind an allocator's macro is called (include/linux/alloc_tag.h alloc_hooks, since 6.10)."""
MAX_FILE = 8 << 20


class Program:
    """A tree as the analysis sees it.

    `parent` shares parsed files whose text is the same (before and after a patch). `partial`: the files hold only what
    a patch's hunks show; `behind` is then the tree that they do not fit, or None. `sparse`: many folders are passed
    through, and little is asked of each; their indexes are not made as a whole, nor kept.
    """

    def __init__(
        self,
        tree: Tree,
        parent: Program | None = None,
        changed: frozenset[str] = frozenset(),
        *,
        table: Tables | None = None,
        partial: bool = False,
        behind: Program | None = None,
        sparse: bool = False,
    ) -> None:
        self.tree = tree
        self.parent = parent
        self.changed = changed
        self._table = table
        self.partial = partial
        self.behind = behind
        self.sparse = sparse
        self._files: dict[str, SourceFile | None] = {}
        self._functions: dict[str, tuple[Function, ...]] = {}
        self._made: dict[str, dict[FunctionSource, Function]] = {}
        self._folders: dict[str, FolderIndex | SparseIndex] = {}
        self._resolved: dict[tuple[str, str], Function | None] = {}
        self._abroad: dict[tuple[str, str], Function | None] = {}
        self._elsewhere: dict[tuple[str, str], Place | None] = {}
        self._own: set[str] = set(changed)
        self._provisional: list[tuple[Function, object]] = []
        self._initialisers: dict[str, Mapping[str, list[tuple[str, str]]]] = {}

    @property
    def tables(self) -> Tables:
        """The kernel tables for the release that the tree's Makefile names (the newest meanings without one)."""
        if self._table is None:
            self._table = self.parent.tables if self.parent is not None else self._tables_of_release()
        return self._table

    def _tables_of_release(self) -> Tables:
        found = dict(_RELEASE.findall((self.tree.read("Makefile") or b"")[:2000]))
        if len(found) == 2:
            return tables().at(f"{int(found[b'VERSION'])}.{int(found[b'PATCHLEVEL'])}")
        return tables()

    def file(self, path: str) -> SourceFile | None:
        """The file at `path`, or None where the tree has none (or it is beyond 8 MiB)."""
        if path not in self._files:
            if self.parent is not None and path not in self.changed:
                self._files[path] = self.parent.file(path)
            else:
                text = self.tree.read(path)
                self._files[path] = self._opened(path, text) if text is not None and len(text) <= MAX_FILE else None
        return self._files[path]

    def _opened(self, path: str, text: bytes) -> SourceFile:
        folder, _, name = path.rpartition("/")

        def outlined() -> tuple[OutlineEntry, ...] | None:
            index = self.folder(folder) if folder in SHARED_FOLDERS else self._folders.get(folder)
            return index.outline(name, text) if isinstance(index, FolderIndex) else None

        return SourceFile(path, text, outlined)

    def note_provisional(self, function: Function, key: object) -> None:
        """Take note of a fact of a function that depends on where a search began."""
        self._provisional.append((function, key))

    def forget_facts(self, keep: tuple[str, ...] = ()) -> None:
        """Begin anew with what depends on where a search began, and with all outside the folders `keep`.

        A fact that goes round in a circle of calls may depend on where the circle is entered. What is said of a file
        must not depend on the files before it.
        """
        for function, key in self._provisional:
            function.provisional.pop(key, None)
        self._provisional.clear()
        gone = [path for path in self._files if path.rpartition("/")[0] not in keep]
        if not gone:
            return
        self._resolved.clear()
        self._abroad.clear()
        self._elsewhere.clear()
        for path in gone:
            del self._files[path]
            self._functions.pop(path, None)
            self._made.pop(path, None)
        for folder in [folder for folder in self._folders if folder not in keep]:
            del self._folders[folder]
            self._initialisers.pop(folder, None)

    def prepare(self) -> Tables:
        """Read what the check of any file asks for: worker processes that are forked later find it there."""
        for folder in SHARED_FOLDERS:
            self.folder(folder)
        return self.tables

    def functions(self, path: str) -> tuple[Function, ...]:
        """The functions of a file, in order."""
        found = self._functions.get(path)
        if found is None:
            file = self.file(path)
            found = tuple(self._as_functions(path, file.functions)) if file is not None else ()
            self._functions[path] = found
        return found

    def named(self, path: str, name: str) -> list[Function]:
        """The functions of this name in one file (several under different preprocessor conditions)."""
        file = self.file(path)
        sources = file.named(name) if file is not None else ()
        return self._as_functions(path, sources) if sources else []

    def _as_functions(self, path: str, sources: Sequence[FunctionSource]) -> list[Function]:
        """The functions of a file are made when they are asked for: of most files that is one of many."""
        made = self._made.setdefault(path, {})
        found = []
        for source in sources:
            function = made.get(source)
            if function is None:
                function = made[source] = Function(source, self)
            found.append(function)
        return found

    def folder(self, folder: str) -> FolderIndex | SparseIndex:
        """The index of a folder."""
        if folder not in self._folders:
            self._folders[folder] = self._index(folder)
        return self._folders[folder]

    def _index(self, folder: str) -> FolderIndex | SparseIndex:
        if self.parent is not None and not any(path.rpartition("/")[0] == folder for path in self.changed):
            return self.parent.folder(folder)
        if self.sparse and folder not in SHARED_FOLDERS:
            return SparseIndex(self.tree, folder, self.functions)
        return folder_index(self.tree, folder)

    def resolve(self, name: str, path: str) -> Function | None:
        """The definition that a call of `name` in the file `path` means, or None when it is not known."""
        key = (name, path)
        if key not in self._resolved:
            found = self._resolve(name, path)
            if found is not None and self.parent is not None and found.path not in self._own:
                found = self.parent.resolve(name, path) or found
            self._resolved[key] = found
        return self._resolved[key]

    def known(self, name: str, path: str) -> Function | None:
        """What `resolve` finds, or for hunks alone what the tree behind them has by that name."""
        found = self.resolve(name, path)
        return self.behind.resolve(name, path) if found is None and self.behind is not None else found

    def look_again(self, path: str) -> None:
        """Stop sharing what is known of a file's functions with the parent: a patch elsewhere changes what they do."""
        if path not in self._own:
            self._own.add(path)
            kept = {key: found for key, found in self._resolved.items() if found is None or found.path != path}
            self._resolved = kept

    def _resolve(self, name: str, path: str) -> Function | None:
        local = self.named(path, name)
        if local:
            return local[0] if len(local) == 1 else self._likeliest(local, path)
        key = (name, path.rpartition("/")[0])
        if key not in self._abroad:
            self._abroad[key] = self._find_abroad(*key)
        return self._abroad[key]

    def _likeliest(self, found: list[Function], path: str) -> Function:
        """The definition under the condition that most of the file's text is under, and of these the longest: what a
        function takes and its sibling gives back is then of one configuration.
        """
        conditions = {f.source.condition for f in found}
        weight = dict.fromkeys(conditions, 0)
        for function in self.functions(path) if len(conditions) > 1 else ():
            if function.source.condition in weight:
                weight[function.source.condition] += len(function.text)
        return max(found, key=lambda f: (weight[f.source.condition], len(f.text)))

    def _find_abroad(self, name: str, folder: str) -> Function | None:
        """What a file of a folder means by a name that it does not define."""
        for place in dict.fromkeys((folder, *SHARED_FOLDERS)):
            candidates = [p for p in self.folder(place).places(name) if not p.static]
            found = [f for p in candidates for f in self.named(p.path, name)]
            if found:
                return max(found, key=lambda f: len(f.text))
        if "alloc" in name and not name.endswith(_PROFILED):
            return self._find_abroad(name + _PROFILED, folder)
        return None

    def elsewhere(self, name: str, path: str) -> Place | None:
        """Where a name that the file `path` does not define is defined, without reading that file."""
        key = (name, path)
        if key not in self._elsewhere:
            self._elsewhere[key] = self._find_elsewhere(name, path)
        return self._elsewhere[key]

    def _find_elsewhere(self, name: str, path: str) -> Place | None:
        if self.named(path, name):
            return None
        for place in dict.fromkeys((path.rpartition("/")[0], *SHARED_FOLDERS)):
            for found in self.folder(place).places(name):
                if not found.static and found.path != path:
                    return found
        return None

    def callers(self, name: str, path: str, *, static: bool) -> list[Function]:
        """The functions that call `name`: in its file, and in its folder and mm/ if it is not static."""
        paths = [path]
        if not static:
            for folder in dict.fromkeys((path.rpartition("/")[0], "mm")):
                if folder == "include/linux":
                    continue
                paths += [
                    f"{folder}/{n}"
                    for n in self.tree.names(folder)
                    if n.endswith((".c", ".h")) and f"{folder}/{n}" != path
                ]
        word = name.encode()
        found: dict[Function, None] = {}
        for each in paths:
            for at in _called_at(self._text(each) or b"", word):
                functions = self.functions(each)
                caller = bisect_right(functions, at, key=lambda f: f.source.start_byte) - 1
                if caller >= 0 and at < functions[caller].source.end_byte and functions[caller].name != name:
                    found[functions[caller]] = None
        return list(found)

    def initialisers(self, folder: str) -> Mapping[str, list[tuple[str, str]]]:
        """What initialisers (`.release = drop_node,`) in a folder's C files give to each field: file and name."""
        if folder not in self._initialisers:
            found: dict[str, list[tuple[str, str]]] = {}
            for path, text in self.texts(folder):
                for field, value in dict.fromkeys(_INITIALISER.findall(text)) if path.endswith(".c") else ():
                    found.setdefault(field.decode(), []).append((path, value.decode()))
            self._initialisers[folder] = found
        return self._initialisers[folder]

    def texts(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """The C files and headers of a folder, with their texts."""
        for name in self.tree.names(folder):
            if name.endswith((".c", ".h")):
                path = f"{folder}/{name}" if folder else name
                yield path, self._text(path) or b""

    def _text(self, path: str) -> bytes | None:
        file = self._files.get(path)
        if file is not None:
            return file.text
        if self.parent is not None and path not in self.changed:
            return self.parent._text(path)
        return self.tree.read(path)


def _called_at(text: bytes, word: bytes) -> Iterator[int]:
    """Where a word stands with a parenthesis behind it. (A search for the word is many times faster than a pattern.)"""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if _OPENS.match(text, end) and not (at and _LETTER.match(text, at - 1)):
            yield at
        at = text.find(word, end)
