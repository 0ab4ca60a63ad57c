"""Apply changes in memory as `git apply` would: no fuzz, every line as it is, the nearest place by offset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from mmlint.frozen import dataclass
from mmlint.inputs.misfits import Misfit
from mmlint.inputs.model import FileChange, Hunk, Kind, Patch, Tag
from mmlint.inputs.tree import OverlayTree, Tree

_BUDGET = 20_000_000
"""Line comparisons that one hunk may cost (a hostile patch on a hostile file)."""
_COUNTING = 1_000_000
"""Lines that may be passed to count the hunks of a file that do not fit."""
_REVERSED: dict[Kind, Kind] = {"added": "deleted", "deleted": "added"}
_FLIP: dict[Tag, Tag] = {"+": "-", "-": "+", " ": " "}


class ApplyError(ValueError):
    """A change that does not fit; the message is one line and names the hunk.

    `hunk` is the first that does not fit, None when it is no hunk that does not; `hunks` is how many do not.
    """

    def __init__(self, message: str, hunk: Hunk | None = None) -> None:
        at = f" (line {hunk.line} of the input)" if hunk is not None and hunk.line else ""
        super().__init__(message + at)
        self.hunk = hunk
        self.hunks = 0 if hunk is None else 1


def apply(change: FileChange, base: bytes) -> bytes:
    """The file after the change. Raises `ApplyError` when a hunk fits nowhere."""
    lines = base.splitlines(keepends=True) if b"\r" not in base else _split(base)
    patched = bytearray(len(lines))
    for done, hunk in enumerate(change.hunks, 1):
        try:
            _put(lines, patched, hunk)
        except ApplyError as error:
            error.hunks += _misfits(lines, patched, change.hunks[done:])
            raise
    return b"".join(lines)


def _put(lines: list[bytes], patched: bytearray, hunk: Hunk, budget: int = _BUDGET) -> None:
    source, target = hunk.source(), hunk.target()
    at = _find(lines, patched, hunk, source, budget)
    lines[at : at + len(source)] = target
    patched[at : at + len(source)] = b"\1" * len(target)


def _misfits(lines: list[bytes], patched: bytearray, hunks: Sequence[Hunk]) -> int:
    """How many of the hunks behind the first misfit do not fit either, as far as that is cheap to tell."""
    count, left = 0, _COUNTING
    for hunk in hunks:
        left -= len(lines) + 1
        if left < 0:
            break
        try:
            _put(lines, patched, hunk, left)
        except ApplyError:
            count += 1
    return count


def _split(base: bytes) -> list[bytes]:
    """Lines by newline alone, ends kept (`bytes.splitlines` also ends lines at carriage returns)."""
    lines = [line + b"\n" for line in base.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _find(lines: Sequence[bytes], patched: bytearray, hunk: Hunk, source: list[bytes], budget: int) -> int:
    """Where the hunk fits: the place it names, else the nearest, later before earlier at the same distance.

    As git has it, a hunk at line 0 or 1 fits at the beginning only, one without trailing context at the end only, and
    lines that an earlier hunk wrote are not matched again.
    """
    last = len(lines) - len(source)
    beginning = hunk.source_start <= 1
    at_end = bool(hunk.lines) and hunk.lines[-1][0] != " "
    for at in _candidates(lines, hunk, source, 0 if beginning else last if at_end else None, budget):
        placed = at == last if at_end else 0 <= at <= last
        if placed and patched.find(1, at, at + len(source)) < 0 and lines[at : at + len(source)] == source:
            return at
    raise ApplyError(f"hunk -{hunk.source_start},{hunk.source_length} does not fit anywhere", hunk)


def _candidates(
    lines: Sequence[bytes], hunk: Hunk, source: list[bytes], only: int | None, budget: int
) -> Iterator[int]:
    """Places worth comparing, nearest first: those where the hunk's longest line stands (all, for a hunk without)."""
    start = min(max(hunk.target_start - 1, 0), len(lines))
    yield start if only is None else only
    if only is not None or not source:
        return
    key = max(range(len(source)), key=lambda index: len(source[index]))
    wanted, here, tried = source[key], start + key, 0
    for distance in range(1, max(len(lines) - here, here + 1)):
        for index in (here + distance, here - distance):
            if 0 <= index < len(lines) and lines[index] == wanted:
                tried += len(source)
                if tried > budget:
                    message = f"hunk -{hunk.source_start},{hunk.source_length} fits in too many places: given up"
                    raise ApplyError(message, hunk)
                yield index - key


def reverse(change: FileChange) -> FileChange:
    """The change that takes this one back."""
    return replace(
        change,
        old_path=change.new_path,
        new_path=change.old_path,
        hunks=tuple(_reverse(hunk) for hunk in change.hunks),
        kind=_REVERSED.get(change.kind, change.kind),
        old_blob=change.new_blob,
        new_blob=change.old_blob,
        old_mode=change.new_mode,
        new_mode=change.old_mode,
    )


