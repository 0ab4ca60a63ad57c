"""A raw mail -> what the bot has to know of it. Runs in a cell: nothing here may be trusted to end."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, field
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any

from mmlint.frozen import dataclass
from mmlint.inputs import mail, mime, subject
from mmlint.inputs.model import Patch
from mmlint.output.text import plain
from mmlint.settings import path_matches

MAX_ID = 250
_MAX_ADDRESSES = 20_000
_ID = re.compile(r"[!-9=?A-Z^-~;]+@[!-9=?A-Z^-~;\[\]:]+")
ROBOTS = re.compile(
    r"(?:lkp@intel\.com|.*\bsyzbot\b.*@.*|.*kernel-?test-?robot.*@.*|patchwork-bot.*@.*|bot\+.*@.*|tip-bot.*@.*"
    r"|(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster|.*-bounces?|bounce[+-].*)@.*|sashal?-bot@.*|.*[.+_-]bot@.*)"
)
_OWN = "mmlint."
_MADE_UP = "@z"
"""Where public-inbox puts a mail that came without a Message-ID: nobody's mailer knows that name."""
_QUOTE = re.compile(r"^(?:> ?)+")
_MARKS = 400
_NEAR = 3
"""Quoted lines right above a comment that it is taken to be about."""


@dataclass(frozen=True, slots=True)
class ReadRules:
    """What reading has to know of the configuration."""

    paths: tuple[str, ...] = ()
    stop_word: str = ""
    skip_prefixes: tuple[str, ...] = ()
    own_address: str = ""
    max_mail: int = 2_000_000
    list: str = ""


@dataclass(slots=True)
class Letter:
    """A mail as the bot keeps it. `kind` is patch, cover, reply, fixup, other, robot, own or refused.

    `author`, `to`, `cc` and `reply_to` are headers with their encoded words. `position` is the n of n/m. `marks` are
    hashes of quoted lines that somebody commented on. `stop` is "", "thread" or "all". `known` says that the
    Message-ID can be referred to in a reply.
    """

    message_id: str
    kind: str
    reason: str = ""
    sender: str = ""
    author: str = ""
    subject: str = ""
    title: str = ""
    date: float = 0.0
    in_reply_to: str = ""
    references: list[str] = field(default_factory=list)
    to: str = ""
    cc: str = ""
    reply_to: str = ""
    lists: list[str] = field(default_factory=list)
    position: int = 1
    total: int = 1
    version: int = 1
    touches: bool = False
    marks: list[str] = field(default_factory=list)
    stop: str = ""
    known: bool = True


def read_batch(argument: tuple[ReadRules, Sequence[bytes]]) -> bytes:
    """Read mails; JSON with a `Letter` for each."""
    rules, raws = argument
    return json.dumps([asdict(read_letter(raw, rules)) for raw in raws]).encode()


def letters(answer: bytes) -> list[Letter]:
    """The letters in what `read_batch` gave back."""
    rows: list[dict[str, Any]] = json.loads(answer)
    return [Letter(**row) for row in rows]


def refused(raw: bytes, reason: str) -> Letter:
    """A mail that was not read."""
    return Letter(_synthetic(raw), "refused", plain(reason), known=False)


def _synthetic(raw: bytes) -> str:
    return f"{hashlib.sha256(raw).hexdigest()[:40]}@mail.invalid"


def read_letter(raw: bytes, rules: ReadRules) -> Letter:
    """Read one mail."""
    if len(raw) > rules.max_mail:
        return refused(raw, f"larger than {rules.max_mail} bytes")
    try:
        parsed = mime.parse(raw)
    except mime.MailError as error:
        return refused(raw, str(error))
    letter = _headers(parsed, raw, rules)
    if letter.kind in ("own", "robot"):
        return letter
    result = mail.read_parsed(parsed, letter.message_id)
    about = subject.parse(letter.subject)
    letter.title, letter.version = about.title, about.version
    letter.position, letter.total = about.index, about.total
    letter.kind, reason = _kind(result, about, letter, rules)
    letter.reason = plain(reason)[:1000]
    letter.touches = any(_touches(patch, rules.paths) for patch in result.patches)
    if letter.kind in ("reply", "fixup", "cover", "other"):
        text = [line.decode("utf-8", "replace").rstrip() for line in _text(parsed)]
        letter.stop = _stop(text, rules.stop_word)
        letter.marks = list(marks(text)) if letter.kind != "cover" else []
    return letter


def _headers(parsed: mime.Mail, raw: bytes, rules: ReadRules) -> Letter:
    message_id = mail.message_id(parsed.header("message-id"))
    known = bool(_usable(message_id)) and not message_id.endswith(_MADE_UP)
    author = _undecoded(parsed, "from")
    letter = Letter(
        message_id=message_id if known else _synthetic(raw),
        kind="other",
        sender=plain(parseaddr(author)[1].lower())[:MAX_ID],
        author=author,
        subject=plain(parsed.header("subject"))[:1000],
        date=_date(parsed.header("date")),
        in_reply_to=_usable(mail.message_id(parsed.header("in-reply-to"))),
        references=[each for each in re.findall(r"<([^<>\s]+)>", parsed.header("references")) if _usable(each)][-50:],
        to=_undecoded(parsed, "to"),
        cc=_undecoded(parsed, "cc"),
        reply_to=_undecoded(parsed, "reply-to"),
        lists=_lists(parsed, rules),
        known=known,
    )
    if letter.sender == rules.own_address or message_id.startswith(_OWN) or _mailer(parsed).startswith("mmlint"):
        letter.kind, letter.reason = "own", "sent by this bot or one like it"
    elif _automatic(parsed) or ROBOTS.fullmatch(letter.sender):
        letter.kind, letter.reason = "robot", "sent by a program"
    return letter


