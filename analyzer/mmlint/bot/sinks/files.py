"""Replies into a maildir, comments into a folder: files whose names follow from what they are about."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from mmlint.bot.replies import Draft, render
from mmlint.bot.sinks import SendError


class Maildir:
    """Writes replies as a mail server would deliver them; one that is there already is left alone."""

    certain = True

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def send(self, key: str, target: str, payload: dict[str, Any], now: float) -> None:
        """Write the reply into `new`."""
        name = hashlib.sha256(key.encode()).hexdigest()[:32] + ".mmlint"
        try:
            for folder in ("tmp", "new", "cur"):
                (self._path / folder).mkdir(parents=True, exist_ok=True)
            if (self._path / "new" / name).exists() or any((self._path / "cur").glob(f"{name}*")):
                return
            write_whole(self._path / "tmp" / name, self._path / "new" / name, render(draft_of(payload), now))
        except OSError as error:
            raise SendError(f"{self._path}: {error.strerror}") from error


class Comments:
    """Writes a Markdown file for each series, to be posted on a merge request by whoever likes."""

    certain = True

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def send(self, key: str, target: str, payload: dict[str, Any], now: float) -> None:
        """Write `TARGET.md`."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            write_whole(self._path / f".{target}.tmp", self._path / f"{target}.md", payload["text"].encode())
        except OSError as error:
            raise SendError(f"{self._path}: {error.strerror}") from error


def draft_of(payload: dict[str, Any]) -> Draft:
    """The draft in the payload of an outbox row."""
    values = dict(payload["draft"])
    return Draft(**{**values, "rcpt": tuple(values["rcpt"]), "references": tuple(values["references"])})


def write_whole(temporary: Path, final: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole or not at all, and on the disk."""
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
