"""Series that a Patchwork has and nobody has dealt with yet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from mmlint.bot.config import Config, SourceConfig
from mmlint.bot.patchwork import Patchwork
from mmlint.bot.sources import Batch, Batcher, Source, SourceError
from mmlint.bot.web import WebError
from mmlint.inputs import mbox

_PENDING = ("new", "under-review", "needs-review-ack", "queued")
_KNOWN = 500
_REREAD = 3600.0
"""Seconds that are asked for again, for series whose mails were late."""


def open_source(source: SourceConfig, _config: Config) -> Source:
    """The source for a project."""
    return Pending(Patchwork(source.url, source.secret), source.project)


class Pending:
    """Follows the series of a project by their dates; patches that are settled already are left out."""

    def __init__(self, server: Patchwork, project: str) -> None:
        self._server, self._project = server, project

    def batches(self, position: str, since: float) -> Iterator[Batch]:
        """The mails of series after `position`."""
        place: dict[str, Any] = json.loads(position) if position else {"date": since, "known": []}
        known: list[str] = list(place["known"])
        latest = float(place["date"])
        try:
            for row in self._server.series_since(self._project, _iso(latest - _REREAD)):
                name = f"{row['id']}:{len(row.get('patches') or ())}"
                if name in known:
                    continue
                batcher = Batcher()
                known.append(name)
                latest = max(latest, _seconds(row.get("date")))
                after = json.dumps({"date": latest, "known": known[-_KNOWN:]})
                for raw in self._mails(row):
                    yield from batcher.add(raw, position)
                yield from batcher.rest(after)
                position = after
                yield Batch((), after)
        except WebError as error:
            raise SourceError(str(error)) from None
        except (KeyError, TypeError, ValueError):
            raise SourceError(f"patchwork {self._project}: an answer that does not follow the API") from None

    def _mails(self, row: dict[str, Any]) -> Iterator[bytes]:
        """The cover letter and the pending patches of a series, as mails."""
        cover = row.get("cover_letter")
        if isinstance(cover, dict) and cover.get("mbox"):
            yield from _split(self._server.mbox(str(cover["mbox"])))
        for each in row.get("patches") or ():
            patch = self._server.patch(int(each["id"]))
            if patch.get("state") in _PENDING and not patch.get("archived"):
                yield from _split(self._server.mbox(str(patch["mbox"])))


def _split(data: bytes) -> Iterator[bytes]:
    return (raw.data for raw in mbox.split(io.BytesIO(data)))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(max(seconds, 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _seconds(text: object) -> float:
    """A time of the API (UTC without saying so) in seconds; 0 for none."""
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
