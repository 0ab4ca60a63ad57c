"""A TOML file that a user wrote: what it says, and in which line, for what is said of its mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from mmlint.frozen import dataclass

_KEY = r"""(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = rf"\s*(\[\[?)\s*({_DOTTED})\s*\]"
_SETS = rf"\s*({_DOTTED})\s*=(.*)"
_AT = r" \(at (?:line (\d+), column \d+|end of document)\)"
_Keys = tuple[str | int, ...]


class TomlError(ValueError):
    """A file that is no TOML or cannot be read; the message is one line that begins with the place."""


@dataclass(frozen=True)
class Toml:
    """The content of a file. A place in it is named by its keys, and by a number, from 0, in an array of tables."""

    path: str
    data: dict[str, Any]
    text: str

    @cached_property
    def _lines(self) -> dict[_Keys, int]:
        return dict(reversed(list(_lines(self.text))))

    def line(self, *keys: str | int) -> int:
        """The line of a key, or of the innermost table around it that has one; else 0."""
        around = (keys[:count] for count in range(len(keys), 0, -1))
        return next((self._lines[each] for each in around if each in self._lines), 0)

    def at(self, *keys: str | int) -> str:
        """`FILE:LINE` of a key, or `FILE` alone where it has none."""
        line = self.line(*keys)
        return f"{self.path}:{line}" if line else self.path

    def word(self, word: str, *keys: str | int) -> str:
        """`FILE:LINE` where a word stands in the value of a key or below it; nothing if it stands nowhere there."""
        rows = self.text.splitlines()
        starts = list(_lines(self.text))
        ends = [line for _, line in starts[1:]] + [len(rows) + 1]
        spelled = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        for (path, start), end in zip(starts, ends, strict=True):
            for number in range(start, end) if path[: len(keys)] == keys else ():
                if spelled.search(rows[number - 1].partition("#")[0]):
                    return f"{self.path}:{number}"
        return ""


def read(path: str, what: str) -> Toml:
    """Read a file; `what` says in the message of a `TomlError` what the file is for."""
    import tomllib

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise TomlError(f"{path}: cannot read the {what}: {reason}") from None
    try:
        return Toml(path, tomllib.loads(text), text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(_AT, str(error))
        line = (place[1] if place else None) or max(len(text.splitlines()), 1)
        raise TomlError(f"{path}:{line}: not valid TOML: {re.sub(_AT, '', str(error))}") from None


def _lines(text: str) -> Iterator[tuple[_Keys, int]]:
    """Each key and table with its line, in their order. Keys inside braces have none of their own."""
    table: _Keys = ()
    counts: dict[_Keys, int] = {}
    closing = ""
    for number, row in enumerate(text.splitlines(), 1):
        if closing:  # inside a text of several lines
            closing = "" if closing in row else closing
        elif header := re.match(_HEADER, row):
            table = _below(_split(header[2]), counts)
            if header[1] == "[[":
                yield table, number
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, number
        elif setting := re.match(_SETS, row):
            yield (*table, *_split(setting[1])), number
            closing = next((mark for mark in ('"""', "'''") if setting[2].count(mark) % 2), "")


def _split(dotted: str) -> list[str]:
    return [word.strip("\"'") for word in re.findall(_KEY, dotted)]


def _below(words: list[str], counts: dict[_Keys, int]) -> _Keys:
    """The keys of a header, with the numbers of the arrays of tables that it lies in."""
    keys: _Keys = ()
    for word in words[:-1]:
        keys = (*keys, word)
        if keys in counts:
            keys = (*keys, counts[keys])
    return (*keys, words[-1])
