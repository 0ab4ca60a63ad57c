"""Worker processes, each with a pipe of its own.

In the pool of the standard library all workers answer through one pipe. One that is killed in the middle of an answer
leaves the parent waiting for the rest and the others for the lock that it held, for ever. Here the end of a process is
the end of its pipe.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from multiprocessing import Pipe, Process, parent_process
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    _Pipe = Connection[Any, Any]

P = ParamSpec("P")
T = TypeVar("T")


class Processes(Executor):
    """Runs calls in `count` processes. A call whose process dies raises BrokenExecutor, and so does what the dead
    process is asked next; it is not replaced. Leaving ends the processes and cancels what is not done.

    They are started at once, with Ctrl-C held back, and stay deaf to it: it would be lost in a fork, and only the
    parent has something to say about it.
    """

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[_Pipe] = SimpleQueue()
        self._workers: list[tuple[Process, _Pipe]] = []
        self._threads = ThreadPoolExecutor(count)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for _ in range(count):
                self._start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _start(self) -> None:
        ours, theirs = Pipe()
        process = Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()  # before the next fork, or the next process would keep this one's pipe open
        self._workers.append((process, ours))
        self._free.put(ours)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in the next process that is free."""
        return self._threads.submit(self._ask, fn, args, kwargs)

    def _ask(self, *call: object) -> Any:
        pipe = self._free.get()
        try:
            pipe.send(call)
            done, value = pipe.recv()
        except (EOFError, OSError):
            raise BrokenExecutor("a worker process died") from None
        finally:
            self._free.put(pipe)
        if done:
            return value
        raise value

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, whatever they do."""
        for process, _ in self._workers:
            process.kill()  # SIGTERM may have a handler that a fork inherits
        self._threads.shutdown(cancel_futures=True)
        for process, pipe in self._workers:
            process.join()
            pipe.close()
        self._workers.clear()


def _serve(pipe: _Pipe) -> None:
    _end_with_parent()
    while True:
        try:
            fn, args, kwargs = pipe.recv()
            _answer(pipe, fn, args, kwargs)
        except (EOFError, OSError):
            return


def _answer(pipe: _Pipe, fn: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    try:
        pipe.send((True, fn(*args, **kwargs)))
    except Exception as error:  # of the call, or of pickling: then nothing has been sent
        error.add_note(traceback.format_exc())
        pipe.send((False, error))


def _end_with_parent() -> None:
    """A worker whose parent was killed, and be it before the worker ran, would wait for work for ever."""
    parent, first = parent_process(), os.getppid()

    def watch() -> None:
        while os.getppid() == first and (parent is None or parent.is_alive()):
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
