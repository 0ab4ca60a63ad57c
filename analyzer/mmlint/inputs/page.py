"""A list archive page saved as text -> the patches in it, best effort, in order.

Three kinds are known: threads of public-inbox, patchwork pages, and single messages of other archives that print the
headers. Quoted diffs are never patches; each is noted with its lines, and said to be damaged where it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mmlint.frozen import dataclass
from mmlint.inputs import diff, mail, mime
from mmlint.inputs.model import FileChange, Patch, PatchSet

_PAGE = re.compile(
    rb"^\^ permalink raw reply|^From: .* \(permalink / raw\)|^Headers show\r?$|^\[<prev\] \[next>\]", re.MULTILINE
)
_FROM = re.compile(rb"From: (.*) @ (.*?) UTC \(permalink / raw\)")
_END = b"^ permalink"
_ATTACHMENT = re.compile(rb"\[-- Attachment #\d+: (.*) --\]")
_HEADER = re.compile(rb"(Message-ID|Date|From|To|Cc|Subject):\s*(.*)", re.IGNORECASE)
_QUOTED_DIFF = re.compile(rb"((?:> ?)+)diff --git ")


def is_page(data: bytes) -> bool:
    """Whether a text is a saved page of public-inbox, patchwork or another list archive."""
    return _PAGE.search(data) is not None


def read(data: bytes, name: str, result: PatchSet) -> Iterator[Patch]:
    """Every patch on the page, in order; notes and errors go into `result`."""
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    seen: set[tuple[object, ...]] = set()
    for message in _messages(lines):
        found = mail.read_parsed(message.mail, name)
        result.mails += 1
        result.errors += found.errors
        result.notes += found.notes
        for patch in found.patches:
            seen.update(_content(patch.changes))
            yield replace(patch, where="page") if patch.where == "mail" else patch
        result.notes += _quoted(lines, message.begin, message.end, name, seen)


@dataclass(frozen=True, slots=True)
class _Message:
    """A message of a page: lines [begin, end) of its body, and the mail made of it."""

    mail: mime.Mail
    begin: int
    end: int


def _messages(lines: Sequence[bytes]) -> Iterator[_Message]:
    if any(_FROM.match(line) for line in lines):
        yield from _thread(lines)
    elif b"Headers show" in lines[:40]:
        yield _patchwork(lines)
    else:
        yield _single(lines)


def _thread(lines: Sequence[bytes]) -> Iterator[_Message]:
    """Messages of a public-inbox page: `* subject`, `From: name @ date (permalink / raw)`, To, Cc, body."""
    title, at = b"", 0
    while at < len(lines):
        match = _FROM.match(lines[at])
        if not match:
            title = lines[at][2:] if lines[at].startswith(b"* ") else title
            at += 1
            continue
        headers = {"subject": title, "from": match[1], "date": match[2] + b" +0000"}
        begin = at + 1
        field = ""
        while begin < len(lines) and lines[begin].strip():
            row = lines[begin].strip()
            if row.startswith((b"To: ", b"Cc: ")):
                field, row = row[:2].decode().lower(), row[4:]
            headers[field] = (headers.get(field, b"") + b" " + row).strip()
            begin += 1
        end = next((i for i in range(begin, len(lines)) if lines[i].startswith(_END)), len(lines))
        yield _Message(mime.Mail(headers, list(_parts(lines, begin, end)), at + 1), begin, end)
        at = end


def _parts(lines: Sequence[bytes], begin: int, end: int) -> Iterator[mime.Part]:
    """The text and the attachments, which public-inbox prints below `[-- Attachment #2: name --]`."""
    marks = [(i, match) for i in range(begin, end) if (match := _ATTACHMENT.match(lines[i]))]
    first = marks[0][0] if marks else end
    yield _part(lines, begin, first)
    for (at, match), following in zip(marks, [*[i for i, _ in marks[1:]], end], strict=False):
        text = at + 2 if lines[at + 1 : at + 2] and lines[at + 1].startswith(b"[-- Type:") else at + 1
        yield _part(lines, text, following, match[1].decode("utf-8", "replace"))


def _part(lines: Sequence[bytes], begin: int, end: int, filename: str = "") -> mime.Part:
    return mime.Part("text/plain", filename, bool(filename), tuple(lines[begin:end]), _from(begin + 1))


def _from(first: int) -> Callable[[int], int]:
    return lambda index: first + index


def _patchwork(lines: Sequence[bytes]) -> _Message:
    """A patchwork page: the subject first, the changelog under `Commit Message`, the diff under `Patch`."""
    headers = {"subject": next((line for line in lines if line.strip()), b"")}
    message = next((i for i, line in enumerate(lines) if line == b"Commit Message"), 0)
    comments = next((i for i in range(message, len(lines)) if lines[i] == b"Comments"), len(lines))
    begin = next((i for i in range(len(lines) - 1, -1, -1) if lines[i] == b"Patch"), len(lines))
    for line in lines[:message]:
        if line.startswith(b"Message ID "):
            headers["message-id"] = line[11:].strip()
    head = next((i for i in range(message + 1, comments) if lines[i].strip()), comments)
    author = re.match(rb"(.*?) (\w+\.? \d{1,2}, \d{4}, .*)", lines[head]) if head < len(lines) else None
    if author:
        headers["from"], headers["date"] = author[1], author[2]
        head += 1
    numbers = [*range(head, min(comments, begin)), *range(begin + 1, len(lines))]
    text = tuple(lines[i] for i in numbers)
    part = mime.Part("text/plain", "", False, text, lambda index: numbers[min(index, len(numbers) - 1)] + 1)
    parts = [part] if numbers else []
    return _Message(mime.Mail(headers, parts), comments, min(begin, len(lines)))


def _single(lines: Sequence[bytes]) -> _Message:
    """One message with its headers printed above the body (openwall and its like)."""
    headers: dict[str, bytes] = {}
    at = next((i for i, line in enumerate(lines) if _HEADER.match(line)), len(lines))
    field = ""
    while at < len(lines) and lines[at].strip():
        match = _HEADER.match(lines[at])
        if match:
            field = match[1].decode().lower()
        headers[field] = (headers.get(field, b"") + b" " + (match[2] if match else lines[at].strip())).strip()
        if field == "subject" and at + 1 < len(lines) and not lines[at + 1][:1].isspace():
            at += 1
            break
        at += 1
    return _Message(mime.Mail(headers, [_part(lines, at, len(lines))], at + 1), at, len(lines))


def _content(changes: Sequence[FileChange]) -> Iterator[tuple[object, ...]]:
    for change in changes:
        for hunk in change.hunks:
            yield (change.path, hunk.source_start, hunk.lines)


def _quoted(lines: Sequence[bytes], begin: int, end: int, name: str, seen: set[tuple[object, ...]]) -> Iterator[str]:
    """A note on every diff that a message quotes."""
    at = begin
    while at < end:
        quoted = _QUOTED_DIFF.match(lines[at])
        if not quoted:
            at += 1
            continue
        last = at
        while last < end and lines[last].startswith(b">"):
            last += 1
        level = re.compile(rb"(?:> ?){1,%d}" % quoted[1].count(b">"))
        text = [level.sub(b"", line, count=1) for line in lines[at:last]]
        found = diff.parse(text, name, _from(at + 1))
        span = f"quoted diff at lines {at + 1}-{last} skipped"
        if found.errors:
            yield f"{span}; it is damaged: line {found.errors[0].line}: {found.errors[0].message}"
        elif found.changes and all(item in seen for item in _content(found.changes)):
            yield f"{span}: a copy of a patch above"
        else:
            yield span
        at = last
