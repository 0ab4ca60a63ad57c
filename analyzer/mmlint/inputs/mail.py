"""One mail -> the patches in it, or a note on why there is none. Replies, quotes and cover letters are no patches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace

from mmlint.finding import InputError
from mmlint.frozen import dataclass
from mmlint.inputs import diff, limits, mime, subject
from mmlint.inputs.model import Patch, Where

_PERFORATION = re.compile(rb"8<|>8|%<|>%|[-=]|cut here", re.IGNORECASE)
_SCISSORS = (b"8<", b">8", b"%<", b">%")
_IN_BODY = re.compile(rb"(From|Subject|Date|To|Cc|Message-Id|Message-ID): ?(.*)")
_BASE = re.compile(rb"^base-commit: ([0-9a-f]{7,64})\b")
_PREREQUISITE = re.compile(rb"^prerequisite-patch-id: ([0-9a-f]{7,64})\b")
_QUOTED_DIFF = re.compile(rb"^(?:>[> |]*) ?(?:diff --git |@@ -\d|\+\+\+ [ab]/)")
_PATCH_NAME = re.compile(r"\.(?:patch|diff|mbox|mbx|eml)(?:\.txt)?$", re.IGNORECASE)
_FROM = re.compile(rb">?From [0-9a-f]{40,64} ")


@dataclass(slots=True)
class MailResult:
    """What one mail gave. `cover` is the parsed subject of a cover letter."""

    patches: list[Patch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)
    cover: subject.Subject | None = None
    message_id: str = ""


def read(data: bytes, name: str, line: int = 1, depth: int = 0) -> MailResult:
    """Read one raw mail, which is nested `depth` deep. Never raises: what cannot be read is in the errors."""
    if depth > limits.MAX_DEPTH:
        return MailResult(errors=[InputError(name, f"mails attached more than {limits.MAX_DEPTH} deep: refused", line)])
    try:
        mail = mime.parse(data, line)
    except mime.MailError as error:
        return MailResult(errors=[InputError(name, str(error), line)])
    return read_parsed(mail, name, depth)


def read_parsed(mail: mime.Mail, name: str, depth: int = 0) -> MailResult:
    """Read a mail that is taken apart already."""
    return _Reader(mail, name, depth).read()


class _Reader:
    """The state of reading one mail."""

    def __init__(self, mail: mime.Mail, name: str, depth: int) -> None:
        self.mail, self.name, self.depth = mail, name, depth
        self.mail_subject = mail.header("subject")
        self.about = subject.parse(self.mail_subject)
        self.result = MailResult(message_id=message_id(mail.header("message-id")))

    def read(self) -> MailResult:
        """The inline text first, then what is attached."""
        inline = [part for part in self.mail.parts if part.content_type == "text/plain" and not _is_attachment(part)]
        for part in inline:
            self._inline(part)
        for part in self.mail.parts:
            if _is_attachment(part):
                self._attachment(part)
        if not self.result.patches and not self.result.errors:
            self._explain(inline)
        return self.result

    def _inline(self, part: mime.Part) -> None:
        found = _best(part, self.name)
        if found.empty:
            self._note_cover()
            return
        lines = part.lines if found.lines is None else found.lines
        if self.about.counted and self.about.index == 0 and not self.about.reply:
            self.result.cover = self.about
            self.result.notes.append(f"cover letter skipped, with the diff in it: {self.mail_subject}")
            return
        where: Where = "reply" if self.about.reply else "mail"
        start = found.start or 0
        cut = next((at for at in range(min(start, len(lines)) - 1, -1, -1) if _is_scissors(lines[at])), None)
        if cut is None:
            cut = next((at - 1 for at in range(start) if _FROM.match(lines[at])), None)
        if cut is not None:
            where = "scissors"
        self._add(found, lines, 0 if cut is None else cut + 1, part.number, where)

    def _attachment(self, part: mime.Part) -> None:
        """A patch in an attachment may be a whole mail again (format-patch) or a bare diff."""
        if part.content_type == "message/rfc822":
            inner = read(b"\n".join(part.lines), self.name, part.number(0), self.depth + 1)
            self.result.patches += [replace(patch, where="attachment") for patch in inner.patches]
            self.result.errors += inner.errors
            return
        found = _best(part, self.name)
        if not found.empty:
            self._add(
                found, part.lines if found.lines is None else found.lines, 0, part.number, "attachment", part.filename
            )

    def _note_cover(self) -> None:
        if self.about.counted and self.about.index == 0 and not self.about.reply:
            self.result.cover = self.about

    def _explain(self, inline: list[mime.Part]) -> None:
        """Say what a mail without a patch is."""
        shown = self.mail_subject or self.result.message_id or "mail without a subject"
        quoted = any(_QUOTED_DIFF.match(line) for part in inline for line in part.lines)
        if self.result.cover:
            self.result.notes.append(f"cover letter skipped: {shown}")
        elif self.about.reply or "in-reply-to" in self.mail.headers:
            self.result.notes.append(f"reply {'with a quoted diff ' if quoted else ''}skipped: {shown}")
        elif not inline:
            self.result.notes.append(f"mail without plain text skipped: {shown}")
        else:
            self.result.notes.append(f"mail without a diff skipped: {shown}")

    def _add(
        self,
        found: diff.DiffResult,
        lines: Sequence[bytes],
        begin: int,
        number: Callable[[int], int],
        where: Where,
        filename: str = "",
    ) -> None:
        """Make the patch whose changelog begins at line `begin`."""
        self.result.errors += found.errors
        if not found.changes:
            return
        end = found.start if found.separator is None or found.separator < begin else found.separator
        inner, body = _in_body(lines[begin : end or 0])
        comment = b"" if end == found.start else b"\n".join(lines[end or 0 : found.start])
        about, mail_subject = self.about, self.mail_subject
        if "subject" in inner:
            own = subject.parse(inner["subject"])
            about = own if where in ("attachment", "scissors", "reply") else replace(about, title=own.title)
        elif where in ("scissors", "reply"):
            about = replace(about, index=1, total=1)
        found.notes += [_WHERE_NOTES[where] + (f" {filename}" if filename else "")] if where in _WHERE_NOTES else []
        self.result.patches.append(
            Patch(
                about.index,
                about.total,
                about.version,
                about.title,
                self.result.message_id,
                message_id(self.mail.header("in-reply-to")),
                tuple(re.findall(r"<([^<>\s]+)>", self.mail.header("references"))),
                inner.get("from") or self.mail.header("from"),
                inner.get("date") or self.mail.header("date"),
                body,
                found.changes,
                _first(_BASE, lines),
                tuple(_all(_PREREQUISITE, lines)),
                tuple(found.notes),
                mail_subject,
                self.mail.header("to"),
                self.mail.header("cc"),
                self.mail.header("from"),
                where,
                number(begin),
                comment=comment.decode("utf-8", "replace"),
            )
        )


_WHERE_NOTES = {
    "reply": "patch found in a reply",
    "scissors": "patch found in a mail, under a scissors line",
    "attachment": "patch found in an attachment",
}


@dataclass(slots=True)
class _Best(diff.DiffResult):
    lines: Sequence[bytes] | None = None


def _best(part: mime.Part, name: str) -> _Best:
    """The diff of a part; for format=flowed the reading that has fewer errors."""
    found = _parsed(part.lines, name, part.number)
    if part.plain is None or not found.errors:
        return found
    other = _parsed(part.plain, name, part.number)
    return other if len(other.errors) < len(found.errors) else found


def _parsed(lines: Sequence[bytes], name: str, number: Callable[[int], int]) -> _Best:
    if not any(line.startswith((b"diff --", b"--- ", b"@@ -")) for line in lines):
        return _Best()
    found = diff.parse(lines, name, number)
    return _Best(found.changes, found.errors, found.notes, found.start, found.separator, lines)


def _is_scissors(line: bytes) -> bool:
    """A line of dashes with scissors in it, by the proportions that git mailinfo asks for."""
    visible = line.strip()
    if len(visible) < 8 or len(visible) > 200 or not any(mark in visible for mark in _SCISSORS):
        return False
    return len(visible) < 3 * sum(map(len, _PERFORATION.findall(visible)))


def _is_attachment(part: mime.Part) -> bool:
    if part.content_type in ("text/html", "application/pgp-signature"):
        return False
    return (
        part.attached
        or bool(_PATCH_NAME.search(part.filename))
        or part.content_type in ("text/x-patch", "text/x-diff", "message/rfc822")
    )


def _in_body(lines: Sequence[bytes]) -> tuple[dict[str, str], str]:
    """In-body headers (`From:`, `Subject:`, or a whole format-patch head) and the changelog below them."""
    at, inner = 0, {}
    while at < len(lines) and (not lines[at].strip() or _FROM.match(lines[at])):
        at += 1
    last = ""
    while at < len(lines):
        match = _IN_BODY.match(lines[at])
        if match:
            last = match[1].decode().lower()
            inner[last] = mime.decode_header(match[2])
        elif last and lines[at][:1] in (b" ", b"\t") and lines[at].strip():
            inner[last] += " " + mime.decode_header(lines[at])
        else:
            break
        at += 1
    text = b"\n".join(line.removesuffix(b"\r") for line in lines[at:])
    return inner, text.decode("utf-8", "replace").strip("\n")


def message_id(text: str) -> str:
    """The first message id in a header, without its angle brackets."""
    match = re.search(r"<([^<>\s]+)>", text)
    return match[1] if match else text.strip()


def _all(pattern: re.Pattern[bytes], lines: Sequence[bytes]) -> Iterator[str]:
    for line in lines:
        match = pattern.match(line)
        if match:
            yield match[1].decode()


def _first(pattern: re.Pattern[bytes], lines: Sequence[bytes]) -> str | None:
    return next(_all(pattern, lines), None)
