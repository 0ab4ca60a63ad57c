"""Source lines with marks under them, in the manner of rustc: one block a file, primary place and related places."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mmlint.finding import Finding
from mmlint.frozen import dataclass
from mmlint.output.text import Style, plain

TAB = 8
MAX_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to show: `primary` is marked with carets, the others with dashes and their message."""

    line: int
    column: int
    message: str
    primary: bool


def blocks(finding: Finding, sources: Mapping[str, Sequence[str]], style: Style) -> list[str]:
    """The lines of the finding's file, then those of other files its steps lie in."""
    marks: dict[str, list[Mark]] = {finding.path: [Mark(finding.line, finding.column, "", True)]}
    for step in finding.steps:
        marks.setdefault(step.path, []).append(Mark(step.line, 0, step.message, False))
    last = max(mark.line for group in marks.values() for mark in group)
    gutter = len(str(last))
    rows = []
    for number, (path, group) in enumerate(marks.items()):
        first = group[0]
        place = f"{plain(path)}:{first.line}" + (f":{first.column}" if first.primary else "")
        rows.append(" " * gutter + style.paint("-->" if number == 0 else ":::", "bold", "blue") + " " + place)
        rows += _block(group, sources.get(path, ()), gutter, finding, style)
    return rows


def _block(marks: Sequence[Mark], lines: Sequence[str], gutter: int, finding: Finding, style: Style) -> list[str]:
    bar = style.paint("|", "bold", "blue")
    empty = f"{' ' * gutter} {bar}"
    rows = [empty]
    shown = 0
    for mark in sorted(marks, key=lambda mark: (mark.line, mark.primary)):
        if not 1 <= mark.line <= len(lines):
            if mark.message:
                sign = style.paint("=", "bold", "blue")
                rows.append(f"{' ' * gutter} {sign} line {mark.line}: {plain(mark.message)}")
            continue
        if shown and mark.line > shown + 1:
            rows.append(style.paint("...", "bold", "blue"))
        if mark.line != shown:
            number = style.paint(str(mark.line).rjust(gutter), "bold", "blue")
            rows.append(f"{number} {bar} {_visible(lines[mark.line - 1])}".rstrip())
        rows.append(f"{empty} {_underline(mark, lines[mark.line - 1], finding, style)}".rstrip())
        shown = mark.line
    return rows


def _underline(mark: Mark, text: str, finding: Finding, style: Style) -> str:
    start, end = extent(text, mark.column)
    left = len(_visible(text[:start]))
    width = max(1, min(len(_visible(text[:end])), MAX_WIDTH) - left)
    if mark.primary:
        return " " * left + style.severity(finding, "^" * width)
    return " " * left + style.paint("-" * width + f" {plain(mark.message)}", "bold", "blue")


def extent(text: str, column: int) -> tuple[int, int]:
    """Where the marked expression starts and ends in `text`, from 0: a call with its arguments, or the statement.

    A column of 0 or one in the indentation means the whole statement.
    """
    indent = len(text) - len(text.lstrip())
    start = max(column - 1, indent)
    if start >= len(text.rstrip()):
        start = indent
    call = re.compile(r"[\w.>*&-]*\w\s*\(").match(text, start) if column > indent + 1 else None
    if call:
        depth = 0
        for position in range(call.end() - 1, len(text)):
            depth += {"(": 1, ")": -1}.get(text[position], 0)
            if depth == 0:
                return start, position + 1
    code = re.sub(r"\s*(/\*.*|//.*)?$", "", text[start:])
    return start, start + max(len(code.rstrip(";{ ")), 1)


def _visible(text: str) -> str:
    """`text` as it stands on a terminal: tabs expanded, control characters spelled out, very long lines cut."""
    parts = plain(text.expandtabs(TAB))
    return parts if len(parts) <= MAX_WIDTH else parts[: MAX_WIDTH - 3] + "..."
