"""The hunks of a diff for quoting. What is damaged is left out: the reader of mails has said so before."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.frozen import dataclass

_HEADER = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk: `head` is the file's and its own header, `numbers` the line of the new file of each of `lines`."""

    path: str
    head: tuple[str, ...]
    lines: tuple[str, ...]
    numbers: tuple[int, ...]

    def find(self, path: str, line: int) -> int | None:
        """The position of a line of the new file in `lines`, or None."""
        if path != self.path and not path.endswith("/" + self.path):
            return None
        return self.numbers.index(line) if line in self.numbers else None


def hunks(diff: str) -> Iterator[Hunk]:
    """The hunks in order; a removed line has number 0."""
    path = ""
    names: list[str] = []
    rows = diff.split("\n")
    position = 0
    while position < len(rows):
        row = rows[position].rstrip("\r")
        position += 1
        if row.startswith("--- "):
            names = [row]
        elif row.startswith("+++ "):
            names.append(row)
            path = row[4:].split("\t")[0].removeprefix("b/")
        header = _HEADER.match(row)
        if header is None:
            continue
        lines, numbers, position = _body(rows, position, header)
        yield Hunk(path, (*names, row), tuple(lines), tuple(numbers))


def _body(rows: list[str], position: int, header: re.Match[str]) -> tuple[list[str], list[int], int]:
    old, new = (1 if count is None else int(count) for count in (header[1], header[3]))
    number = int(header[2])
    lines: list[str] = []
    numbers: list[int] = []
    while position < len(rows) and (old > 0 or new > 0):
        row = rows[position].rstrip("\r")
        position += 1
        if row[:1] not in ("+", "-", " ", "\\") and (row or position == len(rows)):
            break
        kept = row[:1] != "\\"
        after = kept and row[:1] != "-"
        old -= kept and row[:1] != "+"
        new -= after
        lines.append(row)
        numbers.append(number if after else 0)
        number += after
    return lines, numbers, position
