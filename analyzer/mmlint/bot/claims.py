"""Who works on what: series are claimed by one worker at a time, and taken back from workers that died."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import sqlalchemy as sa

from mmlint.bot.state import Row, Tx, series

LEASE = 900.0
"""Seconds after which a claim of a worker on another machine counts as abandoned."""
ATTEMPTS = 3
"""Times a series is tried; then it is recorded as failed."""


def identity() -> str:
    """This process, told apart from any other that had its number: host, number, start."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start(os.getpid())}"


def _start(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "0"


def dead(owner: str) -> bool:
    """Whether a worker of this machine is gone; False for one of another machine."""
    host, _, rest = owner.partition(":")
    pid, _, start = rest.partition(":")
    return host == socket.gethostname() and pid.isdigit() and _start(int(pid)) != start


def abandoned(tx: Tx, table: sa.Table, states: tuple[str, ...], now: float) -> list[Row]:
    """Rows that a dead worker left behind in one of `states`."""
    rows = tx.execute(sa.select(table).where(table.c.state.in_(states))).mappings().all()
    return [row for row in rows if dead(row["owner"]) or row["lease"] < now]


def take_back(tx: Tx, now: float) -> int:
    """Put series of dead workers back into the queue; how many."""
    rows = abandoned(tx, series, ("claimed",), now)
    for row in rows:
        tx.execute(series.update().where(series.c.key == row["key"]).values(state="ready", owner=""))
    return len(rows)


def claim(tx: Tx, owner: str, now: float) -> Row | None:
    """The next series to analyse, the oldest first; None when there is none.

    Those of one author are analysed one after the other, so that each knows what the one before it will be told.
    """
    busy = sa.select(series.c.sender).where(series.c.state == "claimed")
    free = (series.c.state == "ready") & series.c.sender.not_in(busy)
    query = sa.select(series).where(free).order_by(series.c.stamp, series.c.key).limit(1)
    row = tx.execute(query).mappings().first()
    if row is not None:
        values = {"state": "claimed", "owner": owner, "lease": now + LEASE}
        tx.execute(series.update().where(series.c.key == row["key"]).values(**values))
    return row


def still_claimed(tx: Tx, key: str, owner: str) -> bool:
    """Whether the series is this worker's still: a late member takes it away, so does a lease that ran out."""
    mine = (series.c.key == key) & (series.c.owner == owner) & (series.c.state == "claimed")
    return tx.execute(sa.select(series.c.key).where(mine)).first() is not None
