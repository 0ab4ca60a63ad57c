"""Mails and a bot for these tests, on the mini tree."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from io import StringIO
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from mmlint.bot.config import Config, FilterConfig, PolicyConfig, RepliesConfig, TreeConfig
from mmlint.bot.log import Log
from mmlint.bot.loop import Bot
from mmlint.bot.sinks import Sink
from mmlint.bot.sources import Batch
from mmlint.bot.state import State, outbox, series

ROOT = Path(__file__).parent.parent.parent
PATCHES = ROOT / "fixtures/patches"
MINI = ROOT / "fixtures/trees/mini"
RULES = Path(__file__).parent / "rules.toml"
LIST = "linux-mm@lists.example"
AUTHOR = "Mini Author <author@mini.example>"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()


def body_of(name: str) -> str:
    """Changelog and diff of a patch of the fixtures."""
    return (PATCHES / f"{name}.mbox").read_text().split("\n\n", 1)[1]


def letter(
    text: str,
    message_id: str,
    subject: str = "[PATCH] mm: demo",
    *,
    sender: str = AUTHOR,
    to: str = LIST,
    cc: str = "",
    date: float = NOON,
    reply_to: Sequence[str] = (),
    **headers: str,
) -> bytes:
    """A mail as a list delivers it. `reply_to` are the Message-IDs above it, the nearest last."""
    rows = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", f"Message-ID: <{message_id}>"]
    rows += [f"Date: {format_datetime(datetime.fromtimestamp(date, UTC))}"]
    rows += [f"Cc: {cc}"] if cc else []
    if reply_to:
        rows += [f"In-Reply-To: <{reply_to[-1]}>", "References: " + " ".join(f"<{each}>" for each in reply_to)]
    rows += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\n".join([*rows, "", text])).encode()


def patch(name: str, message_id: str, subject: str = "", **more: Any) -> bytes:
    """A patch of the fixtures as a mail."""
    about = subject or f"[PATCH] {name}"
    return letter(body_of(name), message_id, about, **more)


def parsed(raw: bytes) -> EmailMessage:
    """A mail through the standard library, which did not write it."""
    return email.message_from_bytes(raw, policy=email.policy.default)


@dataclass
class Caught:
    """A sink that keeps what it gets. `fail` is raised once, after the effect happened or instead of it."""

    certain: bool = True
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    fail: BaseException | None = None
    after: bool = False

    def send(self, key: str, target: str, payload: dict[str, Any], now: float) -> None:
        error, self.fail = self.fail, None
        if error is not None and not self.after:
            raise error
        self.got.append((key, payload))
        if error is not None:
            raise error


def settings(**replies: Any) -> Config:
    """A configuration that answers everybody on the list at once."""
    return Config(
        state=":memory:",
        trees=(TreeConfig(str(MINI), "mini"),),
        filter=FilterConfig(paths=()),
        policy=PolicyConfig(settings=str(RULES)),
        replies=replace(
            RepliesConfig(
                dry_run=False,
                sender="mmlint bot <bot@mmlint.example>",
                lists=(LIST,),
                recipients=("*",),
                maintainers=("boss@kernel.example",),
                embargo=0.0,
                per_hour=1000,
                per_day=1000,
                per_author=1000,
            ),
            **replies,
        ),
    )


class Lab:
    """A bot with a clock that is set and sinks that keep what they get."""

    def __init__(self, config: Config, place: Path) -> None:
        self.now = NOON
        self.mail = Caught()
        self.check = Caught()
        self.state = State(str(place / "state.db"))
        self.log = StringIO()
        sinks: dict[str, Sink] = {"mail": self.mail, "check": self.check, "comment": Caught()}
        self.bot = Bot(config, self.state, Log(self.log), lambda: self.now, sinks)

    def get(self, *raws: bytes) -> None:
        """Mails arrive; the bot does what there is to do."""
        self.bot.ingest.take(Batch(raws, ""), "test", "", self.now)
        self.work()

    def work(self, later: float = 0.0) -> None:
        """Time passes; the bot does what there is to do."""
        self.now += later
        self.bot.think()
        self.bot.deliver()

    @property
    def answered(self) -> list[str]:
        """The mails that were answered."""
        return [payload["draft"]["in_reply_to"] for _, payload in self.mail.got]

    @property
    def texts(self) -> list[str]:
        """The texts that were sent."""
        return [payload["draft"]["body"] for _, payload in self.mail.got]

    def verdicts(self) -> dict[str, str]:
        """Verdict (or state) by title."""
        with self.state.view() as tx:
            rows = tx.execute(sa.select(series)).mappings().all()
        return {row["title"]: row["verdict"] or row["state"] for row in rows}

    def outcomes(self) -> dict[str, tuple[str, str]]:
        """State and reason of every mail in the outbox by the mail it answers."""
        with self.state.view() as tx:
            rows = tx.execute(sa.select(outbox).where(outbox.c.kind == "mail")).mappings().all()
        return {row["target"]: (row["state"], row["reason"]) for row in rows}

    def said(self, words: str) -> bool:
        """Whether the log has these words."""
        return words in self.log.getvalue()
