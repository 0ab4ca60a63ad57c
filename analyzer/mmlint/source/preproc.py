"""Preprocessor directives of masked text: groups of `#if` arms, and choosing one where both cannot be read."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import field

from mmlint.frozen import dataclass
from mmlint.source.mask import blank

DIRECTIVE = re.compile(rb"^[ \t]*+\#[ \t]*+([a-z]*+)((?>(?:[^\\\n]++|\\\n|\\)*))", re.M)
_NEGATIVE = re.compile(rb"\s*!\s*(?:defined\b|IS_\w+|CONFIG_\w+|\(?\s*defined)")
_OPENS = (b"if", b"ifdef", b"ifndef")
_ALTERNATIVES = (b"else", b"elif", b"elifdef", b"elifndef")
_CONTINUES = re.compile(rb"\s*+(?:else\b|while\b(?=[^;{}]*+;)|[/%&|^<>=?:,.)\]]|[-+](?![-+]))")
_CASE = re.compile(rb"(?:\bcase\b[^;{}]*|\bdefault\s*):$")


@dataclass(slots=True)
class Arm:
    """One arm of an `#if` group: its directive, and the lines up to the next one (byte offsets)."""

    keyword: bytes
    condition: bytes
    directive: tuple[int, int]
    start: int
    end: int = -1


@dataclass(slots=True)
class Group:
    """An `#if` ... `#endif` group; `endif` is the span of its last directive."""

    arms: list[Arm] = field(default_factory=list)
    endif: tuple[int, int] = (-1, -1)
    inner: list[Group] = field(default_factory=list)


def groups(text: bytes, start: int = 0, end: int | None = None) -> list[Group]:
    """The outermost `#if` groups of masked `text`; groups left open end with the text."""
    end = len(text) if end is None else end
    roots: list[Group] = []
    stack: list[Group] = []
    for match in DIRECTIVE.finditer(text, start, end):
        keyword = match[1]
        if keyword in _OPENS:
            group = Group()
            (stack[-1].inner if stack else roots).append(group)
            stack.append(group)
        elif not stack or not (keyword == b"endif" or keyword in _ALTERNATIVES):
            continue
        group = stack[-1]
        if group.arms:
            group.arms[-1].end = match.start()
        if keyword == b"endif":
            group.endif = match.span()
            stack.pop()
        else:
            group.arms.append(Arm(keyword, match[2].strip(), match.span(), match.end()))
    for group in stack:
        group.arms[-1].end = end
        group.endif = (end, end)
    return roots


def preferred(group: Group, *, off: bool = False) -> int:
    """The arm read when only one can be: the CONFIG-on one (-1: none of them); `off` turns it."""
    first = group.arms[0]
    constant = _constant(first)
    if constant is not None:
        positive = constant
    else:
        negative = first.keyword == b"ifndef" or (
            first.keyword == b"if" and _NEGATIVE.match(first.condition) is not None
        )
        positive = negative == off
    if positive:
        return 0
    return 1 if len(group.arms) > 1 else -1


def _constant(arm: Arm) -> bool | None:
    if arm.keyword == b"if" and arm.condition in (b"0", b"1"):
        return arm.condition == b"1"
    return None


def _reads_as_statements(text: bytes, group: Group) -> bool:
    """Whether every arm is a run of whole statements at a place where a statement may stand."""
    opening = group.arms[0].directive[0]
    before = text[max(0, opening - 400) : opening].rstrip()
    if not _ends_statement(before) or (before.endswith(b":") and not _CASE.search(before)):
        return False
    if _CONTINUES.match(text, group.endif[1]):
        return False
    return all(_whole_statements(text[arm.start : arm.end].strip()) for arm in group.arms)


def _ends_statement(before: bytes) -> bool:
    return not before or before[-1] in b";{}:" or before.rpartition(b"\n")[2].lstrip().startswith(b"#")


def _whole_statements(body: bytes) -> bool:
    if not body:
        return True
    balanced = body.count(b"{") == body.count(b"}") and body.count(b"(") == body.count(b")")
    return balanced and not body.endswith(b"{") and _ends_statement(body) and not _CONTINUES.match(body)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Text after `resolve`, and the spans of arms that were blanked in it."""

    text: bytes
    dropped: tuple[tuple[int, int], ...]


