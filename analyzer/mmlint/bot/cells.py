"""A process of its own, with limits, for everything that looks at foreign text: reading mails, analysing series.

Children are forked from a clean server process that has the analyzer loaded. What they give back is bytes (JSON), never
objects, so a child that hostile input has taken over cannot reach further than its result.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from mmlint.frozen import dataclass

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

_MB = 1 << 20
_MAX_RESULT = 64 * _MB
_FILES = 256
_GRACE = 2
"""Seconds between the signal that says why a process ends and the one that says nothing."""
_SMALL_WINDOWS = ("core.packedGitWindowSize=16m", "core.packedGitLimit=256m")
"""For git, which maps gigabytes of a kernel's packs at once otherwise, beyond the limit of memory."""


class CellError(RuntimeError):
    """A child that gave no result; the message says what became of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: processor seconds (twice that by the wall clock) and MB of memory."""

    seconds: int
    memory: int


@dataclass(slots=True)
class Cell:
    """A running child."""

    process: BaseProcess
    pipe: Connection
    deadline: float

    def result(self) -> bytes:
        """Wait for what it gives back. Raises `CellError`; the child is gone afterwards either way."""
        left = self.deadline - time.monotonic()
        try:
            if not self.pipe.poll(max(left, 0.0)):
                raise CellError("took too long and was ended")
            answer = self.pipe.recv_bytes(_MAX_RESULT)
        except (EOFError, OSError):
            self.process.join(5)
            raise CellError(_why(self.process.exitcode)) from None
        finally:
            self.end()
        if answer[:1] != b"+":
            raise CellError(answer[1:].decode("utf-8", "replace") or "gave nothing back")
        return answer[1:]

    def end(self) -> None:
        """Stop the child and what it started."""
        pid = self.process.pid
        if pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            if self.process.exitcode is None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.join(5)
        self.pipe.close()


def _why(code: int | None) -> str:
    if code is None:
        return "does not end"
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "used up its time and was ended"
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


class Cells:
    """Starts children under the same limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["mmlint.bot.preload"])

    def start(self, function: Callable[[Any], bytes], argument: object) -> Cell:
        """Run `function(argument)` in a child; both have to be picklable."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_inside, args=(theirs, self._limits, function, argument), daemon=True)
        process.start()
        theirs.close()
        return Cell(process, ours, time.monotonic() + 2 * self._limits.seconds + 5)

    def call(self, function: Callable[[Any], bytes], argument: object) -> bytes:
        """Run it and wait. Raises `CellError`."""
        return self.start(function, argument).result()


def ready(cells: list[Cell], seconds: float) -> list[Cell]:
    """Those of the children that have a result, have died or are beyond their time, after at most `seconds`."""
    speaking = wait([cell.pipe for cell in cells], seconds)
    now = time.monotonic()
    return [cell for cell in cells if cell.pipe in speaking or cell.deadline < now]


def _inside(pipe: Connection, limits: Limits, function: Callable[[Any], bytes], argument: object) -> None:
    """The child's life: limits, the work, one answer, an exit that runs nothing else."""
    _confine(limits)
    try:
        answer = b"+" + function(argument)
    except MemoryError:
        answer = b"-ran out of memory"
    except RecursionError:
        answer = b"-nested too deep"
    except Exception as error:  # whatever hostile input brings about is a line in the log, not the end of the bot
        answer = f"-{type(error).__name__}: {error}".replace("\n", " ")[:300].encode("utf-8", "replace")
    with suppress(OSError):
        pipe.send_bytes(answer)
    os._exit(0)


def _confine(limits: Limits) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(2 * limits.seconds)
    for what, soft in (
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_AS, limits.memory * _MB),
        (resource.RLIMIT_FSIZE, 256 * _MB),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        wanted = soft + _GRACE if what == resource.RLIMIT_CPU else soft
        hard = resource.getrlimit(what)[1]
        bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(what, (min(soft, bound), bound))
    os.environ["GIT_CONFIG_COUNT"] = str(len(_SMALL_WINDOWS))
    for number, setting in enumerate(_SMALL_WINDOWS):
        os.environ[f"GIT_CONFIG_KEY_{number}"], _, os.environ[f"GIT_CONFIG_VALUE_{number}"] = setting.partition("=")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.setrecursionlimit(3000)
