"""mbox, mboxrd and concatenated format-patch files -> raw mails, one at a time, in flat memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from mmlint.frozen import dataclass
from mmlint.inputs import limits

_SEPARATOR = re.compile(rb"From \S+ .*\d:\d\d.*\b(\d{4})\b")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_GIT_DATE = b" Mon Sep 17 00:00:00 2001"
_HEADER = re.compile(rb"[!-9;-~]{1,80}:")


@dataclass(frozen=True, slots=True)
class RawMail:
    """One mail as it stands in an input, `>From ` unquoted. `line` is that of its first header.

    `oversize` is not 0 when it is beyond the limit; `data` is cut then.
    """

    data: bytes
    line: int
    oversize: int = 0


def is_separator(line: bytes) -> bool:
    """Whether a line divides mails: `From name date`, as git mailsplit knows it."""
    match = _SEPARATOR.match(line) if line.startswith(b"From ") else None
    return match is not None and int(match[1]) > 1969


def split(stream: BinaryIO) -> Iterator[RawMail]:
    """The mails of an mbox, read in turn. What stands above the first separator is a mail of its own if not blank."""
    lines: list[bytes] = []
    start, size, git, count = 1, 0, False, 0
    while True:
        line = stream.readline(limits.MAX_MAIL)
        if line and not is_separator(line):
            count += 1
            size += len(line)
            if size <= limits.MAX_MAIL:
                lines.append(line)
            continue
        follower = b""
        if line:
            count += 1
            follower = stream.readline(limits.MAX_MAIL)
            if follower and not _HEADER.match(follower) and not is_separator(follower):
                count += 1
                size += len(line) + len(follower)
                lines += [line, follower] if size <= limits.MAX_MAIL else []
                continue
        if any(not text.isspace() for text in lines) or size > limits.MAX_MAIL:
            yield _mail(lines, start, git, size)
        if not line:
            return
        start, git = count + 1, line.rstrip().endswith(_GIT_DATE)
        lines, size = ([follower], len(follower)) if follower else ([], 0)
        count += bool(follower)


def _mail(lines: list[bytes], start: int, git: bool, size: int) -> RawMail:
    """format-patch does not quote `From ` lines, so nothing is unquoted in its files."""
    data = b"".join(lines)
    if not git and b"\n>" in data:
        data = _QUOTED.sub(rb"\1", data)
    return RawMail(data, start, size if size > limits.MAX_MAIL else 0)