def resolve(text: bytes, *, everything: bool = False, off: bool = False) -> Resolved:
    """Blank the directives a parser cannot digest, and with them all arms but one.

    Groups whose arms are whole statements (or declarations) stay as they are, both arms readable, unless `everything`.
    Of any other group the arm with the CONFIG option on stays (`off`: the other one). `#if 0` arms always go.
    """
    if b"#" not in text:
        return Resolved(text, ())
    kept: set[int] = set()
    dropped: list[tuple[int, int]] = []
    pending = groups(text)
    while pending:
        group = pending.pop()
        if not everything and _constant(group.arms[0]) is None and _reads_as_statements(text, group):
            kept.update(arm.directive[0] for arm in group.arms)
            kept.add(group.endif[0])
            pending += group.inner
            continue
        chosen = preferred(group, off=off)
        dropped += [(arm.start, arm.end) for index, arm in enumerate(group.arms) if index != chosen]
        if chosen >= 0:
            arm = group.arms[chosen]
            pending += [inner for inner in group.inner if arm.start <= inner.arms[0].directive[0] < arm.end]
    cuts = [match.span() for match in DIRECTIVE.finditer(text) if match.start() not in kept]
    hidden = sorted((start, end) for start, end in dropped if text[start:end].strip())
    return Resolved(blanked(text, cuts + dropped), tuple(hidden))


def blanked(text: bytes, spans: list[tuple[int, int]]) -> bytes:
    """`text` with the spans blanked."""
    if not spans:
        return text
    out = bytearray(text)
    for start, end in spans:
        out[start:end] = blank(text[start:end])
    return bytes(out)


def without_directives(text: bytes) -> bytes:
    """Masked `text` with all directives and the arms of `#if 0` blanked: every other arm stays."""
    if b"#" not in text:
        return text
    directives = list(DIRECTIVE.finditer(text))
    spans = [match.span() for match in directives]
    pending = groups(text) if any(match[1] == b"if" and match[2].strip() == b"0" for match in directives) else []
    while pending:
        group = pending.pop()
        pending += group.inner
        first = group.arms[0]
        if _constant(first) is False:
            spans.append((first.start, first.end))
    return blanked(text, spans)


@dataclass(frozen=True, slots=True)
class _Arms:
    """The conditions of one open group so far, and the group around it."""

    terms: tuple[str, ...]
    outer: _Arms | None


class Conditions:
    """The preprocessor condition at every offset of a masked file."""

    __slots__ = ("_arms", "_starts")

    def __init__(self, text: bytes) -> None:
        self._starts = [0]
        self._arms: list[_Arms | None] = [None]
        for start, arms in _condition_steps(text):
            self._starts.append(start)
            self._arms.append(arms)

    def at(self, offset: int) -> str:
        """The condition under which the byte at `offset` is compiled, terms joined by ` && `; "" if none."""
        arms = self._arms[bisect_right(self._starts, offset) - 1]
        terms: list[str] = []
        while arms is not None:
            terms[:0] = arms.terms
            arms = arms.outer
        return " && ".join(terms)


def _condition_steps(text: bytes) -> Iterator[tuple[int, _Arms | None]]:
    current: _Arms | None = None
    for match in DIRECTIVE.finditer(text):
        keyword = match[1]
        term = _term(keyword, " ".join(match[2].replace(b"\\\n", b" ").decode("latin-1").split()))
        if keyword in _OPENS:
            current = _Arms((term,), current)
        elif current is None:
            continue
        elif keyword == b"endif":
            current = current.outer
        elif keyword in _ALTERNATIVES:
            *earlier, last = current.terms
            current = _Arms((*earlier, f"!({last})", *((term,) if term else ())), current.outer)
        else:
            continue
        yield match.end(), current


def _term(keyword: bytes, condition: str) -> str:
    if keyword.endswith(b"ifdef"):
        return f"defined({condition})"
    if keyword.endswith(b"ifndef"):
        return f"!defined({condition})"
    return condition if keyword != b"else" else ""
