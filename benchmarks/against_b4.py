"""Reading and assembling beside b4, on the same mails: which patches make which version of which series.

b4 (0.14 or later, from PyPI) sees one thread at a time, as `b4 am` does. What is compared for each version in a thread
is the Message-IDs of its patches in order, and for the thread the version that `b4 am` would take. Differences are
named by their cause where one is known; what is left over has none.
"""

from __future__ import annotations

import email
import email.policy
import importlib
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from typing import Any

from mmlint.inputs import mbox, mime, read, series, subject
from mmlint.inputs.mail import message_id
from mmlint.inputs.model import Patch, Series
from mmlint.inputs.subject import Subject

_FRACTION = re.compile(r"\bv\d+\.\d")
_VERSION = re.compile(r"\bv\d")
Versions = dict[int, list[str]]
"""The Message-IDs of the patches of each version, in order."""


@dataclass(slots=True)
class Letter:
    """A mail: its id, the mails it names, its bytes, our patches in it."""

    ident: str
    named: list[str]
    raw: mbox.RawMail
    date: float
    patches: list[Patch] = field(default_factory=list)
    cover: Subject | None = None


def letters(mails: Iterable[mbox.RawMail]) -> Iterator[Letter]:
    """What threading needs of every mail that has a Message-ID; the second of two with the same id is left out."""
    seen = set()
    for raw in mails:
        try:
            head = mime.parse(raw.data, raw.line)
        except mime.MailError:
            continue
        ident = message_id(head.header("message-id"))
        if not ident or ident in seen:
            continue
        seen.add(ident)
        named = [word.strip("<>,") for word in f"{head.header('in-reply-to')} {head.header('references')}".split()]
        sent = parsedate_tz(head.header("date"))
        found = read.read_raw(raw, "archive")
        date = mktime_tz(sent) if sent else 0
        yield Letter(ident, [word for word in named if "@" in word], raw, date, found.patches, found.cover)


def threads(found: Iterable[Letter]) -> list[list[Letter]]:
    """The mails by thread: those that name each other, directly or through others."""
    above: dict[str, str] = {}

    def top(name: str) -> str:
        above.setdefault(name, name)
        while above[name] != name:
            above[name] = above[above[name]]
            name = above[name]
        return name

    every = list(found)
    for letter in every:
        for name in letter.named:
            above[top(name)] = top(letter.ident)
    grouped: defaultdict[str, list[Letter]] = defaultdict(list)
    for letter in every:
        grouped[top(letter.ident)].append(letter)
    return list(grouped.values())


def mailed(patch: Patch) -> bool:
    """Whether b4 would take it: the patch of the mail itself, whose subject does not say that it is a reply."""
    return patch.where in ("mail", "scissors") and not subject.parse(patch.mail_subject).reply


def by_b4(thread: list[Letter]) -> tuple[Versions, int | None]:
    """The versions that b4 finds in a thread, and the one it would take.

    Each version comes from a mailbox of its own: asked twice, b4 adds the cover letter twice.
    """
    b4: Any = importlib.import_module("b4")
    b4.can_network = False
    logging.disable(logging.CRITICAL)
    mails = [email.message_from_bytes(letter.raw.data, policy=email.policy.default) for letter in thread]

    def mailbox() -> Any:
        box = b4.LoreMailbox()
        for mail in mails:
            box.add_message(mail)
        return box

    first = mailbox()
    latest = first.get_latest_revision()
    versions: Versions = {}
    for at, revision in enumerate(sorted(first.series)):
        one = (mailbox() if at else first).get_series(revision, codereview_trailers=False)
        if one is not None:
            versions[revision] = [patch.msgid for patch in one.patches[1:] if patch is not None]
    return versions, latest


def by_us(thread: list[Letter]) -> dict[int, list[Series]]:
    """What we make of it: every series of each version."""
    found: defaultdict[int, list[Series]] = defaultdict(list)
    covers = {letter.ident: letter.cover for letter in thread if letter.cover is not None}
    for one in series.assemble([patch for letter in thread for patch in letter.patches], covers):
        if mailed(one.patches[0]):
            found[one.version].append(one)
    return found


def chosen(thread: list[Letter], ours: dict[int, list[Series]]) -> int | None:
    """The version of the series that was begun last."""
    dates = {letter.ident: letter.date for letter in thread}
    begun = [
        (min(dates[patch.message_id] for patch in one.sent), version) for version, many in ours.items() for one in many
    ]
    return max(begun)[1] if begun else None


def cause(version: int, theirs: Versions, ours: dict[int, list[Series]]) -> str:
    """Why a version differs, where that can be told from the lists and the subjects."""
    listed = theirs.get(version, [])
    here = ours.get(version, [])
    patches = [patch for one in here for patch in one.patches]
    patches += [patch for many in ours.values() for one in many for patch in one.patches if patch.message_id in listed]
    subjects = [patch.mail_subject for patch in patches]
    if any(_FRACTION.search(text) for text in subjects):
        return "a version such as v1.1: neither reads it as a number"
    if any(subject.parse(text).version != patch.version for text, patch in zip(subjects, patches, strict=True)):
        return "the version stands in the cover letter alone: b4 reads the patches as v1"
    if patches and not any(subject.parse(text).patch for text in subjects):
        return "a diff in a mail that does not call itself a patch: b4 leaves it out"
    if len(here) > 1 and listed and set(listed) <= {patch.message_id for patch in patches}:
        return "several series or resent members of one version in the thread: b4 makes one list of them"
    if listed and not here and len(listed) == 1 and _VERSION.search(subjects[0]) is None:
        return "a second patch of one author: b4 takes it for the next version"
    return "not explained"


def compare(mails: Iterable[mbox.RawMail]) -> tuple[Counter[str], list[str]]:
    """How many versions agree, how many differ by cause, and a line for each difference."""
    counts: Counter[str] = Counter()
    lines = []
    for thread in threads(letters(mails)):
        theirs, latest = by_b4(thread)
        ours = by_us(thread)
        counts["threads"] += 1
        if not theirs and not ours:
            continue
        mine = chosen(thread, ours)
        counts["threads with patches"] += 1
        counts[f"chosen version {'agrees' if latest == mine else 'differs'}"] += 1
        if latest != mine:
            lines.append(f"chosen version: b4 v{latest} we v{mine} in the thread of <{thread[0].ident}>")
        for version in sorted({*theirs, *ours}):
            here = ours.get(version, [])
            listed = [patch.message_id for one in here for patch in one.patches]
            if listed == theirs.get(version, []):
                counts["versions that agree"] += 1
                counts["patches in them"] += len(listed)
                continue
            why = cause(version, theirs, ours)
            counts[f"versions that differ: {why}"] += 1
            lines.append(f"v{version} in the thread of <{thread[0].ident}>: {why}")
            lines.append(f"    b4: {theirs.get(version)}")
            lines += [f"    we, of {one.total}: {[patch.message_id for patch in one.patches]}" for one in here]
    return counts, lines
