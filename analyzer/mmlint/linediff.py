"""What differs between two texts, by lines: difflib's answer, in bounded time.

difflib looks at every pair of equal lines, which is quadratic in lines that occur often (`}`, blank ones). Where that
would take long, the texts are first laid side by side at the lines that occur once in each (patience diff), and what is
still too long between two of them counts as exchanged as a whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

Opcode = tuple[str, int, int, int, int]
_MOST_PAIRS = 50_000


def opcodes(a: Sequence[bytes], b: Sequence[bytes]) -> list[Opcode]:
    """How to make `b` of `a`: (tag, i1, i2, j1, j2) as difflib's, each "equal" between two that are not."""
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    found: list[Opcode] = []
    parts = _between(a, b, head, len(a) - tail, head, len(b) - tail)
    ends = ("equal", 0, head, 0, head), ("equal", len(a) - tail, len(a), len(b) - tail, len(b))
    for part in (ends[0], *parts, ends[1]):
        if part[1] == part[2] and part[3] == part[4]:
            continue
        if found and (found[-1][0] == "equal") is (part[0] == "equal"):
            tag, i1, _, j1, _ = found.pop()
            part = (tag if tag == part[0] else "replace", i1, part[2], j1, part[4])
        found.append(part)
    return found


def _between(a: Sequence[bytes], b: Sequence[bytes], i1: int, i2: int, j1: int, j2: int) -> Iterator[Opcode]:
    left, right = a[i1:i2], b[j1:j2]
    if _pairs(left, right) <= _MOST_PAIRS:
        matcher = SequenceMatcher(None, left, right, autojunk=False)
        yield from ((tag, i1 + p, i1 + q, j1 + r, j1 + s) for tag, p, q, r, s in matcher.get_opcodes())
        return
    anchors = _anchors(left, right)
    if not anchors:
        yield "replace", i1, i2, j1, j2
        return
    i, j = i1, j1
    for p, r in [*anchors, (len(left), len(right))]:
        if i < i1 + p or j < j1 + r:
            yield from _between(a, b, i, i1 + p, j, j1 + r)
        if p < len(left):
            yield "equal", i1 + p, i1 + p + 1, j1 + r, j1 + r + 1
        i, j = i1 + p + 1, j1 + r + 1


def _pairs(a: Sequence[bytes], b: Sequence[bytes]) -> int:
    """How many pairs of equal lines there are."""
    there = Counter(b)
    return sum(count * there[line] for line, count in Counter(a).items())


def _anchors(a: Sequence[bytes], b: Sequence[bytes]) -> list[tuple[int, int]]:
    """The lines that occur once in each text, the most of them that stand in the same order in both."""
    once_b = {line for line, count in Counter(b).items() if count == 1}
    once = {line for line, count in Counter(a).items() if count == 1} & once_b
    where = {line: j for j, line in enumerate(b) if line in once}
    tops: list[int] = []
    ends: list[tuple[int, int, int]] = []
    links: list[int] = []
    seen: list[tuple[int, int, int]] = []
    for i, line in enumerate(a):
        if line not in once:
            continue
        j = where[line]
        at = bisect_left(tops, j)
        links.append(ends[at - 1][2] if at else -1)
        entry = (i, j, len(seen))
        seen.append(entry)
        tops[at : at + 1] = [j]
        ends[at : at + 1] = [entry]
    chain: list[tuple[int, int]] = []
    last = ends[-1][2] if ends else -1
    while last >= 0:
        i, j, _ = seen[last]
        chain.append((i, j))
        last = links[last]
    chain.reverse()
    return chain
