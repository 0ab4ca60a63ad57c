"""Two states of a tree side by side: a function before and after a patch, and the patch as a whole."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from mmlint.facts.function import Function
from mmlint.facts.program import Program
from mmlint.frozen import dataclass
from mmlint.source.mask import mask

if TYPE_CHECKING:
    from mmlint.kernel.tables import Tables

_FIXES = re.compile(r"^Fixes:\s*[0-9a-f]{8,40}\b", re.M | re.I)
_REVERTS = re.compile(r"^This reverts commit [0-9a-f]{8,40}\b", re.M | re.I)
_WORD = re.compile(r"\w+")
_PARTS = re.compile(r"[a-z][A-Z]")
_DECLARED = re.compile(rb"\s+(?!return\b|goto\b)[\w \t]+[\s*]\**(\w+)\s*(?:\[[^;]*\])?(?::\s*\d+)?;")
"""A line that declares a member, or a variable of a function."""
_SIMILAR = 0.6
_MOST_PAIRS = 2_000
_NEAREST = 8
_WIDE = 600_000
_MOST_CHANGES = 1_000
_MANY = 3
"""A word that goes from this many functions of a patch is a conversion, not a slip."""
_LARGE = 30
"""Changed lines of code. Of 169 patches of lists on which a comparison by steps was wrong, 69 change more lines; of 217
slips that such a comparison found, none.
"""


@dataclass(frozen=True)
class FileText:
    """One file of a patch. Paths are None where the file does not exist; line numbers count from 1."""

    path: str
    old_path: str | None
    new_path: str | None
    before: bytes
    after: bytes
    added: frozenset[int]
    removed: frozenset[int]
    shown: tuple[tuple[int, int], ...] = ()
    """Line ranges of the new file that the patch itself shows."""

    @property
    def changed_code(self) -> int:
        """How many of the changed lines, before and after, hold more than comments."""
        return _code(self.before, self.removed) + self.added_code

    @property
    def added_code(self) -> int:
        """How many of the lines that are added hold more than comments."""
        return _code(self.after, self.added)


@dataclass(frozen=True)
class PatchView:
    """A patch as rules see it. `partial`: there is no tree, the programs hold what the hunks show. `elsewhere`: changed
    lines of the same mail in files that are not seen here, as where only some fit with the tree.
    """

    subject: str
    body: str
    before: Program
    after: Program
    files: tuple[FileText, ...]
    partial: bool = False
    elsewhere: int = 0
    changes: list[FunctionChange] = field(default_factory=list)

    @property
    def crowded(self) -> bool:
        """Whether the patch changes so many functions that none of them is compared with what it was, nor its callers
        looked at.
        """
        return len(self.changes) > _MOST_CHANGES

    @cached_property
    def large(self) -> bool:
        """Whether so many lines of code change that a step of before which is gone has mostly moved, or was the purpose
        of the patch.
        """
        code = [file for file in self.files if file.path.endswith((".c", ".h"))]
        if self.elsewhere + sum(len(file.added) + len(file.removed) for file in code) <= _LARGE:
            return False
        return self.elsewhere + sum(file.changed_code for file in code) > _LARGE

    @cached_property
    def takes_away(self) -> bool:
        """Whether a step of before that is gone was most likely meant to: the patch is large, reverts a commit, or
        mends one by taking lines away alone.
        """
        alone = self.mends and not any(file.added for file in self.files)
        return alone or self.large or _REVERTS.search(self.body) is not None

    def speaks_of(self, text: str) -> bool:
        """Whether the changelog has a word of more than one part (`folio_clear_dirty_for_io`, `ClearPageMovable`) of a
        piece of code.
        """
        words = {word for word in _WORD.findall(text) if "_" in word.strip("_") or _PARTS.search(word)}
        return not words.isdisjoint(_WORD.findall(f"{self.subject} {self.body}"))

    @cached_property
    def mends(self) -> bool:
        """Whether the changelog names the commit that the patch mends."""
        return _FIXES.search(self.body) is not None

    @cached_property
    def only_deletes(self) -> bool:
        """Whether the patch adds no line of code anywhere: nothing can have taken over what is gone."""
        return not (self.elsewhere or self.partial) and not any(file.added_code for file in self.files)

    @cached_property
    def abolished(self) -> frozenset[str]:
        """The functions that the patch takes out of headers: nobody can call them any more."""
        headers = [file.path for file in self.files if file.path.endswith(".h")]
        before, after = (
            {each.name for path in headers for each in side.functions(path)} for side in (self.before, self.after)
        )
        return frozenset(before - after)

    @cached_property
    def dropped_members(self) -> frozenset[str]:
        """The members of structures that the patch takes away: declared in a removed line, and in no file any more."""
        found = set()
        for file in self.files:
            lines = file.before.split(b"\n") if file.removed else []
            found |= {m[1] for n in file.removed if n <= len(lines) and (m := _DECLARED.match(lines[n - 1]))}
        still = (rb"[\w*]\s+\**" + re.escape(name) + rb"\s*[;:\[]" for name in sorted(found))
        gone = (
            n for n, p in zip(sorted(found), still, strict=True) if not any(re.search(p, f.after) for f in self.files)
        )
        return frozenset(name.decode() for name in gone)

    @cached_property
    def named(self) -> frozenset[str]:
        """The changed functions that another changed function names, on either side."""
        names = {change.name for change in self.changes}
        changes = (change for change in self.changes if not change.comments_only)
        sides = (side for change in changes for side in (change.before, change.after) if side is not None)
        return frozenset(word for side in sides for word in side.words & names if word != side.name)

    @cached_property
    def spoken(self) -> frozenset[str]:
        """Every word of the changed functions, as they are after the patch."""
        return frozenset().union(*(change.after.words for change in self.changes if change.after is not None))

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """Functions that the patch renames: old name to new."""
        both = ((change.before, change.after) for change in self.changes)
        return {a.name: b.name for a, b in both if a is not None and b is not None and a.name != b.name}

    @property
    def tables(self) -> Tables:
        """The kernel tables for the tree's release."""
        return self.after.tables


