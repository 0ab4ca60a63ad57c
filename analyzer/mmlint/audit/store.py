"""What an audit keeps between runs: a database for each tree, safe under concurrent runs and kill -9."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mmlint.audit import wire
from mmlint.finding import Report

_FORMAT = 1
_COMMIT_SECONDS = 1.0
_TABLES = """
CREATE TABLE IF NOT EXISTS file (path BLOB PRIMARY KEY, stamp TEXT, words TEXT, digest TEXT, matters INTEGER);
CREATE TABLE IF NOT EXISTS result (path BLOB PRIMARY KEY, key TEXT, report TEXT);
"""


class Seen(NamedTuple):
    """A file as it was read: its stamp, the hash of its content, whether it is analysed."""

    stamp: str
    digest: str
    matters: bool


class Store:
    """Files seen and their results. Without a folder, or where it cannot be used, it lasts as long as the run."""

    def __init__(self, root: str, folder: Path | None) -> None:
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
        self._base = _open(folder / f"audit-{_FORMAT}-{name}.sqlite" if folder is not None else None)
        self._committed = time.monotonic()
        self._files: list[tuple[bytes, str, str, str, int]] = []
        self._results: list[tuple[bytes, str, str]] = []

    def seen(self, words: str) -> dict[str, Seen]:
        """Every file read with this set of words."""
        rows = self._base.execute("SELECT path, stamp, digest, matters FROM file WHERE words = ?", (words,))
        return {os.fsdecode(path): Seen(stamp, digest, bool(matters)) for path, stamp, digest, matters in rows}

    def see(self, words: str, files: Iterable[tuple[str, Seen]]) -> None:
        """Keep what was read of files."""
        self._files += [(os.fsencode(path), seen.stamp, words, seen.digest, int(seen.matters)) for path, seen in files]
        self._now_and_then()

    def result(self, path: str, key: str) -> Report | None:
        """The result of a file in the state that `key` stands for."""
        row = self._base.execute("SELECT report FROM result WHERE path = ? AND key = ?", (os.fsencode(path), key))
        found = row.fetchone()
        try:
            return wire.load(found[0]) if found is not None else None
        except (ValueError, TypeError, KeyError):
            return None

    def keep(self, path: str, key: str, report: Report) -> None:
        """Keep the result of a file, in place of that of an earlier state."""
        self._results.append((os.fsencode(path), key, wire.dump(report)))
        self._now_and_then()

    def _now_and_then(self) -> None:
        if time.monotonic() - self._committed > _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """What was kept up to here outlasts the process.

        Everything is written at once, so that other runs never wait long; what cannot be written (a full disk) is done
        again by the next run.
        """
        try:
            with self._base:
                self._base.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)", self._files)
                self._base.executemany("INSERT OR REPLACE INTO result VALUES (?, ?, ?)", self._results)
        except sqlite3.OperationalError:
            pass
        self._files.clear()
        self._results.clear()
        self._committed = time.monotonic()

    def close(self) -> None:
        """Commit and end."""
        self.commit()
        self._base.close()


def _open(file: Path | None) -> sqlite3.Connection:
    for attempt in range(2 if file is not None else 0):
        assert file is not None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            return _connect(str(file))
        except sqlite3.OperationalError:
            break
        except sqlite3.DatabaseError:  # not a database, or a damaged one: begin anew
            if attempt == 0:
                file.unlink(missing_ok=True)
        except OSError:
            break
    return _connect(":memory:")


def _connect(name: str) -> sqlite3.Connection:
    base = sqlite3.connect(name, timeout=60)
    try:
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.executescript(_TABLES)
    except sqlite3.Error:
        base.close()
        raise
    return base
