"""Ignores written where the finding is: `/* mmlint: ignore[CODE] reason */` in C, or a line below `---` in a mail."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmlint.finding import Finding, Ignore, PatchRef

MARK = "mmlint: ignore"
_IGNORE = re.compile(r"mmlint: ignore(?:\[([^\]\n]*)\])?[ \t]*")


def scan(path: str, text: str) -> list[Ignore]:
    """The ignores in the comments of a C file."""
    if MARK not in text:
        return []
    found = []
    for match in _IGNORE.finditer(text):
        line_start = text.rfind("\n", 0, match.start()) + 1
        line_comment = "//" in text[line_start : match.start()]
        if not line_comment and text.rfind("/*", 0, match.start()) <= text.rfind("*/", 0, match.start()):
            continue
        end = text.find("\n" if line_comment else "*/", match.end())
        end = len(text) if end < 0 else end
        reason = " ".join(word for word in text[match.end() : end].split() if word != "*")
        line, last = text.count("\n", 0, match.start()) + 1, text.count("\n", 0, end) + 1
        found.append(Ignore(path, line, last, _codes(match[1]), reason))
    return found


def scan_mail(text: str, patch: PatchRef) -> list[Ignore]:
    """The ignores in a mail's text between its `---` line and the diff; `line` counts from the start of `text`."""
    found = []
    below = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("diff --git "):
            break
        below = below or line.rstrip() == "---"
        match = _IGNORE.match(line.lstrip()) if below else None
        if match:
            reason = line.lstrip()[match.end() :].strip()
            found.append(Ignore("", number, number, _codes(match[1]), reason, patch))
    return found


def _codes(inside: str | None) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[\s,]+", inside or "")))


def silences(ignore: Ignore, finding: Finding, lines: Sequence[str]) -> bool:
    """Whether the ignore stands at the finding: its line, the line above, its function's first line, or its mail."""
    if not ignore.reason or not {finding.code, finding.name} & set(ignore.codes):
        return False
    if ignore.patch is not None:
        return ignore.patch == finding.patch
    if ignore.path != finding.path:
        return False
    if ignore.line <= finding.line <= ignore.last_line + 1:
        return True
    return ignore.line < finding.line and _opens(finding.function, lines, ignore.line)


def _opens(function: str, lines: Sequence[str], line: int) -> bool:
    """Whether `line` is where the definition of `function` starts: a call would be indented."""
    text = lines[line - 1] if line <= len(lines) else ""
    return bool(function) and not text[:1].isspace() and re.search(rf"\b{re.escape(function)}\s*\(", text) is not None
