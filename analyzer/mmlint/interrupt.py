"""Ctrl-C that does not get lost: Python drops what a signal handler raises inside a finaliser or a callback of gc."""

from __future__ import annotations

import signal
from types import FrameType

_pending = False


def listen() -> None:
    """Remember an interrupt as well as raising it. Whoever runs us with the signal ignored has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _hear)


def heed() -> None:
    """Raise the KeyboardInterrupt that came since the last call and may have been dropped."""
    global _pending
    if _pending:
        _pending = False
        raise KeyboardInterrupt


def _hear(number: int, frame: FrameType | None) -> None:
    global _pending
    _pending = True
    signal.default_int_handler(number, frame)
