"""Diff text -> file changes. Nothing is lost without being said: what cannot be read is an error with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from mmlint.finding import InputError
from mmlint.frozen import dataclass
from mmlint.inputs import limits, paths
from mmlint.inputs.model import FileChange, Hunk, Kind, Tag
from mmlint.inputs.scan import Section, scan

if TYPE_CHECKING:
    from unidiff.patch import Hunk as UnidiffHunk

UNNAMED = "unnamed-file.c"
"""The name given to hunks that no file header precedes."""
_FIELD = re.compile(
    r"(index|old mode|new mode|new file mode|deleted file mode|rename from|rename to|copy from|copy to) (.*)"
)
_INDEX = re.compile(r"([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: (\d{6}))?")
_SPECIAL = {"120000": "a symbolic link", "160000": "a submodule"}


@dataclass(slots=True)
class DiffResult:
    """What a text holds. `start` and `separator` are indexes of lines: the first diff taken, the `---` above it."""

    changes: tuple[FileChange, ...] = ()
    errors: list[InputError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    start: int | None = None
    separator: int | None = None

    @property
    def empty(self) -> bool:
        """Neither a change nor anything that was meant to be one."""
        return not self.changes and not self.errors


def parse(lines: Sequence[bytes], name: str, number: Callable[[int], int] = lambda index: index + 1) -> DiffResult:
    """Read every diff in `lines` (without line ends); `number` gives the line number in the input for an index.

    A diff above the last `---` line that is followed by another diff belongs to the changelog and is not taken.
    """
    lines = _unix(lines)
    found = scan(lines)
    result = DiffResult()
    sections, problems = found.sections, found.problems
    first = _main_start(found.separators, sections)
    if first is not None:
        dropped = [section for section in sections if section.start < first]
        sections = [section for section in sections if section.start > first]
        problems = [problem for problem in problems if problem[0] > first]
        result.notes += [f"diff in the changelog at line {number(s.start)} is not part of the patch" for s in dropped]
    if sections:
        result.start = sections[0].start
        before = [at for at in found.separators if at < sections[0].start]
        result.separator = before[0] if before else None
    changes = []
    for section in sections:
        change = _change(section, lines, name, number, result)
        if change is not None:
            changes.append(change)
    result.errors += [_error(name, at, text, number) for at, text in problems]
    if len(result.errors) > limits.MAX_ERRORS:
        more = len(result.errors) - limits.MAX_ERRORS
        result.errors[limits.MAX_ERRORS :] = [InputError(name, f"{more} more errors in this patch are not shown")]
    result.changes = tuple(changes)
    return result


def _unix(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Without the carriage returns of a CRLF mail (those of a CRLF file in an LF mail stay)."""
    for line in lines:
        if line.startswith((b"diff --git ", b"--- a/", b"@@ -")):
            return [text[:-1] if text.endswith(b"\r") else text for text in lines] if line.endswith(b"\r") else lines
    return lines


def _main_start(separators: list[int], sections: list[Section]) -> int | None:
    """Index of the `---` line that divides diffs quoted in a changelog from the patch, or None."""
    named = [section.start for section in sections if not section.unnamed]
    for at in reversed(separators):
        if any(start > at for start in named) and sections[0].start < at:
            return at
    return None


def _error(name: str, at: int, text: str, number: Callable[[int], int]) -> InputError:
    return InputError(name, re.sub(r"\{(\d+)\}", lambda m: str(number(int(m[1]))), text), number(at))


def _change(
    section: Section, lines: Sequence[bytes], name: str, number: Callable[[int], int], result: DiffResult
) -> FileChange | None:
    fields = dict(_fields(section.header))
    old, new = _names(section, fields)
    shown = new or old or UNNAMED
    try:
        for path in filter(None, (old, new)):
            paths.check(path)
        hunks = tuple(_hunks(section, lines, number))
    except ValueError as error:
        result.errors.append(_error(name, section.start, str(error), number))
        return None
    result.errors += [_error(name, at, f"{shown}: {text}", number) for at, text in section.problems]
    index = _INDEX.match(fields.get("index", ""))
    old_mode = fields.get("old mode") or fields.get("deleted file mode") or (index[3] if index else None)
    new_mode = fields.get("new mode") or fields.get("new file mode") or (index[3] if index else None)
    special = _SPECIAL.get(new_mode or old_mode or "")
    if special:
        result.notes.append(f"{shown}: {special}, not analysed")
    kind = _kind(section, fields, hunks, old, new, bool(special))
    if kind is None:
        if not section.problems:
            text = f"{shown}: the file header is followed by no hunk that can be read"
            result.errors.append(_error(name, section.start, text, number))
        return None
    if section.unnamed:
        result.notes.append(f"hunk at line {number(section.start)} names no file")
    return FileChange(
        old,
        new,
        hunks,
        kind,
        index[1] if index and index[1].strip("0") else None,
        index[2] if index and index[2].strip("0") else None,
        old_mode,
        new_mode,
        bool(section.problems),
        number(section.start),
    )


