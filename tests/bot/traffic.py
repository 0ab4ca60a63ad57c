"""List traffic on the mini tree: series, resends, replies, noise and hostile mails, and what is to be said."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.bot.letters import NOON, body_of, letter

BUGS = ("bug-cow101", "bug-guard-deleted", "bug-gup101", "bug-helper-sleeps", "bug-ptl101", "bug-ref101")
VICTIM = "victim@evil.example"


@dataclass
class Traffic:
    """Mails in the order of their arrival, and the Message-IDs that must be answered, each once."""

    mails: list[bytes] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)


def traffic(count: int, seed: int = 1) -> Traffic:
    """About `count` mails; the same ones for the same seed."""
    chance = random.Random(seed)
    result = Traffic()
    number = 0
    kinds = [*_KINDS, *hostile_kinds()]
    while len(result.mails) < count:
        make = kinds[number % len(kinds)] if number < len(kinds) else chance.choice(kinds)
        make(result, number, chance)
        number += 1
    return result


def _id(number: int, part: str = "") -> str:
    return f"{number}.{part or 0}@traffic.example"


def _author(number: int) -> str:
    return f"Author {number} <author{number}@traffic.example>"


def _mail(text: str, number: int, part: str, subject: str, **more: object) -> bytes:
    values: dict[str, object] = {"sender": _author(number), "date": NOON + number * 60, **more}
    return letter(text, _id(number, part), subject, **values)  # type: ignore[arg-type]


def _bug(result: Traffic, number: int, chance: random.Random) -> None:
    result.mails.append(_mail(body_of(chance.choice(BUGS)), number, "1", f"[PATCH] mm: bug {number}"))
    result.answered.add(_id(number, "1"))


def _twice(result: Traffic, number: int, chance: random.Random) -> None:
    """The same mail through two lists, then a resend of the patch, then a version without a change."""
    text = body_of(chance.choice(BUGS))
    first = _mail(text, number, "1", f"[PATCH] mm: twice {number}")
    again = _mail(text, number, "2", f"[PATCH RESEND] mm: twice {number}", date=NOON + number * 60 + 5)
    result.mails += [first, first, again]
    result.answered.add(_id(number, "1"))


def _series(result: Traffic, number: int, chance: random.Random) -> None:
    """A cover letter and two patches with a bug each; the members come in any order."""
    above = [_id(number, "0")]
    mails = [
        _mail("All of it.\n", number, "0", f"[PATCH v2 0/2] mm: series {number}"),
        _mail(body_of("bug-ptl101"), number, "1", f"[PATCH v2 1/2] mm: one of {number}", reply_to=above),
        _mail(body_of("bug-cow101"), number, "2", f"[PATCH v2 2/2] mm: two of {number}", reply_to=above),
    ]
    result.answered.add(_id(number, "0"))
    cover, *members = mails
    chance.shuffle(members)
    result.mails += [cover, *members]


def _half_bad(result: Traffic, number: int, _chance: random.Random) -> None:
    """Two patches, mailed without threading, of which one has a bug."""
    harmless = body_of("bug-helper-may-sleep")
    result.mails += [
        _mail(harmless, number, "1", f"[PATCH 1/2] mm: harmless {number}"),
        _mail(body_of("bug-ref101"), number, "2", f"[PATCH 2/2] mm: bug {number}"),
    ]
    result.answered.add(_id(number, "2"))


def _incomplete(result: Traffic, number: int, _chance: random.Random) -> None:
    result.mails.append(_mail(body_of("bug-cow101"), number, "1", f"[PATCH 1/3] mm: incomplete {number}"))


def _quiet(result: Traffic, number: int, chance: random.Random) -> None:
    name = chance.choice(("fix-cow101", "fix-ptl101", "bug-helper-may-sleep"))
    result.mails.append(_mail(body_of(name), number, "1", f"[PATCH] mm: quiet {number}"))


def _talk(result: Traffic, number: int, _chance: random.Random) -> None:
    """A reply, a reply with a diff in it, a robot, a pull request."""
    above = [_id(number - 1, "1")]
    quoted = "".join(f"> {line}\n" for line in body_of("bug-ptl101").splitlines())
    result.mails += [
        _mail(f"{quoted}\nReally?\n", number, "1", "Re: [PATCH] mm: talk", reply_to=above),
        _mail(f"Try this.\n\n{body_of('bug-cow101')}", number, "2", "Re: [PATCH] mm: talk", reply_to=above),
        _mail(body_of("bug-cow101"), number, "3", "[PATCH] mm: robot", sender="kernel test robot <lkp@intel.com>"),
        _mail("The following changes since\n", number, "4", "[GIT PULL] mm"),
    ]


_KINDS: list[Callable[[Traffic, int, random.Random], None]] = [
    _bug,
    _twice,
    _series,
    _half_bad,
    _incomplete,
    _quiet,
    _bug,
    _talk,
]


# ------------------------------------------------------------------ hostile


def hostile_kinds() -> Iterator[Callable[[Traffic, int, random.Random], None]]:
    """One maker for each hostile mail; those in `_ANSWERED` hold a bug and are answered, harmlessly."""
    for name in _HOSTILE:

        def make(result: Traffic, number: int, _chance: random.Random, name: str = name) -> None:
            result.mails.append(_HOSTILE[name](number))
            if name in _ANSWERED:
                result.answered.add(_id(number, "h"))

        yield make


def _words(text: str) -> str:
    return "=?utf-8?q?" + "".join(f"={byte:02X}" for byte in text.encode()) + "?="


def _hostile(number: int, text: str, subject: str = "", **more: object) -> bytes:
    return _mail(text, number, "h", subject or f"[PATCH] mm: hostile {number}", **more)


def _parts(number: int) -> bytes:
    head = _hostile(number, "", MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"')
    return head + b"--b\nContent-Type: text/plain\n\nx\n" * 400 + b"--b--\n"


def _nested(number: int) -> bytes:
    inner = _hostile(number, body_of("bug-ptl101"))
    for _ in range(40):
        inner = _hostile(number, "", MIME_Version="1.0", Content_Type="message/rfc822") + inner
    return inner


_BUG = body_of("bug-ptl101")
_HOSTILE: dict[str, Callable[[int], bytes]] = {
    "subject with a header in it": lambda n: _hostile(n, _BUG, _words(f"[PATCH] x\r\nBcc: {VICTIM}\r\n\r\nbody {n}")),
    "name with a header in it": lambda n: _hostile(
        n, _BUG, sender=f"{_words(f'a{chr(10)}Bcc: {VICTIM}')} <h{n}@x.example>"
    ),
    "cc with a header in it": lambda n: _hostile(n, _BUG, cc=f'"a\r\n Bcc: {VICTIM}" <c{n}@x.example>'),
    "directions turned round": lambda n: _hostile(n, _BUG, f"[PATCH] \u202e\u2066 x {n}"),
    "what no database takes": lambda n: _hostile(n, _BUG, f"[PATCH] =?utf-7?q?+2AA-?= \0 {_words(chr(0))} {n}"),
    "references with junk": lambda n: _hostile(n, _BUG, References=f"<a{n}@x> <b\x07@y> < > <{'c' * 900}@z>"),
    "a newline in the Message-ID": lambda n: _hostile(n, _BUG).replace(b"@traffic", b"@\n traffic"),
    "no Message-ID": lambda n: _hostile(n, _BUG).replace(b"Message-ID:", b"X-Other:"),
    "a Message-ID of quotes": lambda n: _hostile(n, _BUG).replace(f"<{_id(n, 'h')}>".encode(), b'<"a\\"b"@x, y>'),
    "path out of the tree": lambda n: _hostile(n, _BUG.replace("mm/memory.c", "../../../../etc/passwd")),
    "absolute path": lambda n: _hostile(
        n, _BUG.replace("a/mm/memory.c", "/etc/passwd").replace("b/mm/memory.c", "/etc/passwd")
    ),
    "lines without number": lambda n: _hostile(n, "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1,999999999 +1,999999999 @@\n x\n"),
    "many parts": _parts,
    "deep nesting": _nested,
    "large": lambda n: _hostile(n, _BUG + "x" * 3_000_000),
    "many versions": lambda n: _hostile(n, _BUG, "[PATCH v999 9999/9999] x"),
    "patch zero of nothing": lambda n: _hostile(n, _BUG, "[PATCH 7/3] x"),
    "binary": lambda n: _hostile(n, "") + bytes(range(256)) * 50,
    "no body": lambda n: f"Message-ID: <{_id(n, 'h')}>".encode(),
    "nothing": lambda _: b"\n",
    "own Message-ID": lambda n: _hostile(n, _BUG).replace(_id(n, "h").encode(), f"mmlint.{n}@mmlint.example".encode()),
}
_ANSWERED = {
    "subject with a header in it",
    "name with a header in it",
    "cc with a header in it",
    "directions turned round",
    "what no database takes",
    "references with junk",
}
