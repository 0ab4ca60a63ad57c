"""Whether the kernel tables and the rules fit a tree: for the doctor, and for the warning where it would not pass.

What the doctor says of a tree is kept between runs, with the stamps of the files that it read.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from mmlint.changes.change import FileText, PatchView, pair_functions
from mmlint.engine import check_file, check_patch
from mmlint.facts.program import Program
from mmlint.inputs.tree import FolderTree, OverlayTree
from mmlint.kept import recall, remember
from mmlint.rule import code_stamp, known

if TYPE_CHECKING:
    from mmlint.inputs.tree import Tree
    from mmlint.kernel.canaries import Canary
    from mmlint.kernel.doctor import Diagnosis

_PLACE = "mm/mmlint-canary.c"


def diagnose(tree: Tree) -> list[Diagnosis]:
    """Where the tables differ from a tree, and the known bugs that are not found in its spelling."""
    from mmlint.kernel.doctor import examine

    return examine(tree, lambda canary: _finds(tree, canary))


def _finds(tree: Tree, canary: Canary) -> bool:
    """Whether the rule of a canary finds its bug, were it in the tree."""
    rules = [rule for rule in known() if rule.code == canary.code]
    after = canary.text.encode()
    if not canary.before:
        return bool(check_file(Program(OverlayTree(tree, {_PLACE: after})), _PLACE, rules))
    before = canary.before.encode()
    old = Program(OverlayTree(tree, {_PLACE: before}))
    new = Program(OverlayTree(tree, {_PLACE: after}), old, frozenset((_PLACE,)))
    gone = {number for number, line in enumerate(before.split(b"\n"), 1) if line not in after.split(b"\n")}
    file = FileText(_PLACE, _PLACE, _PLACE, before, after, frozenset(), frozenset(gone))
    view = PatchView("canary", "", old, new, (file,))
    view.changes.extend(pair_functions(file, view))
    return bool(check_patch(view, rules)[0])


class _Watched:
    """A tree that remembers what was read of it."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.identity = tree.identity
        self.seen: set[str] = set()

    def read(self, path: str) -> bytes | None:
        """The file of the tree."""
        self.seen.add(path)
        return self.tree.read(path)

    def names(self, folder: str) -> tuple[str, ...]:
        """The names of the tree."""
        return self.tree.names(folder)

    def stamp(self, path: str) -> str | None:
        """The stamp of the tree."""
        return self.tree.stamp(path)

    def stamps(self, folder: str) -> dict[str, str]:
        """The stamps of the tree."""
        return self.tree.stamps(folder)


def misfit(tree: Tree) -> str:
    """One line about a kernel tree that the doctor would not pass, "" about any other.

    Asked for the first time it takes what the doctor takes, about a second.
    """
    name = f"doctor/{zlib.crc32(tree.identity.encode('utf-8', 'surrogateescape')):08x}"
    stored = recall(name)
    if stored is not None and stored[0] == (code_stamp(), tree.identity):
        files, line = stored[1:]
        if all(tree.stamp(path) == stamp for path, stamp in files.items()):
            return str(line)
    from mmlint.kernel.doctor import counted
    from mmlint.kernel.release import release_of

    watched = _Watched(tree)
    release = release_of(watched)
    if not release:
        return ""
    found = diagnose(watched)
    line = (
        f"the kernel tables do not fit this tree ({release}): {counted(found)}, such as {found[0].message}; "
        "bugs may be missed, `mmlint doctor` lists the differences"
        if found
        else ""
    )
    files = {path: tree.stamp(path) for path in sorted(watched.seen)} if isinstance(tree, FolderTree) else {}
    remember(name, ((code_stamp(), tree.identity), files, line))
    return line
