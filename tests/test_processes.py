"""Worker processes: what they answer, and that the death of one is noticed whatever it was doing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from multiprocessing.connection import Connection

import pytest
from mmlint.processes import Processes

_ANSWER = 1_000_000


def double(number: int) -> int:
    time.sleep(0.01 * (number % 3))
    return 2 * number


def who() -> int:
    time.sleep(0.2)
    return os.getpid()


def fail(name: str) -> None:
    raise LookupError(name)


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in_the_middle_of_the_answer() -> bytes:
    def half(self: Connection, text: bytes) -> None:
        os.write(self.fileno(), text[: len(text) // 2])
        dies()

    Connection._send = half  # type: ignore[attr-defined]
    return bytes(_ANSWER)


def unpicklable() -> Callable[[], int]:
    return lambda: 1


def held_back() -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_answers_come_in_the_order_of_the_calls() -> None:
    with Processes(2) as workers:
        assert list(workers.map(double, range(20))) == list(range(0, 40, 2))


def test_calls_run_at_the_same_time_outside_of_this_process() -> None:
    with Processes(2) as workers:
        found = {future.result() for future in [workers.submit(who) for _ in range(2)]}
    assert len(found) == 2
    assert os.getpid() not in found


def test_an_error_comes_back_with_the_place_where_it_was_raised() -> None:
    with Processes(1) as workers:
        with pytest.raises(LookupError, match="gup") as caught:
            workers.submit(fail, "gup").result()
        assert "in fail" in caught.value.__notes__[0]
        assert workers.submit(double, 4).result() == 8, "the process lives on"


def test_an_answer_that_cannot_be_sent_is_an_error_of_that_call() -> None:
    with Processes(1) as workers:
        with pytest.raises((AttributeError, TypeError), match="pickle"):
            workers.submit(unpicklable).result(timeout=20)
        assert workers.submit(double, 4).result() == 8


@pytest.mark.parametrize("last", [dies, dies_in_the_middle_of_the_answer])
def test_the_death_of_a_process_ends_its_call_and_no_other(last: Callable[[], object]) -> None:
    with Processes(2) as workers:
        lost, other = workers.submit(last), workers.submit(who)
        with pytest.raises(BrokenExecutor):
            lost.result(timeout=20)
        assert other.result(timeout=20) > 0


def test_ctrl_c_is_held_back_in_workers_and_only_there() -> None:
    with Processes(1) as workers:
        assert workers.submit(held_back).result()
    assert not held_back()


def test_leaving_early_ends_what_still_runs() -> None:
    began = time.monotonic()
    with Processes(2) as workers:
        for _ in range(4):
            workers.submit(time.sleep, 60)
    assert time.monotonic() - began < 20


def test_a_handler_that_the_workers_inherit_does_not_keep_them() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with Processes(1) as workers:
            assert workers.submit(double, 4).result() == 8
    finally:
        signal.signal(signal.SIGTERM, before)
