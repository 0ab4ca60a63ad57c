"""A maildir, an mbox file or a folder of mboxes on disk. Nothing in them is moved or changed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mmlint.bot.config import Config, SourceConfig
from mmlint.bot.sources import Batch, Batcher, Source, SourceError
from mmlint.inputs import mbox, read

_SLACK = 2.0
"""Seconds for which a file counts as being written, and for which clocks of file systems are not trusted."""
_SUFFIXES = (".mbox", ".mbx", ".gz")
_HEAD = 512


def open_source(source: SourceConfig, config: Config) -> Source:
    """The source for a maildir or an mbox."""
    limit = config.policy.max_mail
    return Maildir(Path(source.path), limit) if source.type == "maildir" else Mboxes(Path(source.path))


class Maildir:
    """Follows `new` and `cur` by the time their entries changed (a delivery is a rename, so that is its time)."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        self._seen: dict[str, float] = {}

    def batches(self, position: str, since: float) -> Iterator[Batch]:
        """Mails that came after `position`, a time."""
        start = float(position) if position else since
        batcher, at = Batcher(), start
        taken: dict[str, float] = {}
        for changed, path in self._entries(start - _SLACK):
            name = path.name.split(":")[0]
            if name in self._seen:
                continue
            try:
                with path.open("rb") as file:
                    raw = file.read(self._limit + 1)
            except OSError:
                continue
            taken[name] = changed
            at = max(at, changed)
            for batch in batcher.add(raw, repr(at)):
                yield batch
                self._remember(taken, at)
        yield from batcher.rest(repr(at))
        self._remember(taken, at)

    def _remember(self, taken: dict[str, float], at: float) -> None:
        """Pass over files at the next look that were stored, as long as the slack would bring them up again."""
        self._seen = {name: changed for name, changed in {**self._seen, **taken}.items() if changed >= at - _SLACK}

    def _entries(self, after: float) -> list[tuple[float, Path]]:
        found = []
        for folder in ("new", "cur"):
            try:
                with os.scandir(self._path / folder) as entries:
                    for entry in entries:
                        if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                            changed = entry.stat(follow_symlinks=False).st_ctime
                            if changed >= after:
                                found.append((changed, Path(entry.path)))
            except FileNotFoundError as error:
                if folder == "new":
                    raise SourceError(f"{self._path}: no maildir here") from error
            except OSError as error:
                raise SourceError(f"{self._path}: {error.strerror}") from error
        return sorted(found)


class Mboxes:
    """Follows mbox files that grow; one that shrank or has another beginning is read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def batches(self, position: str, since: float) -> Iterator[Batch]:
        """Mails behind the offsets in `position`."""
        places: dict[str, tuple[int, str]] = json.loads(position) if position else {}
        for file in self._files():
            yield from self._follow(file, places)

    def _files(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        if not self._path.is_dir():
            raise SourceError(f"{self._path}: no such file or folder")
        return sorted(path for path in self._path.iterdir() if path.name.endswith(_SUFFIXES) and path.is_file())

    def _follow(self, path: Path, places: dict[str, tuple[int, str]]) -> Iterator[Batch]:
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if time.time() - status.st_mtime < _SLACK:
                    return
                offset, known = places.get(path.name, (0, _head(file, 0)))
                packed = path.name.endswith(".gz")
                start = offset if offset <= status.st_size and known == _head(file, offset) else 0
                if start == status.st_size or (packed and start):
                    return
                file.seek(start if not packed else 0)
                batcher = Batcher()
                before = json.dumps(places)
                for raw in mbox.split(read.opened(cast(BinaryIO, file)) if packed else cast(BinaryIO, file)):
                    yield from batcher.add(raw.data, before)
                places[path.name] = (status.st_size, _head(file, status.st_size))
                yield from batcher.rest(json.dumps(places))
                yield Batch((), json.dumps(places))
        except (OSError, EOFError) as error:
            raise SourceError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _head(file: BinaryIO, offset: int) -> str:
    """A hash of the beginning of what lies before `offset`, to know the file by."""
    file.seek(0)
    return hashlib.sha256(file.read(min(offset, _HEAD))).hexdigest()[:16]