def _fields(header: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for line in header:
        match = _FIELD.match(line.decode("latin-1").rstrip("\r"))
        if match:
            yield match[1], match[2]


def _names(section: Section, fields: dict[str, str]) -> tuple[str | None, str | None]:
    if section.unnamed:
        return UNNAMED, UNNAMED
    for verb in ("rename", "copy"):
        if f"{verb} from" in fields and f"{verb} to" in fields:
            return paths.unquote(fields[f"{verb} from"]), paths.unquote(fields[f"{verb} to"])
    if section.names:
        raw_old, raw_new = (side.split(b"\t")[0].rstrip(b" \r").decode("latin-1") for side in section.names)
        old, new = paths.strip(paths.unquote(raw_old), paths.unquote(raw_new))
        if not section.git and old and section.names[0].find(b"\t1970-01-01 ") >= 0:
            old = None
    else:
        old, new = _header_names(section.header[0].decode("latin-1"))
    if "new file mode" in fields:
        old = None
    if "deleted file mode" in fields:
        new = None
    if old and new and old != new:
        old = new
    return old, new


def _header_names(line: str) -> tuple[str | None, str | None]:
    """The names of a `diff --git` line; a name with blanks is found by the two halves being alike."""
    rest = line.removeprefix("diff --git ").rstrip()
    quoted = re.fullmatch(r'("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)', rest)
    if quoted:
        return paths.strip(paths.unquote(quoted[1]), paths.unquote(quoted[2]))
    middle = len(rest) // 2
    if rest[middle : middle + 1] == " " and rest[2:middle] == rest[middle + 3 :]:
        return paths.strip(paths.unquote(rest[:middle]), paths.unquote(rest[middle + 1 :]))
    return None, None


def _kind(
    section: Section, fields: dict[str, str], hunks: tuple[Hunk, ...], old: str | None, new: str | None, special: bool
) -> Kind | None:
    """What happened to the file; None for a section that says nothing (its hunks are lost or were never there)."""
    if old is None and new is None:
        return None
    if section.binary or special:
        return "binary"
    if "rename to" in fields or "copy to" in fields:
        return "renamed" if "rename to" in fields else "copied"
    if "new file mode" in fields or (old is None and hunks):
        return "added"
    if "deleted file mode" in fields or (new is None and hunks):
        return "deleted"
    if hunks:
        return "modified"
    return "mode" if "new mode" in fields else None


def _hunks(section: Section, lines: Sequence[bytes], number: Callable[[int], int]) -> Iterator[Hunk]:
    """The whole hunks of a section, read by unidiff and compared with what was counted."""
    if not section.hunks:
        return
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet as UnidiffSet

    text = ["--- a/file\n", "+++ b/file\n"]
    for start, end in section.hunks:
        text.append(lines[start].decode("latin-1") + "\n")
        text += [line.decode("latin-1") + "\n" for line in lines[start + 1 : end]]
    try:
        files = UnidiffSet(text)
    except UnidiffParseError as error:
        raise ValueError(f"diff cannot be read: {error}") from error
    if len(files) != 1 or len(files[0]) != len(section.hunks):
        raise ValueError("diff cannot be read: its hunks are not where their headers are")
    for (start, _), hunk in zip(section.hunks, files[0], strict=True):
        yield _hunk(hunk, number(start))


def _hunk(hunk: UnidiffHunk, line: int) -> Hunk:
    rows: list[tuple[Tag, bytes]] = []
    no_newline = {"-": False, "+": False}
    tags: dict[str, Tag] = {"+": "+", "-": "-", " ": " ", "": " "}
    for row in hunk:
        if row.line_type == "\\":
            last = rows[-1][0] if rows else " "
            for side in "-+" if last == " " else last:
                no_newline[side] = True
            continue
        rows.append((tags[row.line_type], row.value.removesuffix("\n").encode("latin-1")))
    return Hunk(
        hunk.source_start,
        hunk.source_length,
        hunk.target_start,
        hunk.target_length,
        hunk.section_header.strip().encode("latin-1").decode("utf-8", "replace"),
        tuple(rows),
        no_newline["-"],
        no_newline["+"],
        line,
    )
