"""Worker processes: each window of work gets fresh ones, which bounds their memory, and they end with their parent."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import groupby

from mmlint.api import end_with_parent, run_chunks
from mmlint.finding import Report
from mmlint.settings import Settings

_WINDOW = 4096
_CHUNK = 8
_TRIES = 3


@contextmanager
def pool(jobs: int) -> Iterator[Executor]:
    """Processes for a while; leaving early cancels what has not begun."""
    workers = ProcessPoolExecutor(jobs, initializer=end_with_parent)
    try:
        yield workers
    finally:
        workers.shutdown(wait=True, cancel_futures=True)


def analyse(
    root: str, names: Sequence[str], settings: Settings, jobs: int
) -> Generator[tuple[str, Report], None, None]:
    """Each file with its report, in order. Raises BrokenProcessPool when workers die three times without a result."""
    done = failures = 0
    while done < len(names):
        window = list(names[done : done + _WINDOW])
        chunks = _chunks(window)
        try:
            with pool(min(jobs, len(chunks))) as workers:
                for name, report in zip(window, run_chunks(workers, root, chunks, settings, None), strict=True):
                    done += 1
                    failures = 0
                    yield name, report
        except BrokenProcessPool:
            failures += 1
            if failures == _TRIES:
                raise


def _chunks(names: Sequence[str]) -> list[list[str]]:
    """Names in order, a few at a time, those of a folder together: its index is worked out by one worker."""
    chunks: list[list[str]] = []
    for _, group in groupby(names, key=lambda name: name.rpartition("/")[0]):
        folder = list(group)
        chunks += [folder[i : i + _CHUNK] for i in range(0, len(folder), _CHUNK)]
    return chunks
