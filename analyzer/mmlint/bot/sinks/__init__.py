"""Where effects go. A sink is certain when doing the same thing twice is the same as doing it once."""

from __future__ import annotations

from typing import Any, Protocol

from mmlint.bot.config import Config


class SendError(RuntimeError):
    """Something did not go out; `temporary` says that another try makes sense. The message has no credentials.

    `uncertain`: it may have gone out all the same.
    """

    def __init__(self, message: str, temporary: bool = True, uncertain: bool = False) -> None:
        super().__init__(message)
        self.temporary, self.uncertain = temporary, uncertain


class Sink(Protocol):
    """Something that takes effects of one kind."""

    certain: bool

    def send(self, key: str, target: str, payload: dict[str, Any], now: float) -> None:
        """Let it happen. `key` is that of the outbox, `target` what it is about. Raises `SendError`."""
        ...


class Nowhere:
    """Takes everything and does nothing: a dry run."""

    certain = True

    def send(self, key: str, target: str, payload: dict[str, Any], now: float) -> None:
        """Nothing happens."""


def open_sinks(config: Config) -> dict[str, Sink]:
    """By kind of effect; their modules are imported now."""
    from mmlint.bot.sinks.files import Comments, Maildir

    replies = config.replies
    nowhere = Nowhere()
    if replies.dry_run:
        drafts: Sink = Maildir(replies.drafts) if replies.drafts else nowhere
        return {"mail": drafts, "check": nowhere, "comment": nowhere}
    mail: Sink = nowhere
    if replies.smtp is not None:
        from mmlint.bot.sinks.smtp import Smtp

        mail = Smtp(replies.smtp)
    elif replies.maildir:
        mail = Maildir(replies.maildir)
    check: Sink = nowhere
    if replies.patchwork is not None:
        from mmlint.bot.sinks.checks import Checks

        check = Checks(replies.patchwork)
    return {"mail": mail, "check": check, "comment": Comments(replies.comments) if replies.comments else nowhere}
