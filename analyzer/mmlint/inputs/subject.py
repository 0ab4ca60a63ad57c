"""What the subject of a mail says: `[RFC PATCH v2 3/7] mm: ...`, `Re: ...`."""

from __future__ import annotations

import re

from mmlint.frozen import dataclass

_REPLY = re.compile(r"\s*(?:re|aw|sv|antw|fw|fwd|回复|答复)\s*(?:\[\d+\])?\s*[:：]\s*", re.IGNORECASE)
_BRACKET = re.compile(r"\s*\[([^\]]*)\]")
_COUNT = re.compile(r"(?<![\w.])(\d{1,4})\s*/\s*(\d{1,4})(?![\w.])")
_VERSION = re.compile(r"(?:\b|(?<=PATCH))v(\d{1,3})(?![\w.]*\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subject:
    """`title` is without brackets and `Re:` (`counted`: n/m was given; `patch`: a bracket says PATCH or RFC)."""

    title: str
    index: int = 1
    total: int = 1
    version: int = 1
    counted: bool = False
    patch: bool = False
    reply: bool = False


def parse(text: str) -> Subject:
    """Take a subject apart."""
    rest, reply = text, False
    while match := _REPLY.match(rest):
        rest, reply = rest[match.end() :], True
    words: list[str] = []
    while match := _BRACKET.match(rest):
        words.append(match[1])
        rest = rest[match.end() :]
    prefix = " ".join(words)
    count = _COUNT.search(prefix)
    version = _VERSION.search(prefix)
    index, total = (int(count[1]), int(count[2])) if count else (1, 1)
    return Subject(
        " ".join(rest.split()),
        index,
        max(total, 1),
        int(version[1]) if version else 1,
        bool(count),
        bool(re.search(r"patch|rfc", prefix, re.IGNORECASE)),
        reply,
    )
