"""Processes for foreign text: whatever happens in one of them is an error with a name, in time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

from mmlint.bot.cells import CellError, Cells, Limits
from mmlint.bot.config import SourceConfig
from mmlint.bot.ingest import Ingest
from mmlint.bot.log import Log
from mmlint.bot.state import State

from tests.bot import burdens
from tests.bot.letters import Lab, letter, patch, settings
from tests.bot.servers import deliver

LIMITS = Limits(seconds=1, memory=700)


def test_a_result_comes_back() -> None:
    assert Cells(LIMITS).call(burdens.answer, "a") == b"a"


@pytest.mark.parametrize(
    ("burden", "why"),
    [
        (burdens.spin, "used up its time"),
        (burdens.grow, "ran out of memory"),
        (burdens.dig, "nested too deep"),
        (burdens.fall, "ValueError: over the edge"),
        (burdens.vanish, "ended with status 3"),
        (burdens.crash, "died of SIGSEGV"),
        (burdens.write_much, "died of SIGXFSZ|OSError"),
        (burdens.sleep, "used up its time|took too long"),
    ],
)
def test_what_goes_wrong_inside_is_named(burden: Callable[[Any], bytes], why: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(CellError, match=why):
        Cells(LIMITS).call(burden, str(tmp_path / "file"))
    assert time.monotonic() - started < 20


def test_what_a_cell_started_goes_with_it() -> None:
    cell = Cells(LIMITS).start(burdens.leave_a_child, "")
    pid = int(cell.result())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    pytest.fail("a process that the cell started is still there")


def test_the_mail_that_a_cell_dies_of_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlint.bot.ingest.read_batch", burdens.die_of_poison)
    state = State(str(tmp_path / "state.db"))
    ingest = Ingest(settings(), state, Cells(LIMITS), Log(quiet=True))
    raws = [letter("text\n", f"{number}@x.example") for number in range(5)]
    raws[3] = letter("poison\n", "3@x.example")
    found = ingest._read(raws, ingest._rules(""))
    assert [each.kind for each in found] == ["other", "other", "other", "refused", "other"]
    assert "reading it died of SIGKILL" in found[3].reason


def test_no_mail_is_blamed_when_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlint.bot.ingest.read_batch", burdens.vanish)
    deliver(tmp_path / "in", letter("text\n", "1@x.example"))
    config = replace(settings(), sources=(SourceConfig("maildir", path=str(tmp_path / "in")),))
    lab = Lab(config, tmp_path)
    assert lab.bot.ingest.run(lambda: lab.now) == 0
    assert lab.said("no process can be started to read mails")
    monkeypatch.undo()
    assert lab.bot.ingest.run(lambda: lab.now) == 1


def test_a_series_that_analysis_dies_of_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlint.bot.loop.analyse", burdens.crash)
    lab = Lab(settings(), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example", "[PATCH] killer"))
    assert lab.verdicts() == {"killer": "failed"}
    assert lab.said("analysis died of SIGSEGV") or lab.said("died of SIGSEGV")
    assert lab.answered == []
