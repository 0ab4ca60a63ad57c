"""Decided, then sent, then marked: effects leave one by one, and no crash makes one of them happen twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from mmlint.bot.assembly import stopped
from mmlint.bot.claims import LEASE, abandoned
from mmlint.bot.config import Config
from mmlint.bot.decide import drop, newer
from mmlint.bot.sinks import SendError, Sink
from mmlint.bot.state import Row, State, Tx, bump, letter_of, mails, outbox, series

_HOUR, _DAY = 3600.0, 86400.0
_BACKOFF = (60.0, 300.0, 900.0, 3600.0)
_TRIES = 12
_OUT = ("sending", "sent", "dry", "held")


class Outbox:
    """Takes rows out of the outbox and lets them happen."""

    def __init__(self, state: State, sinks: Mapping[str, Sink], config: Config, owner: str) -> None:
        self._state, self._sinks, self._config, self._owner = state, sinks, config, owner

    def recover(self, now: float) -> list[tuple[str, str]]:
        """Look after rows that a dead worker was sending; gives (key, what became of it)."""
        told = []
        with self._state.change() as tx:
            for row in abandoned(tx, outbox, ("sending",), now):
                state, reason = self._fate(row, now)
                if state != row["state"]:
                    self._set(tx, row["key"], state=state, reason=reason, owner="")
                    told.append((str(row["key"]), state))
        return told

    def _fate(self, row: Row, now: float) -> tuple[str, str]:
        """Where a row belongs that may have gone out or not."""
        if self._sinks[row["kind"]].certain:
            return "pending", ""
        if now - row["done"] < self._config.replies.confirm:
            return "sending", ""
        if self._config.replies.uncertain == "resend":
            return "pending", "not seen on the list: sent again"
        return "held", "a crash leaves it open whether this went out; it was not seen in any source"

    def deliver(self, now: float) -> list[tuple[Row, str, str]]:
        """Let everything happen that is due; gives (row, outcome, reason) of each."""
        done: list[tuple[Row, str, str]] = []
        passed: set[str] = set()
        while True:
            with self._state.change() as tx:
                row = self._next(tx, now, passed, done)
            if row is None:
                return done
            outcome, reason = self._send(row, now)
            done.append((row, outcome, reason))
            passed.add(row["key"])

    def _next(self, tx: Tx, now: float, passed: set[str], done: list[tuple[Row, str, str]]) -> Row | None:
        """Claim the next row that may go out now; those that must not are dropped on the way."""
        query = sa.select(outbox).where(outbox.c.state == "pending", outbox.c.due <= now)
        for row in tx.execute(query.order_by(outbox.c.due, outbox.c.key)).mappings().all():
            if row["key"] in passed:
                continue
            if row["kind"] == "mail":
                why = self._obsolete(tx, row, now)
                if why:
                    drop(tx, row["key"], why)
                    done.append((row, "dropped", why))
                    continue
                if self._must_wait(tx, row, now):
                    continue
            self._set(tx, row["key"], state="sending", owner=self._owner, lease=now + LEASE, done=now)
            return row
        return None

    def _obsolete(self, tx: Tx, row: Row, now: float) -> str:
        """Why a reply that was decided should not go out any more."""
        about = tx.execute(sa.select(series).where(series.c.key == row["series"])).mappings().first()
        if about is None:
            return "its series is forgotten"
        if now > row["created"] + self._config.replies.expire:
            return "too late"
        if stopped(tx, about["thread"]):
            return "stopped by a human"
        if newer(tx, about):
            return "superseded by a newer version"
        return "humans spoke about it already" if self._raised(tx, row, about["thread"]) else ""

    def _raised(self, tx: Tx, row: Row, thread: str) -> bool:
        """Whether every line the reply is about has a comment of a human below it in the thread."""
        wanted = set(json.loads(row["payload"])["marks"])
        query = sa.select(mails.c.letter).where(mails.c.thread == thread, mails.c.kind.in_(("reply", "fixup")))
        for each in tx.execute(query).mappings():
            wanted.difference_update(letter_of(each).marks)
        return not wanted

    def _must_wait(self, tx: Tx, row: Row, now: float) -> bool:
        """Whether the series is being looked at again, or a rate limit holds the reply back."""
        state = tx.execute(sa.select(series.c.state).where(series.c.key == row["series"])).scalar()
        limits = self._config.replies
        return (
            state != "done"
            or self._count(tx, now - _HOUR) >= limits.per_hour
            or self._count(tx, now - _DAY) >= limits.per_day
            or self._count(tx, now - _DAY, row["author"]) >= limits.per_author
        )

    def _count(self, tx: Tx, since: float, author: str | None = None) -> int:
        query = sa.select(sa.func.count()).where(
            outbox.c.kind == "mail", outbox.c.state.in_(_OUT), outbox.c.done > since
        )
        if author is not None:
            query = query.where(outbox.c.author == author)
        return int(tx.execute(query).scalar() or 0)

    def _send(self, row: Row, now: float) -> tuple[str, str]:
        payload: dict[str, Any] = json.loads(row["payload"])
        try:
            self._sinks[row["kind"]].send(row["key"], row["target"], payload, now)
        except SendError as error:
            return self._failed(row, error, now)
        except (ValueError, KeyError) as error:  # a draft that cannot be made a mail never will be
            return self._failed(row, SendError(str(error), temporary=False), now)
        refused = payload.get("refused")
        reason = f"refused for {', '.join(refused)}" if refused else ""
        outcome = "dry" if self._config.replies.dry_run else "sent"
        with self._state.change() as tx:
            self._set(tx, row["key"], state=outcome, done=now, reason=reason, owner="")
            bump(tx, "effects", f"{row['kind']} {outcome}")
        return outcome, reason

    def _failed(self, row: Row, error: SendError, now: float) -> tuple[str, str]:
        if error.uncertain:
            with self._state.change() as tx:
                self._set(tx, row["key"], reason=str(error), owner="", lease=0.0)
            return "sending", str(error)
        tries = row["attempts"] + 1
        again = error.temporary and tries < _TRIES
        due = now + _BACKOFF[min(tries, len(_BACKOFF)) - 1]
        state = "pending" if again else "failed"
        with self._state.change() as tx:
            self._set(tx, row["key"], state=state, due=due, attempts=tries, reason=str(error), owner="", done=0.0)
            bump(tx, "effects", f"{row['kind']} {'deferred' if again else 'failed'}")
        return ("deferred" if again else "failed"), str(error)

    def _set(self, tx: Tx, key: str, **values: object) -> None:
        tx.execute(outbox.update().where(outbox.c.key == key).values(**values))
