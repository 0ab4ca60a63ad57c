"""One JSON object a line: what happened, to what, when. Foreign text is escaped by the encoding."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import IO

_MAX = 500


class Log:
    """Writes to a stream, stderr unless told otherwise; `quiet` leaves only warnings."""

    def __init__(self, stream: IO[str] | None = None, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet

    def info(self, event: str, **values: object) -> None:
        """Something went as it should."""
        if not self._quiet:
            self._write("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        """Something an operator may want to see."""
        self._write("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        """What ends the work."""
        self._write("error", event, values)

    def _write(self, level: str, event: str, values: dict[str, object]) -> None:
        row: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level}
        row["event"] = event
        row |= {name: value[:_MAX] if isinstance(value, str) else value for name, value in values.items()}
        try:
            print(json.dumps(row), file=self._stream, flush=True)
        except (BrokenPipeError, ValueError):
            self._quiet = True