@dataclass(frozen=True)
class FunctionChange:
    """One function before and after; None on a side where it does not exist. Its text differs."""

    before: Function | None
    after: Function | None
    patch: PatchView
    file: FileText

    @property
    def name(self) -> str:
        """The name, the new one where it was renamed."""
        side = self.after or self.before
        return side.name if side is not None else ""

    @cached_property
    def comments_only(self) -> bool:
        """Whether nothing but comments and texts differs."""
        texts = [mask(side.text).split() for side in (self.before, self.after) if side is not None]
        return len(texts) == 2 and texts[0] == texts[1]

    @property
    def named_elsewhere(self) -> bool:
        """Whether another function that names this one changes in the same patch."""
        return self.name in self.patch.named

    @property
    def others(self) -> Iterator[FunctionChange]:
        """The other functions that the patch changes."""
        return (change for change in self.patch.changes if change is not self)

    def lost_elsewhere(self, word: str) -> bool:
        """Whether another function of the patch has no such word any more, or is gone with it."""
        return any(_speaks(other.before, word) and not _speaks(other.after, word) for other in self.others)

    def gained_elsewhere(self, word: str) -> bool:
        """Whether another function of the patch has such a word now, and had not before."""
        return any(_speaks(other.after, word) and not _speaks(other.before, word) for other in self.others)

    def converts(self, word: str) -> bool:
        """Whether the patch takes the called function itself away, or a call out of many functions: what for, something
        that it adds tells, or its changelog.
        """
        lost = 0
        for change in self.patch.changes:
            if not _speaks(change.before, word):
                continue
            if change.before is not None and change.before.name == word and change.after is None:
                return True
            lost += not _speaks(change.after, word)
        return lost >= _MANY and (not self.patch.only_deletes or self.patch.speaks_of(word))

    @cached_property
    def touched(self) -> frozenset[int]:
        """Added lines of the new file inside the function, and lines that follow a removed one."""
        if self.after is None:
            return frozenset()
        lo, hi = self.after.source.start_line, self.after.source.end_line
        return frozenset(n for n in self.file.added if lo <= n <= hi)

    @cached_property
    def wide(self) -> bool:
        """Whether too much of too large a function changes for the two sides to be compared: changed times all lines.

        A function of 500 lines may be written anew as a whole. In a crowded patch every change is too wide.
        """
        if self.patch.crowded:
            return True
        sides = [(self.before, self.file.removed), (self.after, self.file.added)]
        spans = [(f.source.start_line, f.source.end_line, lines) for f, lines in sides if f is not None]
        changed = sum(low <= n <= high for low, high, lines in spans for n in lines)
        return changed * max((high - low for low, high, _ in spans), default=0) > _WIDE


def _code(text: bytes, numbers: frozenset[int]) -> int:
    """How many of some lines of a text hold more than comments."""
    lines = mask(text).split(b"\n") if numbers else []
    return sum(bool(lines[n - 1].strip()) for n in numbers if n <= len(lines))


def _speaks(function: Function | None, word: str) -> bool:
    return function is not None and word in function.words


def pair_functions(file: FileText, view: PatchView) -> list[FunctionChange]:
    """The functions of a file that a patch adds, removes or changes, paired by name and then by likeness."""
    old = _by_name(view.before.functions(file.old_path) if file.old_path else ())
    new = _by_name(view.after.functions(file.new_path) if file.new_path else ())
    pairs: list[FunctionChange] = []
    lost: list[Function] = []
    fresh: list[Function] = []
    for name in dict.fromkeys((*old, *new)):
        left, right = old.get(name, []), new.get(name, [])
        for a, b in zip(left, right, strict=False):
            if a.text != b.text:
                pairs.append(FunctionChange(a, b, view, file))
        lost += left[len(right) :]
        fresh += right[len(left) :]
    return pairs + _renamed(lost, fresh, view, file)


def _by_name(functions: Iterable[Function]) -> Mapping[str, list[Function]]:
    found: dict[str, list[Function]] = {}
    for function in functions:
        found.setdefault(function.name, []).append(function)
    return found


def _renamed(lost: list[Function], fresh: list[Function], view: PatchView, file: FileText) -> list[FunctionChange]:
    """The most alike of the functions of one name each; of very many only those that stand about where it stood."""
    pairs: list[FunctionChange] = []
    rest = list(lost)
    near = len(lost) if len(lost) * len(fresh) <= _MOST_PAIRS else _NEAREST
    for function in fresh:
        best = max(rest[:near], key=lambda f: _likeness(f, function), default=None)
        if best is not None and _likeness(best, function) >= _SIMILAR:
            rest.remove(best)
            pairs.append(FunctionChange(best, function, view, file))
        else:
            pairs.append(FunctionChange(None, function, view, file))
    return pairs + [FunctionChange(function, None, view, file) for function in rest]


def _likeness(a: Function, b: Function) -> float:
    left, right = a.text.split(), b.text.split()
    if not left or not right or min(len(left), len(right)) / max(len(left), len(right)) < _SIMILAR:
        return 0.0
    return difflib.SequenceMatcher(None, left, right, autojunk=False).ratio()
