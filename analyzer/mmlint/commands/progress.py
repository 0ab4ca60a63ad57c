"""A progress line on a terminal."""

from __future__ import annotations

import time
from typing import TextIO

from mmlint.finding import Report
from mmlint.output.text import plain, plural

_INTERVAL = 0.1


class Progress:
    """Counts what is done and redraws one line, at most ten times a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total = 0
        self._count = 0
        self._what = ""
        self._report = Report()
        self._began = self._drawn = 0.0

    def start(self, total: int, what: str, report: Report | None = None) -> None:
        """Begin a stage of `total` items called `what`; functions and findings are counted in `report`."""
        self._total, self._what, self._count, self._report = total, what, 0, report or Report()
        self._began = time.monotonic()

    def advance(self, n: int = 1) -> None:
        """Say that `n` more items are done."""
        self._count += n
        now = time.monotonic()
        if now - self._drawn < _INTERVAL:
            return
        self._drawn = now
        left = (now - self._began) / max(self._count, 1) * max(self._total - self._count, 0)
        found = f"{plural(self._report.stats.functions, 'function')}, {plural(len(self._report.findings), 'finding')}"
        self._stream.write(f"\r\x1b[K{self._count}/{self._total} {plain(self._what)}, {found}, {left:.0f} s left")
        self._stream.flush()

    def done(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = 0.0
