"""Find the diffs in a text: file sections, and hunks counted against their headers. The names are read elsewhere.

unidiff drops lines beyond a hunk's count, files with a broken `@@` and combined diffs without a word; so the extent of
every hunk is established here, and only what is whole goes on to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field

from mmlint.frozen import dataclass
from mmlint.inputs import limits

HUNK = re.compile(rb"@@ -(\d{1,18})(?:,(\d{1,18}))? \+(\d{1,18})(?:,(\d{1,18}))? @@ *(.*)", re.DOTALL)
_EXTENDED = re.compile(
    rb"(?:index |old mode |new mode |new file mode |deleted file mode |similarity index |dissimilarity index "
    rb"|rename from |rename to |copy from |copy to )"
)
_BINARY = re.compile(rb"GIT binary patch|Binary files? .* differ")


@dataclass(slots=True)
class Section:
    """One file of a diff: indexes of its first line and of each whole hunk (start, end), header lines, problems."""

    start: int
    header: list[bytes] = field(default_factory=list)
    names: tuple[bytes, bytes] | None = None
    hunks: list[tuple[int, int]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    binary: bool = False
    git: bool = False
    unnamed: bool = False


@dataclass(slots=True)
class Scan:
    """The sections of a text, problems outside any, and the `---` lines between (indexes of lines)."""

    sections: list[Section] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    separators: list[int] = field(default_factory=list)


def scan(lines: Sequence[bytes]) -> Scan:
    """Go over a text once; every line that looks like a diff ends up in a section or in a problem."""
    result = Scan()
    section: Section | None = None
    at = 0
    while at < len(lines):
        line = lines[at]
        first = line[:1]
        if first == b"d" and line.startswith(b"diff --"):
            section = _opened(result, at, line)
        elif first == b"-" and line.startswith(b"--- ") and at + 1 < len(lines) and lines[at + 1].startswith(b"+++ "):
            if section is None or section.hunks or section.names or section.problems or section.unnamed:
                section = Section(at)
                result.sections.append(section)
            section.names = (line[4:], lines[at + 1][4:])
            at += 1
        elif first == b"-" and line.rstrip() == b"---":
            result.separators.append(at)
        elif first == b"@" and line.startswith(b"@@"):
            if section is None and HUNK.match(line):
                section = Section(at, unnamed=True)
                result.sections.append(section)
            at = _hunk(lines, at, section) if section is not None else at
        elif section is not None and not section.hunks:
            if _EXTENDED.match(line):
                section.header.append(line)
            elif _BINARY.match(line):
                section.binary = True
        at += 1
    return result


def _opened(result: Scan, at: int, line: bytes) -> Section | None:
    if line.startswith((b"diff --cc ", b"diff --combined ")):
        result.problems.append((at, "combined diff of a merge: it cannot be read, send the diff against one parent"))
        return None
    if not line.startswith(b"diff --git "):
        return None
    section = Section(at, header=[line], git=True)
    result.sections.append(section)
    return section


def _hunk(lines: Sequence[bytes], at: int, section: Section) -> int:
    """Read the hunk whose header is at `at` into the section; returns the index of its last line."""
    header = HUNK.match(lines[at])
    if header is None:
        if lines[at].startswith(b"@@@"):
            problem = "combined diff of a merge: it cannot be read, send the diff against one parent"
        elif lines[at].startswith(b"@@ -"):
            problem = "hunk header is damaged (@@ -line,count +line,count @@ is wanted)"
        else:
            return at
        section.problems.append((at, problem))
        return at
    starts = int(header[1]), int(header[3])
    counts = int(header[2] or 1), int(header[4] or 1)
    if max(*starts, *counts) > limits.MAX_LINE_NUMBER or counts == (0, 0):
        section.problems.append((at, "hunk header has absurd line numbers"))
        return at
    end, problem, where = _extent(lines, at + 1, *counts)
    if problem:
        section.problems.append((where, f"{problem} (hunk at line {{{at}}} says {counts[0]},{counts[1]} lines)"))
    else:
        section.hunks.append((at, end))
    return end - 1


def _extent(lines: Sequence[bytes], at: int, old: int, new: int) -> tuple[int, str, int]:
    """(index after the hunk's last line, problem or '', index of the line that is wrong)."""
    total = len(lines)
    while old > 0 or new > 0:
        if at >= total:
            return at, f"patch is cut off: {max(old, new)} lines of the hunk are missing", at - 1
        first = lines[at][:1]
        if first in (b" ", b"", b"\r"):
            old, new = old - 1, new - 1
        elif first == b"+":
            new -= 1
        elif first == b"-":
            old -= 1
        elif first != b"\\":
            return at, "hunk is damaged: this line is neither context nor change, wrapped by a mailer?", at
        at += 1
        if old < 0 or new < 0:
            return at, "hunk is damaged: its lines and the counts of its header disagree", at - 1
    if at < total and lines[at].startswith(b"\\ "):
        at += 1
    if at < total and _more(lines[at]):
        wrong = at
        while at < total and _more(lines[at]):
            at += 1
        return at, "hunk is damaged: it is longer than its header says", wrong
    return at, "", at


def _more(line: bytes) -> bool:
    """Whether a line after a full hunk is a changed line that the header does not count."""
    return line[:1] in (b"+", b"-") and not line.startswith((b"--", b"+++ "))