def _reverse(hunk: Hunk) -> Hunk:
    return Hunk(
        hunk.target_start,
        hunk.target_length,
        hunk.source_start,
        hunk.source_length,
        hunk.heading,
        tuple((_FLIP[tag], text) for tag, text in hunk.lines),
        hunk.target_no_newline,
        hunk.source_no_newline,
        hunk.line,
    )


def apply_patch(patch: Patch, tree: Tree) -> tuple[OverlayTree, list[Misfit]]:
    """The tree after the patch, and the files that it does not fit (they stay as they were)."""
    after, errors, _ = _applied(patch, tree)
    return after, errors


def _applied(patch: Patch, tree: Tree, merging: bool = True) -> tuple[OverlayTree, list[Misfit], list[str]]:
    changes: dict[str, bytes | None] = {}
    now = OverlayTree(tree, changes)
    errors: list[Misfit] = []
    notes: list[str] = []
    for change in patch.changes:
        try:
            changes.update(_changed(change, now, notes, merging))
        except ApplyError as error:
            line = error.hunk.line if error.hunk is not None else change.line
            errors.append(Misfit(change.path, str(error), error.hunks, line))
    return OverlayTree(tree, changes), errors, notes


def _changed(change: FileChange, now: OverlayTree, notes: list[str], merging: bool) -> dict[str, bytes | None]:
    """What one change makes of the files it touches."""
    if change.kind == "binary":
        return {}
    if change.kind in ("added", "copied", "renamed") and change.new_path and now.read(change.new_path) is not None:
        raise ApplyError("the file is in the tree already")
    if change.kind == "added":
        return {change.path: apply(change, b"")}
    old = change.old_path or ""
    base = now.read(old)
    if base is None:
        raise ApplyError("the file is not in the tree")
    try:
        content = apply(change, base)
    except ApplyError:
        merged = _three_way(change, base, now) if merging else None
        if merged is None:
            raise
        content = merged
        notes.append(f"{old}: applied three-way, through blob {change.old_blob}")
    if change.kind == "deleted":
        if content:
            raise ApplyError("the file to be deleted has other lines in the tree")
        return {old: None}
    return {old: None, change.path: content} if change.kind == "renamed" else {change.path: content}


def _three_way(change: FileChange, base: bytes, store: OverlayTree) -> bytes | None:
    """Through the blob that the index line names, when the tree's store has it; None when that does not help."""
    origin = store.blob(change.old_blob) if change.old_blob else None
    if origin is None:
        return None
    from mmlint.inputs.merge import merge

    try:
        return merge(origin, base, apply(change, origin))
    except ApplyError:
        return None


@dataclass(frozen=True, slots=True)
class Placed:
    """A patch on a tree. `how` it lies there: `already` means the tree had it, and `before` has it taken back."""

    before: Tree
    after: Tree
    how: Literal["applied", "already", "partly", "failed"]
    errors: tuple[Misfit, ...] = ()
    notes: tuple[str, ...] = ()


def place(patch: Patch, tree: Tree) -> Placed:
    """Put a patch on a tree, forwards, else backwards where the tree has it already."""
    after, errors, notes = _applied(patch, tree)
    if not errors:
        return Placed(tree, after, "applied", (), tuple(notes))
    before, misfits, _ = _applied(undo(patch), tree, merging=False)
    if not misfits:
        return Placed(before, tree, "already", (), ("the tree has this patch already: it was taken back first",))
    return Placed(tree, after, "partly" if after.changes else "failed", tuple(errors), tuple(notes))


def place_series(patches: Sequence[Patch], tree: Tree) -> list[Placed]:
    """Put patches on a tree one after the other; a series that the tree has already is taken back from its end.

    A patch that does not fit leaves the tree as it was for the next one.
    """
    first = place(patches[0], tree) if patches else None
    if first is not None and first.how != "applied" and len(patches) > 1:
        taken_back = _taken_back(patches, tree)
        if taken_back:
            return taken_back
    placed: list[Placed] = []
    for patch in patches:
        one = place(patch, tree)
        placed.append(one)
        tree = one.after if one.how == "applied" else tree
    return placed


def _taken_back(patches: Sequence[Patch], tree: Tree) -> list[Placed]:
    """All patches backwards from a tree that has them; nothing when one does not come off."""
    placed: list[Placed] = []
    note = "the tree has this series already: it was taken back first"
    for patch in reversed(patches):
        before, misfits, _ = _applied(undo(patch), tree, merging=False)
        if misfits:
            return []
        placed.append(Placed(before, tree, "already", (), (note,)))
        tree = before
    return placed[::-1]


def undo(patch: Patch) -> Patch:
    """The patch that takes this one back; the text of its mail stays."""
    return replace(patch, changes=tuple(reverse(change) for change in reversed(patch.changes)))
