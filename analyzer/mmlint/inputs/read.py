"""Any input people have patches in -> a `PatchSet`, told apart by content."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from mmlint.finding import InputError
from mmlint.inputs import diff, limits, mail, mbox, series
from mmlint.inputs.model import Patch, PatchSet

_GZIP = b"\x1f\x8b"
_HEADER = re.compile(rb"[!-9;-~]{1,80}:[ \t]")
_MAIL_HEADERS = re.compile(
    rb"^(?:from|subject|message-id|received|return-path|x-[\w-]+):", re.IGNORECASE | re.MULTILINE
)
_DIFF = re.compile(rb"^(?:diff --|--- [^\s]|@@ -\d)", re.MULTILINE)
_COMMIT = re.compile(rb"^commit ([0-9a-f]{40,64})(?: \(.*\))?\r?$", re.MULTILINE)


def read_patches(data: bytes, name: str) -> PatchSet:
    """Every patch in `data`: a mail, an mbox, a format-patch file, a diff, a saved thread page; gzip too.

    `name` stands in the errors. Never raises on bad input: what cannot be read is an error, the rest is returned.
    Patches are in the order of their series; a mail without a patch is a note, and so is an input that is empty.
    """
    if data.startswith(_GZIP):
        try:
            data = _gunzip(data)
        except zlib.error as error:
            return PatchSet(errors=[InputError(name, f"gzip data is damaged: {error}")])
    if len(data) > limits.MAX_INPUT:
        return PatchSet(errors=[InputError(name, f"input is larger than {limits.MAX_INPUT >> 20} MB: refused")])
    if not data.strip():
        return PatchSet(notes=[f"{name}: is empty; nothing to check"])
    result = PatchSet()
    found = [replace(patch, source=name) for patch in _patches(data, name, result)]
    result.series = series.assemble(found, result.covers)
    result.patches = [patch for one in result.series for patch in one.sent]
    result.missing = [text for one in result.series for text in one.missing]
    result.notes += [text for one in result.series for text in one.notes]
    return result


def stream(file: BinaryIO, name: str) -> Iterator[mail.MailResult]:
    """Every mail of an mbox file (gzip too) in turn, in flat memory; series are not assembled."""
    for raw in mbox.split(opened(file)):
        yield read_raw(raw, name)


def opened(file: BinaryIO) -> BinaryIO:
    """The file itself, or what is in it when it is a gzip file."""
    head = file.read(2)
    file.seek(0)
    if head != _GZIP:
        return file
    import gzip

    return cast(BinaryIO, gzip.GzipFile(fileobj=file))


def _gunzip(data: bytes) -> bytes:
    """All members, bounded; what comes before a truncation is returned. Raises zlib.error where nothing can be."""
    out = bytearray()
    while data.startswith(_GZIP) and len(out) <= limits.MAX_INPUT:
        unpacker = zlib.decompressobj(31)
        out += unpacker.decompress(data, limits.MAX_INPUT + 1 - len(out))
        data = unpacker.unused_data
        if not out and not unpacker.eof:  # what is empty is no error, so it must be told from this
            raise zlib.error("it is cut off before any text")
    return bytes(out)


def _patches(data: bytes, name: str, result: PatchSet) -> Iterator[Patch]:
    first = data.lstrip(b"\xef\xbb\xbf\r\n")
    line = first.split(b"\n", 1)[0]
    separated = mbox.is_separator(line)
    if separated or (_HEADER.match(line) and _MAIL_HEADERS.search(first[:20_000].split(b"\n\n")[0])):
        for raw in mbox.split(io.BytesIO(data)) if separated else [_alone(data, first)]:
            one = read_raw(raw, name)
            result.mails += 1
            result.notes += one.notes
            result.errors += one.errors
            if one.cover is not None:
                result.covers[one.message_id] = one.cover
            yield from one.patches
        return
    from mmlint.inputs import page

    if page.is_page(data):
        yield from page.read(data, name, result)
        return
    if not _DIFF.search(data):
        result.errors.append(
            InputError(name, "neither mail nor diff: no patch in it; `mmlint check` takes source files")
        )
        return
    yield from _bare(data, name, result)


def _alone(data: bytes, first: bytes) -> mbox.RawMail:
    """One raw mail; `From ` lines in it divide nothing (it may have a format-patch file attached)."""
    return mbox.RawMail(first, 1 + data.count(b"\n", 0, len(data) - len(first)), max(0, len(data) - limits.MAX_MAIL))


def read_raw(raw: mbox.RawMail, name: str) -> mail.MailResult:
    """One mail of an mbox; one beyond the limit is refused by name."""
    if raw.oversize:
        text = f"mail of more than {limits.MAX_MAIL >> 20} MB is refused"
        return mail.MailResult(errors=[InputError(name, text, raw.line)])
    return mail.read(raw.data, name, raw.line)


def _bare(data: bytes, name: str, result: PatchSet) -> Iterator[Patch]:
    """A diff, or the output of `git log -p` or `git show`: one patch a commit."""
    starts = [match.start() for match in _COMMIT.finditer(data)] or [0]
    line = 1
    for begin, end in zip(starts, [*starts[1:], len(data)], strict=True):
        line += data.count(b"\n", 0 if begin == starts[0] else starts[starts.index(begin) - 1], begin)
        text = data[begin:end]
        commit = _COMMIT.match(text)
        base = line
        found = diff.parse(text.split(b"\n"), name, lambda index, base=base: base + index)  # type: ignore[misc]
        result.errors += found.errors
        if found.changes:
            yield _bare_patch(text, commit[1].decode() if commit else None, found, line)


def _bare_patch(text: bytes, commit: str | None, found: diff.DiffResult, line: int) -> Patch:
    head = b"\n".join(text.split(b"\n")[: found.start]).decode("utf-8", "replace") if commit else ""
    fields, _, message = head.partition("\n\n")
    body = "\n".join(row.removeprefix("    ") for row in message.split("\n")).strip("\n")
    author = re.search(r"^Author:\s*(.*)$", fields, re.MULTILINE)
    date = re.search(r"^Date:\s*(.*)$", fields, re.MULTILINE)
    title, _, rest = body.partition("\n")
    return Patch(
        1,
        1,
        1,
        title,
        "",
        "",
        (),
        author[1] if author else "",
        date[1] if date else "",
        rest.strip("\n"),
        found.changes,
        notes=tuple(found.notes),
        mail_subject=title,
        where="diff",
        line=line,
        commit=commit,
    )