def _undecoded(parsed: mime.Mail, name: str) -> str:
    """A header of addresses as it stands: what an encoded word decodes to is a name, never another address."""
    return " ".join(parsed.headers.get(name, b"")[:_MAX_ADDRESSES].decode("utf-8", "replace").split())


def _usable(message_id: str) -> str:
    return message_id if _ID.fullmatch(message_id) and len(message_id) <= MAX_ID else ""


def _mailer(parsed: mime.Mail) -> str:
    return (parsed.header("x-mailer") or parsed.header("user-agent")).lower()


def _automatic(parsed: mime.Mail) -> bool:
    submitted = parsed.header("auto-submitted").split(";")[0].strip().lower()
    precedence = parsed.header("precedence").strip().lower()
    loops = any(name in parsed.headers for name in ("x-autoreply", "x-autorespond", "x-patchwork-bot"))
    return submitted not in ("", "no") or precedence in ("junk", "auto_reply") or loops or _is_bounce(parsed)


def _is_bounce(parsed: mime.Mail) -> bool:
    return parsed.header("return-path").strip() == "<>" or "multipart/report" in parsed.header("content-type").lower()


def _lists(parsed: mime.Mail, rules: ReadRules) -> list[str]:
    """The addresses a list could have: those of To and Cc, List-Post, List-Id (`name.host` as name@host too)."""
    pairs = getaddresses([_undecoded(parsed, "to"), _undecoded(parsed, "cc")])
    found = [pair[1].lower() for pair in pairs if "@" in pair[1]]
    found += [word.lower() for word in re.findall(r"mailto:([^>?\s]+)", parsed.header("list-post"))]
    for word in re.findall(r"<([^<>\s]+)>", parsed.header("list-id")):
        name, _, host = word.lower().partition(".")
        found.append(f"{name}@{host}")
    return list(dict.fromkeys([*found, *([rules.list.lower()] if rules.list else [])]))[:200]


def _date(text: str) -> float:
    """Seconds since the epoch; 0 for a date that cannot be read."""
    try:
        return max(parsedate_to_datetime(text).timestamp(), 0.0)
    except (TypeError, ValueError, OverflowError, IndexError):
        return 0.0


def _kind(result: mail.MailResult, about: subject.Subject, letter: Letter, rules: ReadRules) -> tuple[str, str]:
    if result.errors and not result.patches:
        return ("reply", "") if about.reply else ("refused", result.errors[0].message)
    if not letter.known:
        return "other", "no usable Message-ID"
    words = re.split(r"[\s,]+", " ".join(re.findall(r"\[([^\]]*)\]", letter.subject)).upper())
    tags = f" {' '.join(words)} "
    skipped = next((word for word in rules.skip_prefixes if f" {word.upper()} " in tags), None)
    if skipped:
        return "other", f"[{skipped}] in the subject"
    if about.reply or (result.patches and all(patch.where in ("reply", "scissors") for patch in result.patches)):
        return ("fixup", "") if result.patches else ("reply", "")
    if result.cover is not None:
        return "cover", ""
    if not result.patches:
        return ("reply", "") if letter.in_reply_to else ("other", "no patch")
    if not about.patch:
        return "other", "a diff, but no [PATCH] in the subject"
    if not 1 <= about.index <= about.total:
        return "other", f"patch {about.index} of {about.total}"
    return "patch", ""


def _touches(patch: Patch, globs: Iterable[str]) -> bool:
    return any(path_matches(glob, change.path) for glob in globs for change in patch.changes)


def _text(parsed: mime.Mail) -> list[bytes]:
    return [
        line for part in parsed.parts if part.content_type == "text/plain" and not part.attached for line in part.lines
    ]


def _stop(text: Iterable[str], word: str) -> str:
    """What an unquoted line with the stop word stands for."""
    rows = {" ".join(line.lower().split()) for line in text}
    wanted = " ".join(word.lower().split())
    if not wanted:
        return ""
    return "all" if f"{wanted} all" in rows else "thread" if wanted in rows else ""


def marks(text: Sequence[str]) -> dict[str, None]:
    """Hashes of the quoted lines that a comment follows closely: what a human has spoken about already."""
    found: dict[str, None] = {}
    quoted: list[str] = []
    for line in text:
        match = _QUOTE.match(line)
        if match:
            quoted.append(line[match.end() :])
        elif line.strip() and not line.endswith("wrote:"):
            found |= {mark(row): None for row in quoted[-_NEAR:] if len(row.strip()) > 4}
            quoted = []
    return dict(list(found.items())[:_MARKS])


def mark(line: str) -> str:
    """A hash of a source line, whatever its indentation and its place in a diff."""
    text = "".join(line.removeprefix("+").removeprefix("-").split())
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def allowed(globs: Iterable[str], text: str) -> bool:
    """Whether an address matches one of the globs."""
    return any(fnmatchcase(text.lower(), glob.lower()) for glob in globs)
