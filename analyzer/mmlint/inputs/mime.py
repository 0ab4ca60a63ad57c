"""A raw mail -> headers and decoded text parts, each with the line numbers it has in the input. Bounded throughout."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import field
from itertools import count

from mmlint.frozen import dataclass
from mmlint.inputs import limits

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
_DASHED = re.compile(rb"^- (?=-)", re.MULTILINE)


class MailError(ValueError):
    """A mail that is refused; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of a mail: decoded bytes in UTF-8 where it is text. `number` gives the line in the input of a line.

    `plain` is the same text without the unfolding of format=flowed, for senders who declare it and do not do it.
    """

    content_type: str
    filename: str
    attached: bool
    lines: tuple[bytes, ...]
    number: Callable[[int], int]
    plain: tuple[bytes, ...] | None = None


@dataclass(slots=True)
class Mail:
    """The headers (lower-case names, first of each kept, decoded on demand) and the leaves of a mail."""

    headers: dict[str, bytes]
    parts: list[Part] = field(default_factory=list)
    line: int = 1

    def header(self, name: str) -> str:
        """A header as text, encoded words decoded, on one line; '' without."""
        return decode_header(self.headers.get(name, b""))


def decode_header(raw: bytes) -> str:
    """RFC 2047 and raw 8-bit headers as text on one line. Never raises."""
    text = _text(b" ".join(raw.split()))
    if "=?" not in text:
        return text
    from email.header import decode_header as words

    try:
        parts = [part if isinstance(part, str) else _text(part, charset) for part, charset in words(text)]
    except (ValueError, LookupError, binascii.Error):
        return text
    return " ".join("".join(parts).split())


def _text(raw: bytes, charset: str | None = None) -> str:
    """Text that can be written as UTF-8: half a surrogate pair, as UTF-7 can spell it, becomes a question mark."""
    for name in (charset, "utf-8"):
        try:
            if name:
                return raw.decode(name).encode("utf-8", "replace").decode("utf-8")
        except (LookupError, ValueError):
            continue
    return raw.decode("latin-1")


def parse(data: bytes, line: int = 1) -> Mail:
    """Take a mail apart. `line` is the number of its first line in the input. Raises `MailError` beyond the limits."""
    headers, body = _split(data)
    mail = Mail(headers, line=line)
    mail.parts += _parts(headers, body, line + data.count(b"\n", 0, len(data) - len(body)), 0, count(1))
    return mail


def _split(data: bytes) -> tuple[dict[str, bytes], bytes]:
    """Headers (unfolded) and body."""
    match = re.search(rb"^\r?\n", data, re.MULTILINE)
    head, body = (data[: match.start()], data[match.end() :]) if match else (data, b"")
    if len(head) > limits.MAX_HEADER:
        raise MailError(f"mail has headers of more than {limits.MAX_HEADER >> 20} MB: refused")
    headers: dict[str, bytes] = {}
    for row in re.split(rb"\r?\n(?![ \t])", head):
        found = _FIELD.match(row)
        if found:
            headers.setdefault(found[1].decode("latin-1").lower(), found[2].strip())
    return headers, body


@dataclass(frozen=True, slots=True)
class _Kind:
    """What Content-Type and Content-Disposition say."""

    content_type: str
    charset: str
    boundary: bytes
    filename: str
    attached: bool
    flowed: bool
    delsp: bool


def _kind(headers: dict[str, bytes]) -> _Kind:
    from email.message import Message

    message = Message()
    for name in ("content-type", "content-disposition"):
        if name in headers:
            message[name] = " ".join(headers[name][:4096].decode("latin-1").split())
    try:
        return _Kind(
            message.get_content_type(),
            message.get_content_charset() or "",
            (message.get_boundary() or "").encode("latin-1", "replace"),
            message.get_filename() or "",
            message.get_content_disposition() == "attachment",
            str(message.get_param("format", "")).lower() == "flowed",
            str(message.get_param("delsp", "")).lower() == "yes",
        )
    except Exception:  # the parameter parser of the standard library raises many kinds of errors on hostile values
        return _Kind("text/plain", "", b"", "", False, False, False)


def _parts(headers: dict[str, bytes], body: bytes, line: int, depth: int, counter: Iterator[int]) -> Iterator[Part]:
    if next(counter) > limits.MAX_PARTS:
        raise MailError(f"mail has more than {limits.MAX_PARTS} parts: refused")
    if depth > limits.MAX_DEPTH:
        raise MailError(f"mail is nested more than {limits.MAX_DEPTH} deep: refused")
    kind = _kind(headers)
    if kind.content_type.startswith("multipart/") and kind.boundary:
        yield from _multipart(kind.boundary, body, line, depth, counter)
    elif kind.content_type.startswith(("text/", "application/", "message/")):
        yield _leaf(kind, headers.get("content-transfer-encoding", b"").strip().lower(), body, line)


def _multipart(boundary: bytes, body: bytes, line: int, depth: int, counter: Iterator[int]) -> Iterator[Part]:
    divider = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
    start: int | None = None
    counted, at = 0, line
    for match in divider.finditer(body):
        if start is not None:
            yield from _child(body[start : match.start()], at, depth, counter)
        if match[1]:
            return
        start = match.end()
        at += body.count(b"\n", counted, start)
        counted = start
    if start is not None:
        yield from _child(body[start:], at, depth, counter)


def _child(data: bytes, line: int, depth: int, counter: Iterator[int]) -> Iterator[Part]:
    if data[:1] in (b"\n", b"\r"):
        headers: dict[str, bytes] = {}
        body = data.lstrip(b"\r").removeprefix(b"\n")
    else:
        headers, body = _split(data)
    yield from _parts(headers, body, line + data.count(b"\n", 0, len(data) - len(body)), depth + 1, counter)


def _leaf(kind: _Kind, encoding: bytes, body: bytes, line: int) -> Part:
    number: Callable[[int], int] = lambda index: line + index  # noqa: E731
    if encoding == b"base64":
        body = _base64(body)
        number = lambda _: line  # noqa: E731
    elif encoding == b"quoted-printable":
        number = _soft_lines(body, line)
        body = binascii.a2b_qp(body)
    if kind.content_type.startswith(("text/", "message/")):
        body = _utf8(body, kind.charset)
    if body.startswith(b"-----BEGIN PGP SIGNED MESSAGE-----"):
        body = _DASHED.sub(b"", body)
    lines = tuple(body.split(b"\n"))
    plain = None
    if kind.flowed:
        unfolded, numbers = _unfold(lines, kind.delsp, number)
        plain, lines, number = lines, unfolded, numbers
    return Part(kind.content_type, kind.filename, kind.attached, lines, number, plain)


def _base64(body: bytes) -> bytes:
    """Decoded as far as it goes; list footers behind the padding are kept as text."""
    text = b"".join(body.split())
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
        return binascii.a2b_base64(clean[: len(clean) // 4 * 4])


def _soft_lines(body: bytes, line: int) -> Callable[[int], int]:
    """The line in the input for each decoded line of a quoted-printable body."""
    starts = [0]
    for index, row in enumerate(body.split(b"\n")):
        if not row.rstrip(b" \t\r").endswith(b"="):
            starts.append(index + 1)
    return lambda index: line + starts[min(index, len(starts) - 1)]


def _utf8(body: bytes, charset: str) -> bytes:
    """Text in UTF-8, so that it is what a tree holds; bytes that are not of their charset stay as they are."""
    if charset.lower() in ("", "utf-8", "us-ascii", "utf8", "ascii", "unknown-8bit"):
        return body
    try:
        return body.decode(charset).encode("utf-8")
    except (LookupError, ValueError):
        return body


def _unfold(
    lines: tuple[bytes, ...], delsp: bool, number: Callable[[int], int]
) -> tuple[tuple[bytes, ...], Callable[[int], int]]:
    """RFC 3676: soft line breaks joined, stuffed blanks taken off (as git mailinfo does)."""
    result: list[bytes] = []
    starts: list[int] = []
    held: list[bytes] = []
    for index, raw in enumerate(lines):
        line = raw.removesuffix(b"\r")
        if not held:
            starts.append(index)
        if line == b"-- ":
            if held:
                result.append(b"".join(held))
                held = []
                starts.append(index)
            result.append(line)
            continue
        line = line.removeprefix(b" ")
        if line.endswith(b" "):
            held.append(line[:-1] if delsp else line)
            continue
        result.append(b"".join([*held, line]))
        held = []
    if held:
        result.append(b"".join(held))
    return tuple(result), lambda index: number(starts[min(index, len(starts) - 1)])
