"""Two states of a tree side by side: a function before and after a patch, and the patch as a whole."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from mmlint.facts.function import Function
from mmlint.facts.program import Program
from mmlint.frozen import dataclass

if TYPE_CHECKING:
    from mmlint.kernel.tables import Tables

_SIMILAR = 0.6


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


@dataclass(frozen=True)
class PatchView:
    """A patch as rules see it. `partial`: there is no tree, the programs hold what the hunks show."""

    subject: str
    body: str
    before: Program
    after: Program
    files: tuple[FileText, ...]
    trailers: str = ""
    partial: bool = False
    changes: list[FunctionChange] = field(default_factory=list)

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
    def named_elsewhere(self) -> bool:
        """Whether another function that names this one changes in the same patch."""
        return any(
            side is not None and side.name != self.name and side.has(self.name)
            for other in self.patch.changes
            for side in (other.before, other.after)
        )

    @cached_property
    def touched(self) -> frozenset[int]:
        """Added lines of the new file inside the function, and lines that follow a removed one."""
        if self.after is None:
            return frozenset()
        lo, hi = self.after.source.start_line, self.after.source.end_line
        return frozenset(n for n in self.file.added if lo <= n <= hi)


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
    pairs: list[FunctionChange] = []
    rest = list(lost)
    for function in fresh:
        best = max(rest, key=lambda f: _likeness(f, function), default=None)
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
