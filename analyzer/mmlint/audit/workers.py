"""Work in worker processes of which one that dies is replaced."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import AbstractContextManager, closing
from itertools import groupby
from typing import TypeVar

from mmlint.api import ready_workers, run_chunks
from mmlint.finding import Report
from mmlint.processes import Processes
from mmlint.settings import Settings

_CHUNK = 24
_TRIES = 3
Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
Where = Callable[[], AbstractContextManager[Executor]]
"""Where work is done, other than in processes of this machine."""


def steadily(
    jobs: int,
    chunks: Sequence[Chunk],
    begin: Callable[[Executor, Sequence[Chunk]], Generator[Result, None, None]],
    executor: Where | None = None,
) -> Generator[Result, None, None]:
    """The results of chunks in their order. Workers that die are replaced, and what they had is done again.

    `begin` starts chunks on an executor. Raises BrokenExecutor when workers die three times without a result.
    """
    done = failures = 0
    while done < len(chunks):
        try:
            place = executor() if executor is not None else Processes(min(jobs, len(chunks) - done))
            with place as workers, closing(begin(workers, chunks[done:])) as results:
                for result in results:
                    done += 1
                    failures = 0
                    yield result
        except BrokenExecutor:
            failures += 1
            if failures == _TRIES:
                raise


def analyse(
    root: str, names: Sequence[str], settings: Settings, jobs: int, executor: Where | None = None
) -> Generator[tuple[str, Report], None, None]:
    """Each file with its report, in order. Raises BrokenExecutor when workers die three times without a result."""
    chunks = _chunks(names)
    if chunks and executor is None:
        ready_workers(root, settings)
    results = steadily(
        jobs, chunks, lambda workers, left: run_chunks(workers, root, left, settings, None, tally=True), executor
    )
    with closing(results):
        for chunk, reports in zip(chunks, results, strict=True):
            yield from zip(chunk, reports, strict=True)


def _chunks(names: Sequence[str]) -> list[list[str]]:
    """Names in order, a few at a time, those of a folder together: its index is worked out by one worker."""
    chunks: list[list[str]] = []
    for _, group in groupby(names, key=lambda name: name.rpartition("/")[0]):
        folder = list(group)
        chunks += [folder[i : i + _CHUNK] for i in range(0, len(folder), _CHUNK)]
    return chunks
