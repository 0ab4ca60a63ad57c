"""Preprocessor directives of masked text: groups of `#if` arms, and choosing one where both cannot be read."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from mmlint.source.mask import blank

DIRECTIVE = re.compile(rb"^[ \t]*+\#[ \t]*+([a-z]*+)((?:[^\\\n]++|\\\n|\\)*+)", re.M)
_NEGATIVE = re.compile(rb"\s*!\s*(?:defined\b|IS_\w+|CONFIG_\w+|\(?\s*defined)")
_OPENS = (b"if", b"ifdef", b"ifndef")
_STATEMENT_ENDS = b";{}:"
_CONTINUES = re.compile(rb"\s*(?:else\b|while\b(?=[^;{}]*;)|[-+*/%&|^<>=?:,.)\]{])")
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
        elif not stack or not (keyword == b"endif" or keyword.startswith(b"el")):
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


def _reads_as_statements(text: bytes, group: Group, start: int) -> bool:
    """Whether every arm is a run of whole statements at a place where a statement may stand."""
    before = text[max(start, group.arms[0].directive[0] - 400) : group.arms[0].directive[0]].rstrip()
    if before and before[-1] not in _STATEMENT_ENDS and not before.rpartition(b"\n")[2].lstrip().startswith(b"#"):
        return False
    if before.endswith(b":") and not _CASE.search(before):
        return False
    for arm in group.arms:
        body = text[arm.start : arm.end].strip()
        if not body:
            continue
        if body.count(b"{") != body.count(b"}") or body.count(b"(") != body.count(b")"):
            return False
        if body[-1] not in b";}:" and not body.rpartition(b"\n")[2].lstrip().startswith(b"#"):
            return False
        if _CONTINUES.match(body) and body[:1] not in b"*{(":
            return False
    return _CONTINUES.match(text, group.endif[1]) is None or text[group.endif[1] :].lstrip()[:1] in b"*{-+"


@dataclass(slots=True)
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
    cuts: list[tuple[int, int]] = []
    dropped: list[tuple[int, int]] = []

    def visit(level: list[Group]) -> None:
        for group in level:
            constant = _constant(group.arms[0]) is not None
            if not everything and not constant and _reads_as_statements(text, group, 0):
                visit(group.inner)
                continue
            keep = preferred(group, off=off)
            cuts.extend(arm.directive for arm in group.arms)
            cuts.append(group.endif)
            for index, arm in enumerate(group.arms):
                if index != keep:
                    cuts.append((arm.start, arm.end))
                    if text[arm.start : arm.end].strip():
                        dropped.append((arm.start, arm.end))
            if keep >= 0:
                kept = group.arms[keep]
                visit([inner for inner in group.inner if kept.start <= inner.arms[0].directive[0] < kept.end])

    visit(groups(text))
    for match in DIRECTIVE.finditer(text):
        if match[1] not in _OPENS and match[1] != b"endif" and not match[1].startswith(b"el"):
            cuts.append(match.span())
    return Resolved(_cut(text, cuts), tuple(sorted(dropped)))


def _cut(text: bytes, cuts: list[tuple[int, int]]) -> bytes:
    if not cuts:
        return text
    out = bytearray(text)
    for start, end in cuts:
        out[start:end] = blank(text[start:end])
    return bytes(out)


class Conditions:
    """The preprocessor condition at every offset of a masked file."""

    __slots__ = ("_starts", "_values")

    def __init__(self, text: bytes) -> None:
        self._starts = [0]
        self._values = [""]
        for start, value in _condition_steps(text):
            self._starts.append(start)
            self._values.append(value)

    def at(self, offset: int) -> str:
        """The condition under which the byte at `offset` is compiled, terms joined by ` && `; "" if none."""
        return self._values[bisect_right(self._starts, offset) - 1]


def _condition_steps(text: bytes) -> Iterator[tuple[int, str]]:
    stack: list[list[str]] = []
    for match in DIRECTIVE.finditer(text):
        keyword = match[1]
        term = _term(keyword, " ".join(match[2].replace(b"\\\n", b" ").decode("latin-1").split()))
        if keyword in _OPENS:
            stack.append([term])
        elif keyword == b"endif":
            if stack:
                stack.pop()
        elif keyword in (b"else", b"elif", b"elifdef", b"elifndef") and stack:
            arm = [
                f"!({previous})" if index == len(stack[-1]) - 1 else previous
                for index, previous in enumerate(stack[-1])
            ]
            stack[-1] = [*arm, term] if term else arm
        else:
            continue
        yield match.end(), " && ".join(term for arm in stack for term in arm)


def _term(keyword: bytes, condition: str) -> str:
    if keyword.endswith(b"ifdef"):
        return f"defined({condition})"
    if keyword.endswith(b"ifndef"):
        return f"!defined({condition})"
    return condition
