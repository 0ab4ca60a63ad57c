"""A small three-way merge by lines: the changes of one side carried over to the other where they do not touch."""

from __future__ import annotations

from collections.abc import Sequence

from mmlint.linediff import opcodes

_MAX_LINES = 60_000


def merge(origin: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """`ours` with what changed from `origin` to `theirs`; None on a conflict or a file too long to compare."""
    base, mine, other = (text.split(b"\n") for text in (origin, ours, theirs))
    if max(len(base), len(mine), len(other)) > _MAX_LINES:
        return None
    moves = [(i1, j1, i2 - i1) for tag, i1, i2, j1, _ in opcodes(base, mine) if tag == "equal"]
    result = list(mine)
    for tag, begin, end, low, high in reversed(opcodes(base, other)):
        if tag == "equal":
            continue
        at = _carried(moves, begin, end, len(base))
        if at is None:
            return None
        result[at : at + end - begin] = other[low:high]
    return b"\n".join(result)


def _carried(moves: Sequence[tuple[int, int, int]], begin: int, end: int, total: int) -> int | None:
    """Where base lines [begin, end) and one neighbour on each side stand in our version; None if they changed."""
    low, high = max(begin - 1, 0), min(end + 1, total)
    for start, mine, size in moves:
        if start <= low and high <= start + size:
            return mine + begin - start
    return None
