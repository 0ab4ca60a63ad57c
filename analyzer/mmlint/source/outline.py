"""Find function definitions without a parser: fast enough to index a whole folder."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from mmlint.source import preproc
from mmlint.source.balance import PARENS
from mmlint.source.header import Header, clean_header, read_header
from mmlint.source.mask import blank, mask

_STOP = re.compile(rb"[;{}=(]")
_PARENS = re.compile(PARENS)
_DESIGNATED = re.compile(rb"\s*+\.\s*+\w++\s*+=")
_LINKAGE = re.compile(rb"\bextern\s*+\"[^\"]*+\"\s*+\Z")
_ENDIF = re.compile(rb"\s*+\#[ \t]*+endif\b[^\n]*+")
_BRACES = re.compile(rb"[{}]")
_INITIALISER_STOP = re.compile(rb"[;{(]")
_CLOSE = b"\n}"
_MOST_HEADER = 20_000  # bytes before a brace that may be a header: it may follow long lists without a semicolon
_BODY_LIMIT = 20_000  # bytes looked at behind the first `}` in column 0, if that one does not close the body


class OutlineEntry(NamedTuple):
    """One function definition: bytes from its first token to just past its `}`, lines counted from 1.

    `name_line` is the line of the name itself (what ctags calls `line`), `body_byte` the offset of the `{`.
    """

    name: str
    start_byte: int
    end_byte: int
    start_line: int
    end_line: int
    name_line: int
    body_byte: int


class Lines:
    """Line numbers (from 1) of byte offsets."""

    __slots__ = ("starts",)

    def __init__(self, text: bytes) -> None:
        self.starts = list(accumulate(map((1).__add__, map(len, text.split(b"\n"))), initial=0))
        self.starts.pop()  # what would come behind the last line

    def of(self, offset: int) -> int:
        """The line of the byte at `offset`."""
        return bisect_right(self.starts, offset)


def outline(text: bytes) -> tuple[OutlineEntry, ...]:
    """The function definitions of a C file in order, those of every `#ifdef` arm included (`#if 0` excluded)."""
    return outline_masked(mask(text), Lines(text))


def outline_masked(masked: bytes, lines: Lines) -> tuple[OutlineEntry, ...]:
    """`outline` of text that `mask` has seen."""
    entries = []
    for header, start, body, end in _definitions(masked):
        first = start + header.start
        entries.append(
            OutlineEntry(
                header.name, first, end, lines.of(first), lines.of(end - 1), lines.of(start + header.name_at), body
            )
        )
    return tuple(entries)


def _definitions(masked: bytes) -> Iterator[tuple[Header, int, int, int]]:
    """(header, its start, offset of the opening brace, end) of each definition; the header's offsets are relative."""
    text = preproc.without_directives(masked)
    start = at = 0
    while True:
        stop = _STOP.search(text, at)
        if stop is None:
            return
        at = stop.end()
        char = stop[0]
        if char == b"(":
            group = _PARENS.match(text, stop.start())
            at = group.end() if group else at
        elif char == b"=":
            start = at = _past_initialiser(text, at)
        elif char == b"{":
            if stop.start() - start > _MOST_HEADER:
                start = max(text.find(b"\n", stop.start() - _MOST_HEADER, stop.start()), stop.start() - _MOST_HEADER)
            header, written = _header(masked, text, start, stop.start())
            if header is not None and not _DESIGNATED.match(text, at):
                end = _body_end(masked, text, stop.start())
                yield header, start, stop.start(), end
                start = at = end
            elif _LINKAGE.search(written):
                start = at
            else:
                at = _braces_end(text, stop.start())
        else:
            start = at


def _header(masked: bytes, text: bytes, start: int, end: int) -> tuple[Header | None, bytes]:
    """The header that ends at `end`, and its text, with one arm of an `#if` group inside."""
    whole = text[start:end]
    written = _one_arm(masked, text, start, end)
    header = read_header(clean_header(written), written)
    if header is None and written != whole:  # an arm may begin between the header and the brace
        header, written = read_header(clean_header(whole), whole), whole
    return header, written


def _one_arm(masked: bytes, text: bytes, start: int, end: int) -> bytes:
    """A header's text, with one arm of an `#if` group that cuts through it; blank up to a directive left open."""
    part = masked[start:end]
    directives = [match for match in preproc.DIRECTIVE.finditer(part) if _conditional(match[1])] if b"#" in part else []
    if not directives:
        return text[start:end]
    whole = [group for group in preproc.groups(part) if group.endif[0] < group.endif[1]]
    inside = [(group.arms[0].directive[0], group.endif[1]) for group in whole]
    cut = 0
    for match in directives:
        if not any(first <= match.start() < last for first, last in inside):
            cut = match.end()
    return blank(part[:cut]) + preproc.resolve(part[cut:], everything=True).text


def _conditional(keyword: bytes) -> bool:
    return keyword == b"endif" or keyword.startswith((b"if", b"el"))


def _past_initialiser(text: bytes, at: int) -> int:
    while True:
        stop = _INITIALISER_STOP.search(text, at)
        if stop is None:
            return len(text)
        if stop[0] == b";":
            return stop.end()
        if stop[0] == b"(":
            group = _PARENS.match(text, stop.start())
            at = group.end() if group else stop.end()
        else:
            at = _braces_end(text, stop.start())


def _braces_end(text: bytes, opening: int) -> int:
    """Just past the partner of the brace at `opening`, or the next one in column 0 where arms leave it alone."""
    end = _counted_end(text, opening)
    if end < 0:
        close = text.find(_CLOSE, opening)
        end = close + 2 if close >= 0 else len(text)
    return end


def _counted_end(text: bytes, opening: int) -> int:
    depth = 0
    for brace in _BRACES.finditer(text, opening):
        if brace[0] == b"{":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return brace.end()
    return -1


def _body_end(masked: bytes, text: bytes, opening: int) -> int:
    """Just past the last brace of a function body, also where `#if` arms hold braces without partners."""
    counted = _counted_end(text, opening)
    close = text.find(_CLOSE, opening)
    if counted >= 0 and _surplus(masked, opening, counted) == 0 and _closed(masked, opening, counted):
        return counted
    first = close
    while close >= 0:
        if _surplus(masked, opening, close + 2) >= 0 and _closed(masked, opening, close + 2):
            return close + 2
        close = text.find(_CLOSE, close + 1) if close - first < _BODY_LIMIT else -1
    return first + 2 if first >= 0 else len(text)


def _surplus(masked: bytes, start: int, end: int) -> int:
    """Closing braces less opening ones, with one arm of each group."""
    read = masked[start:end]
    if b"#" in read:
        read = preproc.resolve(read, everything=True).text
    return read.count(b"}") - read.count(b"{")


def _closed(masked: bytes, start: int, end: int) -> bool:
    """Whether every `#if` between the two offsets has its `#endif` there, or right behind."""
    if b"#" not in masked[start:end]:
        return True
    keywords = [match[1] for match in preproc.DIRECTIVE.finditer(masked, start, end)]
    left_open = sum(keyword.startswith(b"if") for keyword in keywords) - keywords.count(b"endif")
    for _ in range(left_open):
        behind = _ENDIF.match(masked, end)
        if behind is None:
            return False
        end = behind.end()
    return True
