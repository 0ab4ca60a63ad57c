"""What a hostile mail might bring about in a process, to be run in a cell."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from mmlint.bot.reading import read_batch


def answer(argument: str) -> bytes:
    return argument.encode()


def spin(_: object) -> bytes:
    while True:
        pass


def sleep(_: object) -> bytes:
    time.sleep(60)
    return b""


def grow(_: object) -> bytes:
    return b"x" * (2 << 30)


def dig(argument: object) -> bytes:
    return dig(argument)


def fall(_: object) -> bytes:
    raise ValueError("over\nthe edge")


def vanish(_: object) -> bytes:
    os._exit(3)


def crash(_: object) -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(10)
    return b""


def write_much(place: str) -> bytes:
    with Path(place).open("wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(b"x")
    return b""


def leave_a_child(_: object) -> bytes:
    return str(subprocess.Popen(["sleep", "300"]).pid).encode()


def die_of_poison(argument: tuple[Any, list[bytes]]) -> bytes:
    if any(b"poison" in raw for raw in argument[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return read_batch(argument)
