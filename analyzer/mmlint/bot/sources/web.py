"""A public-inbox on the web: what its search finds since the last look, as one gzipped mbox."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

from mmlint.bot.config import Config, SourceConfig
from mmlint.bot.sources import Batch, Batcher, Source, SourceError
from mmlint.bot.web import WebError, request
from mmlint.inputs import limits, mbox, read

_OVERLAP = 6 * 3600.0
"""Seconds asked for again at each look: mails are indexed later than they came. Known ones are passed over."""
_EARLIEST = 100_000_000
"""Smaller numbers are not taken for seconds by the search."""


def open_source(source: SourceConfig, _config: Config) -> Source:
    """The source for an inbox by its address."""
    return WebInbox(source.url)


class WebInbox:
    """Asks for mails by the time the archive received them (`rt:`, public-inbox 1.7 and later)."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/"

    def batches(self, position: str, since: float) -> Iterator[Batch]:
        """Mails received after `position`, a time."""
        now = datetime.now(UTC).timestamp()
        start = max(float(position) - _OVERLAP, 0.0) if position else since
        query = urlencode({"q": f"rt:{max(int(start), _EARLIEST)}..", "x": "m"})
        try:
            body, _ = request(f"{self._url}?{query}", limits.MAX_INPUT, data=b"")
        except WebError as error:
            if error.status == 404:  # the search has found nothing
                yield Batch((), repr(now))
                return
            raise SourceError(str(error)) from None
        batcher = Batcher()
        try:
            for raw in mbox.split(read.opened(io.BytesIO(body))):
                yield from batcher.add(raw.data, position)
        except (OSError, EOFError):
            raise SourceError(f"{self._url}: answers with something that is no mbox") from None
        yield from batcher.rest(repr(now))
        yield Batch((), repr(now))
