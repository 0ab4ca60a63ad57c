"""A progress line on a terminal."""

from __future__ import annotations

import time
from typing import TextIO

from mmlint.output.text import plain

_INTERVAL = 0.1


class Progress:
    """Counts what is done and redraws one line, at most ten times a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total = 0
        self._count = 0
        self._what = ""
        self._began = self._drawn = 0.0

    def start(self, total: int, what: str) -> None:
        """Begin a stage of `total` items called `what`."""
        self._total, self._what, self._count = total, what, 0
        self._began = time.monotonic()

    def advance(self, n: int = 1) -> None:
        """Say that `n` more items are done."""
        self._count += n
        now = time.monotonic()
        if now - self._drawn < _INTERVAL:
            return
        self._drawn = now
        left = (now - self._began) / max(self._count, 1) * max(self._total - self._count, 0)
        self._stream.write(f"\r\x1b[K{self._count}/{self._total} {plain(self._what)}, {left:.0f} s left")
        self._stream.flush()

    def done(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = 0.0
