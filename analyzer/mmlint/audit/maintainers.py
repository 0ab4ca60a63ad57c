"""Which subsystem a file belongs to, by the tree's MAINTAINERS."""

from __future__ import annotations

import re
from functools import cache

_EVERYTHING = "THE REST"


class Subsystems:
    """The sections of a MAINTAINERS file; without one, files belong to their folders."""

    def __init__(self, text: str) -> None:
        self._rows: list[tuple[int, re.Pattern[str], str, list[re.Pattern[str]]]] = []
        for title, lines in _sections(text):
            without = [_pattern(value) for key, value in lines if key == "X"]
            for key, value in lines:
                if key == "F" and title != _EVERYTHING:
                    self._rows.append((_depth(value), _pattern(value), title, without))
        self._rows.sort(key=lambda row: (-row[0], row[2]))
        self.of = cache(self._of)

    def _of(self, path: str) -> str:
        """The section whose pattern is the most exact for the file; its first two folders where no section has it."""
        for _, pattern, title, without in self._rows:
            if pattern.match(path) and not any(each.match(path) for each in without):
                return title
        return "/".join(path.split("/")[:-1][:2]) or "."


def _sections(text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Titles with their `F:` and `X:` lines. What stands before the first section has no such lines that count."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    title = ""
    for line in text[max(text.find("\nMaintainers List"), 0) :].splitlines():
        if not line.strip():
            title = ""
        elif line[1:2] == ":" and found and title:
            found[-1][1].append((line[0], line[2:].strip()))
        elif not title:
            title = line.strip()
            found.append((title, []))
    return found


def _depth(pattern: str) -> int:
    """How exact a pattern is: as get_maintainer.pl counts, by its folders; a file's own name beats its folder's."""
    return 2 * pattern.rstrip("/").count("/") + (not pattern.endswith("/")) + ("*" not in pattern)


def _pattern(pattern: str) -> re.Pattern[str]:
    """A path as MAINTAINERS writes it: `mm/` is all below, `*` stays in its folder."""
    body = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(body + ("" if pattern.endswith("/") else r"(/|$)"))
