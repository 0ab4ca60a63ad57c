"""An archive lived through with its own clock: every mail arrives at its date, nothing is ever sent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, cast

from mmlint.bot.config import Config
from mmlint.bot.log import Log
from mmlint.bot.loop import Bot
from mmlint.bot.sources import Batch
from mmlint.bot.sources.inbox import Inbox
from mmlint.bot.state import State
from mmlint.bot.summary import text
from mmlint.frozen import dataclass
from mmlint.inputs import mbox, mime, read
from mmlint.settings import SettingsError

_HEAD = 1 << 16
_STEP = 300.0
"""Mails within this many seconds arrive together."""


@dataclass(slots=True)
class Clock:
    """A clock that is set."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def replay(config: Config, archives: Sequence[str], out: str) -> str:
    """Replay archives into a folder: `replies` (a maildir), `status`, `state.db`, `log.jsonl`; returns a summary."""
    folder = Path(out)
    if (folder / "state.db").exists():
        raise SettingsError(f"{out}: holds a replay already; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    drafts = replace(config.replies, dry_run=True, drafts=str(folder / "replies"))
    config = replace(config, replies=drafts, sources=(), status=str(folder / "status"))
    mails = sorted(_mails(archives), key=lambda pair: pair[0])
    started = time.monotonic()
    clock = Clock()
    with (folder / "log.jsonl").open("w", encoding="utf-8") as stream:
        state = State(str(folder / "state.db"))
        bot = Bot(config, state, Log(stream), clock)
        for _, group in groupby(mails, key=lambda pair: pair[0] // _STEP):
            together = list(group)
            _wait(bot, clock, together[0][0])
            clock.now = together[-1][0]
            bot.ingest.take(Batch(tuple(raw for _, raw in together), ""), "archive", "", clock.now)
            bot.think()
            bot.deliver()
        _wait(bot, clock, clock.now + config.replies.embargo + config.policy.patience + 1)
        bot.publish()
        seconds = time.monotonic() - started
        return text(state) + f"{len(mails)} mails in {seconds:.1f} s\n"


def _wait(bot: Bot, clock: Clock, until: float) -> None:
    """Let everything happen that is due before the next mail comes."""
    while (due := bot.due()) is not None and due <= until:
        clock.now = max(due, clock.now) + 1
        bot.think()
        bot.deliver()
        again = bot.due()
        if again is not None and again <= due:
            return


def _mails(archives: Sequence[str]) -> Iterator[tuple[float, bytes]]:
    """(date, raw) of every mail; those without a date come right after the one before them."""
    last = 0.0
    for name in archives:
        path = Path(name)
        if not path.exists():
            raise SettingsError(f"{name}: no such archive")
        for raw in _raw(path):
            last = _date(raw) or last
            yield last, raw


def _raw(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        for batch in Inbox(path).batches("", 0.0):
            yield from batch.mails
        return
    with path.open("rb") as file:
        for raw in mbox.split(read.opened(cast(BinaryIO, file))):
            yield raw.data


def _date(raw: bytes) -> float:
    try:
        head = mime.parse(raw[:_HEAD].split(b"\n\n", 1)[0] + b"\n\n").header("date")
        return max(parsedate_to_datetime(head).timestamp(), 0.0)
    except (TypeError, ValueError, OverflowError, IndexError, mime.MailError):
        return 0.0
