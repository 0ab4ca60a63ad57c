"""A folder of an IMAP server, read only: nothing is marked, moved or deleted."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from mmlint.bot.config import Config, SourceConfig
from mmlint.bot.sources import Batch, Batcher, Source, SourceError
from mmlint.settings import SettingsError

_TIMEOUT = 60.0
_SIZE = re.compile(rb"UID (\d+).*?RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+).*?UID (\d+)")
_GROUP = 200


def open_source(source: SourceConfig, config: Config) -> Source:
    """The source for a folder."""
    return Imap(source, config.policy.max_mail)


class Imap:
    """Follows a folder by its UIDs; all is asked for again when the server gave out new ones."""

    def __init__(self, config: SourceConfig, limit: int) -> None:
        self._config, self._limit = config, limit

    def batches(self, position: str, since: float) -> Iterator[Batch]:
        """Mails with UIDs above the one in `position` (`validity:uid`)."""
        try:
            server = self._login()
            try:
                yield from self._follow(server, position, since)
            finally:
                with suppress(imaplib.IMAP4.error, OSError):
                    server.logout()
        except SettingsError as error:
            raise SourceError(str(error)) from None
        except (imaplib.IMAP4.error, OSError, ValueError) as error:
            raise SourceError(f"{self._config.host}: IMAP fails: {type(error).__name__}") from None

    def _login(self) -> imaplib.IMAP4:
        config = self._config
        server: imaplib.IMAP4
        if config.tls:
            context = ssl.create_default_context()
            server = imaplib.IMAP4_SSL(config.host, config.port or 993, ssl_context=context, timeout=_TIMEOUT)
        else:
            server = imaplib.IMAP4(config.host, config.port or 143, timeout=_TIMEOUT)
        server.login(config.user, config.secret.reveal() if config.secret else "")
        return server

    def _follow(self, server: imaplib.IMAP4, position: str, since: float) -> Iterator[Batch]:
        quoted = '"' + self._config.folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if server.select(quoted, readonly=True)[0] != "OK":
            raise SourceError(f"{self._config.host}: no folder `{self._config.folder}`")
        validity = (server.response("UIDVALIDITY")[1] or [b"0"])[0] or b"0"
        epoch = validity.decode("ascii", "replace")
        known, _, last = position.partition(":")
        after = int(last) if known == epoch and last.isdigit() else 0
        batcher = Batcher()
        for uid, size in self._listed(server, after, since):
            raw = self._fetch(server, uid, size)
            if raw is not None:
                yield from batcher.add(raw, f"{epoch}:{uid}")
            after = uid
        yield from batcher.rest(f"{epoch}:{after}")
        yield Batch((), f"{epoch}:{after}")

    def _listed(self, server: imaplib.IMAP4, after: int, since: float) -> list[tuple[int, int]]:
        """(UID, size) of what is new, in the order of UIDs. `n:*` names the last mail even when it is below n."""
        criteria = [f"UID {after + 1}:*"]
        if not after:
            criteria.append(f"SINCE {_day(since)}")
        _, found = server.uid("SEARCH", " ".join(criteria))
        uids = sorted(uid for uid in map(int, (found[0] or b"").split()) if uid > after)
        rows: list[tuple[int, int]] = []
        for at in range(0, len(uids), _GROUP):
            _, sizes = server.uid("FETCH", ",".join(map(str, uids[at : at + _GROUP])), "(RFC822.SIZE)")
            for row in sizes:
                match = _SIZE.search(row) if isinstance(row, bytes) else None
                if match:
                    rows.append((int(match[1] or match[4]), int(match[2] or match[3])))
        return sorted(rows)

    def _fetch(self, server: imaplib.IMAP4, uid: int, size: int) -> bytes | None:
        """The mail, cut behind the limit; None when it is gone."""
        part = f"(BODY.PEEK[]<0.{self._limit + 1}>)" if size > self._limit else "(BODY.PEEK[])"
        _, answer = server.uid("FETCH", str(uid), part)
        return next((bytes(row[1]) for row in answer if isinstance(row, tuple) and len(row) > 1), None)


_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def _day(seconds: float) -> str:
    day = datetime.fromtimestamp(max(seconds, 0.0), UTC)
    return f"{day.day:02}-{_MONTHS[day.month - 1]}-{day.year}"
