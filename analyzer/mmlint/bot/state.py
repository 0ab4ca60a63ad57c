"""What the bot remembers, in SQLite or any database of SQLAlchemy: mails, series, the outbox, cursors.

Every change is one transaction that first takes the one row of `gate`, so changes never overlap, on whatever database
and with however many workers; analysis and sending happen outside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mmlint.bot.reading import Letter
from mmlint.settings import SettingsError

Tx = sa.Connection
Row = sa.RowMapping
_metadata = sa.MetaData()
_ID = sa.String(512)

gate = sa.Table("gate", _metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.BigInteger))
cursors = sa.Table(
    "cursors", _metadata, sa.Column("source", sa.Text, primary_key=True), sa.Column("position", sa.Text, nullable=False)
)
mails = sa.Table(
    "mails",
    _metadata,
    sa.Column("message_id", _ID, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("arrived", sa.Float, nullable=False),
    sa.Column("stamp", sa.Float, nullable=False),
    sa.Column("thread", _ID, nullable=False, index=True),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("series", sa.String(40), index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("letter", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary),
    sa.Index("mails_by_age", "arrived"),
)
series = sa.Table(
    "series",
    _metadata,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("root", _ID, nullable=False, index=True),
    sa.Column("thread", _ID, nullable=False),
    sa.Column("sender", sa.Text, nullable=False, index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("base", sa.String(40)),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("stamp", sa.Float, nullable=False),
    sa.Column("first", sa.Float, nullable=False),
    sa.Column("last", sa.Float, nullable=False),
    sa.Column("decided", sa.Float, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("lease", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
)
outbox = sa.Table(
    "outbox",
    _metadata,
    sa.Column("key", _ID, primary_key=True),
    sa.Column("series", sa.String(40), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("target", _ID, nullable=False),
    sa.Column("author", sa.Text, nullable=False, index=True),
    sa.Column("due", sa.Float, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("done", sa.Float, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("lease", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("prints", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)
stops = sa.Table(
    "stops",
    _metadata,
    sa.Column("scope", _ID, primary_key=True),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
counters = sa.Table(
    "counters",
    _metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("label", sa.String(64), primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)

_MEMORY = ":memory:"


class State:
    """The database."""

    def __init__(self, place: str, make: bool = True) -> None:
        """Open it, and make its tables. `place` is a file for SQLite or a URL. Raises `SettingsError`."""
        url = place if "://" in place else f"sqlite:///{place}"
        if make and "://" not in place and place != _MEMORY:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        try:
            self.engine = sa.create_engine(url, connect_args={"timeout": 60} if url.startswith("sqlite") else {})
            self.made = make or self._is_there()
            if make:
                self._make()
        except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
            line = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
            raise SettingsError(f"state {self._shown(place)}: cannot be opened: {line}") from None

    @classmethod
    def as_it_is(cls, place: str) -> State:
        """The database to read from; where there is none yet nothing is made, and it is empty. Raises as the others."""
        state = cls(place, make=False)
        if state.made:
            return state
        state.close()
        return cls(_MEMORY)

    def _make(self) -> None:
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(self.engine, "connect", _careful)
        _metadata.create_all(self.engine)
        with self.engine.begin() as tx:
            insert_new(tx, gate, {"id": 1, "n": 0})

    def _is_there(self) -> bool:
        file = self.engine.url.database if self.engine.dialect.name == "sqlite" else None
        if file is not None and not Path(file).exists():
            return False
        return set(_metadata.tables) <= set(sa.inspect(self.engine).get_table_names())

    @staticmethod
    def _shown(place: str) -> str:
        try:
            return sa.engine.make_url(place).render_as_string(hide_password=True) if "://" in place else place
        except sa.exc.ArgumentError:
            return "URL"

    @contextmanager
    def change(self) -> Iterator[Tx]:
        """A transaction that nobody else's overlaps; all of it happens or none of it."""
        with self.engine.begin() as tx:
            tx.execute(gate.update().where(gate.c.id == 1).values(n=gate.c.n + 1))
            yield tx

    @contextmanager
    def view(self) -> Iterator[Tx]:
        """A transaction that only reads."""
        with self.engine.connect() as tx:
            yield tx

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()


def _careful(connection: Any, _record: object) -> None:
    """SQLite that survives a crash of the machine too."""
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")


def insert_new(tx: Tx, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres

        statement = postgres(table).values(values).on_conflict_do_nothing().returning(sa.literal(1))
        return tx.execute(statement).first() is not None
    from sqlalchemy.dialects.sqlite import insert as sqlite

    return (
        tx.execute(sqlite(table).values(values).on_conflict_do_nothing().returning(sa.literal(1))).first() is not None
    )


def bump(tx: Tx, name: str, label: str = "", by: float = 1) -> None:
    """Add to a counter."""
    insert_new(tx, counters, {"name": name, "label": label, "value": 0})
    where = (counters.c.name == name) & (counters.c.label == label)
    tx.execute(counters.update().where(where).values(value=counters.c.value + by))


def position(tx: Tx, source: str) -> str:
    """Up to where a source was read; empty at first."""
    return tx.execute(sa.select(cursors.c.position).where(cursors.c.source == source)).scalar() or ""


def set_position(tx: Tx, source: str, text: str) -> None:
    """Remember up to where a source was read."""
    if not insert_new(tx, cursors, {"source": source, "position": text}):
        tx.execute(cursors.update().where(cursors.c.source == source).values(position=text))


def letter_of(row: Row) -> Letter:
    """The letter of a row of `mails`."""
    return Letter(**json.loads(row["letter"]))


def prune(tx: Tx, before: float, raw_before: float) -> None:
    """Forget mails and results that are older than `before`, and the raw text of mails older than `raw_before`."""
    tx.execute(mails.update().where(mails.c.arrived < raw_before, mails.c.raw.is_not(None)).values(raw=None))
    settled = sa.select(series.c.key).where(series.c.state == "done", series.c.last < before)
    tx.execute(outbox.delete().where(outbox.c.series.in_(settled), outbox.c.state.not_in(("pending", "sending"))))
    tx.execute(series.delete().where(series.c.key.in_(settled)))
    tx.execute(mails.delete().where(mails.c.arrived < before))
