"""Where mails come from. A source yields batches of raw mails, each with the position to remember once it is stored."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Protocol, cast

from mmlint.bot.config import Config, SourceConfig
from mmlint.frozen import dataclass

BATCH = 100
"""Mails of one batch."""
BATCH_BYTES = 16 << 20
"""Bytes after which a batch is closed."""


class SourceError(RuntimeError):
    """A source that cannot be read now; the message is one line without credentials. The next look tries again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Raw mails in their order, and where to go on from when they are stored."""

    mails: tuple[bytes, ...]
    position: str


class Source(Protocol):
    """Something that can be followed."""

    def batches(self, position: str, since: float) -> Iterator[Batch]:
        """What is new after `position`; at first (empty) what is newer than `since`, in seconds since the epoch.

        Raises `SourceError`.
        """
        ...


_MODULES = {
    "maildir": "folder",
    "mbox": "folder",
    "public-inbox": "inbox",
    "public-inbox-http": "web",
    "imap": "imap",
    "patchwork": "pending",
}


def open_source(source: SourceConfig, config: Config) -> Source:
    """The source that a configuration stands for; its module is imported now."""
    module = importlib.import_module(f"mmlint.bot.sources.{_MODULES[source.type]}")
    return cast(Source, module.open_source(source, config))


class Batcher:
    """Collects mails until a batch is full."""

    def __init__(self) -> None:
        self._mails: list[bytes] = []
        self._size = 0

    def add(self, raw: bytes, position: str) -> Iterator[Batch]:
        """Take a mail; gives the batch that it fills."""
        self._mails.append(raw)
        self._size += len(raw)
        if len(self._mails) >= BATCH or self._size >= BATCH_BYTES:
            yield from self.rest(position)

    def rest(self, position: str) -> Iterator[Batch]:
        """What is collected, if anything."""
        if self._mails:
            yield Batch(tuple(self._mails), position)
            self._mails, self._size = [], 0
