"""The mail that goes out: harmless headers, a Message-ID that follows from the patch, text and footer."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from email.header import Header
from email.utils import format_datetime, getaddresses, parseaddr

from mmlint import __version__
from mmlint.bot.analyse import Remark, Result
from mmlint.bot.config import RepliesConfig
from mmlint.bot.reading import MAX_ID, ROBOTS, Letter, allowed
from mmlint.frozen import dataclass
from mmlint.inputs import mime
from mmlint.output.text import plain, plural

WIDTH = 72
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_MAX_REFERENCES = 20
_MAX_RECIPIENTS = 50
_MAX_LINE = 900
_MAX_SUBJECT = 300


@dataclass(frozen=True, slots=True)
class Draft:
    """A reply that is decided: everything but its date. `to` and `cc` are header values, `rcpt` bare addresses."""

    message_id: str
    sender: str
    to: str
    cc: str
    reply_to: str
    rcpt: tuple[str, ...]
    subject: str
    in_reply_to: str
    references: tuple[str, ...]
    body: str

    def values(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def message_id(target: str, sender: str) -> str:
    """The Message-ID of the answer to a mail: always the same one, whoever computes it however often."""
    digest = hashlib.sha256(f"reply\0{target}".encode()).hexdigest()[:32]
    domain = parseaddr(sender)[1].rpartition("@")[2] or "mmlint.invalid"
    return f"mmlint.{digest}@{domain}"


def recipients(letter: Letter, config: RepliesConfig) -> tuple[list[str], list[str]]:
    """(To, Cc) as header values, of those that the allow-lists let through; To is empty when nobody may be answered."""
    lists = {each.lower() for each in config.lists}
    own = parseaddr(config.sender)[1].lower()
    author = _author(letter, lists)
    others = [pair for pair in getaddresses([letter.to, letter.cc]) if pair[1].lower() != author[1].lower()]
    to = [author] if allowed(config.recipients, author[1]) and _good(author[1]) else []
    cc: dict[str, tuple[str, str]] = {}
    for name, each in others:
        lower = each.lower()
        wanted = lower in lists or (allowed(config.recipients, lower) and not ROBOTS.fullmatch(lower))
        if _good(each) and lower != own and wanted:
            cc.setdefault(lower, (name, each))
    if not to:
        return [], []
    return [_formatted(pair) for pair in to], [_formatted(pair) for pair in list(cc.values())[:_MAX_RECIPIENTS]]


def _author(letter: Letter, lists: set[str]) -> tuple[str, str]:
    """Who mailed the patch; the one Reply-To that relays and lists that rewrite senders leave, unless it is a list."""
    asked = [pair for pair in getaddresses([letter.reply_to]) if _good(pair[1]) and pair[1].lower() not in lists]
    return asked[0] if len(asked) == 1 else parseaddr(letter.author)


def _good(address: str) -> bool:
    return _ADDRESS.fullmatch(address) is not None


def _formatted(pair: tuple[str, str]) -> str:
    """`Name <address>` in ASCII with no character that could end a header."""
    name = " ".join(plain(mime.decode_header(pair[0].encode("utf-8", "replace"))).split())[:100]
    if not name:
        return pair[1]
    if not name.isascii():
        return f"{_words(name)} <{pair[1]}>"
    quoted = name.replace("\\", "").replace('"', "")
    return f'"{quoted}" <{pair[1]}>' if re.search(r"[^\w .-]", quoted) or "." in quoted else f"{quoted} <{pair[1]}>"


def _words(text: str) -> str:
    return Header(text, "utf-8", maxlinelen=WIDTH).encode(linesep="\n")


def draft(
    letter: Letter, remarks: Sequence[Remark], result: Result, config: RepliesConfig, series: str
) -> Draft | None:
    """The reply to a mail about these remarks; None when nobody may be answered or the mail cannot be referred to."""
    to, cc = recipients(letter, config)
    if not to or not letter.known:
        return None
    subject = " ".join(plain(letter.subject).split())[:_MAX_SUBJECT] or "your patch"
    references = [each for each in letter.references if each != letter.message_id]
    if letter.in_reply_to and letter.in_reply_to not in references:
        references.append(letter.in_reply_to)
    if len(references) > _MAX_REFERENCES:
        references = [references[0], *references[1 - _MAX_REFERENCES :]]
    return Draft(
        message_id=message_id(letter.message_id, config.sender),
        sender=_formatted(parseaddr(config.sender)),
        to=", ".join(to),
        cc=",\n ".join(cc),
        reply_to=_formatted(parseaddr(config.reply_to)) if config.reply_to else "",
        rcpt=tuple(dict.fromkeys(pair[1] for pair in getaddresses([*to, *cc]))),
        subject=f"Re: {subject}",
        in_reply_to=letter.message_id,
        references=(*references, letter.message_id),
        body="\n".join([*_text(remarks, result), *_footer(remarks, result, config, series)]) + "\n",
    )


def _text(remarks: Sequence[Remark], result: Result) -> list[str]:
    """The remarks: one patch as an ordinary reply, several ones below the name of each."""
    if len(remarks) == 1:
        rows = _shortened(remarks[0].text)
    else:
        rows = []
        for remark in remarks:
            text = _without_attribution(_shortened(remark.text))
            rows += [*_wrap(f"In {plain(remark.subject)}:"), "", *text, ""]
    if result.more:
        rows += ["", *_wrap(f"{plural(result.more, 'more place')} of less weight left out of this mail.")]
    return [*rows, ""]


def _without_attribution(rows: list[str]) -> list[str]:
    """The text from its first quoted line or remark on."""
    first = next((at for at, row in enumerate(rows) if row.endswith("wrote:")), -1)
    return rows[first + 1 :] if first < 3 else rows


def _shortened(text: str) -> list[str]:
    return [row if len(row) <= _MAX_LINE else row[:_MAX_LINE] + " [...]" for row in text.split("\n")]


def _footer(remarks: Sequence[Remark], result: Result, config: RepliesConfig, series: str) -> Iterable[str]:
    """What was tested on which base, how to see the proof, what to do about it."""
    count = len(result.subjects)
    what = f"all {count} patches" if count >= result.total else f"{count} of {result.total} patches"
    what = "the patch" if max(count, result.total) <= 1 else what
    proof = " with its proof" if len(remarks) == 1 else " with their proofs"
    yield "-- "
    yield from _wrap(f"Written by a program: mmlint {__version__}. Tested: {what} on {plain(result.base)}.")
    yield from _wrap('"Replay" plays the same pattern in a small model of mm until it breaks (pip install mmlint).')
    if config.url:
        yield from _wrap(f"All of this series{proof}: {plain(config.url).rstrip('/')}/#{series}")
    stop = f'A reply with the line "{plain(config.stop_word)}" ends this in the thread.' if config.stop_word else ""
    yield from _wrap(f"False? A short reply helps to mend the tool. {stop}")


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def render(reply: Draft, now: float) -> bytes:
    """The mail as bytes. Raises `ValueError` rather than let a header hold what would start another one."""
    from datetime import UTC, datetime

    headers = [
        ("From", reply.sender),
        ("To", reply.to),
        *([("Cc", reply.cc)] if reply.cc else []),
        *([("Reply-To", reply.reply_to)] if reply.reply_to else []),
        ("Subject", reply.subject if reply.subject.isascii() else _words(reply.subject)),
        ("Date", format_datetime(datetime.fromtimestamp(now, UTC))),
        ("Message-ID", _angled(reply.message_id)),
        ("In-Reply-To", _angled(reply.in_reply_to)),
        ("References", "\n ".join(_angled(each) for each in reply.references)),
        ("Auto-Submitted", "auto-replied"),
        ("X-Mailer", f"mmlint-bot {__version__}"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "7bit" if reply.body.isascii() else "8bit"),
    ]
    head = "".join(f"{name}: {_checked(name, value)}\n" for name, value in headers)
    return f"{head}\n{reply.body}".encode("utf-8", "replace")


def _angled(message_id: str) -> str:
    if not re.fullmatch(rf"[!-;=?-~]{{3,{MAX_ID}}}", message_id):
        raise ValueError(f"not a Message-ID: {message_id[:80]!r}")
    return f"<{message_id}>"


def _checked(name: str, value: str) -> str:
    """A header value: ASCII, and every newline in it starts a folded line with something on it."""
    if not value.isascii() or re.search(r"\r|\0|\n(?!\s\S)", value):
        raise ValueError(f"unsafe {name} header")
    return value
