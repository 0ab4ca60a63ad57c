"""Audits that are killed, and audits at the same time: the last report is that of a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.audit.conftest import BAD, GOOD

_KILLS = 20


@pytest.fixture
def large(tree: Path) -> Path:
    """A tree whose audit takes a while in two processes."""
    for number in range(12):
        for name, text in (("bad", BAD), ("good", GOOD)):
            path = tree / f"drivers/d{number % 6}/{name}{number}.c"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return tree


def start(tree: Path, cache: Path, out: Path) -> subprocess.Popen[bytes]:
    words = [
        "audit",
        str(tree),
        "-j",
        "2",
        "--isolated",
        "--exit-zero",
        "-q",
        "-o",
        f"jsonl:{out}",
        "--sarif",
        f"{out}.s",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "mmlint", *words],
        env={**os.environ, "MMLINT_CACHE_DIR": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes], out: Path) -> tuple[bytes, bytes]:
    _, complaint = process.communicate(timeout=120)
    assert (process.returncode, complaint) == (0, b"")
    return out.read_bytes(), out.with_name(f"{out.name}.s").read_bytes()


def children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []


@pytest.mark.slow
def test_a_report_after_many_kills_is_that_of_an_undisturbed_run(large: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    whole = finish(start(large, tmp_path / "other", tmp_path / "whole"), tmp_path / "whole")
    took = time.monotonic() - began
    chance = random.Random(20)
    hit = 0
    for number in range(_KILLS):
        if number % 4 == 0:
            shutil.rmtree(tmp_path / "kept", ignore_errors=True)
        process = start(large, tmp_path / "kept", tmp_path / "killed")
        time.sleep(chance.uniform(0.1, took if number % 4 == 0 else took / 2))
        workers = children(process.pid)
        victim = chance.choice(workers) if workers and chance.random() < 0.5 else process.pid
        if process.poll() is None:
            os.kill(victim, signal.SIGKILL)
            hit += 1
        if victim != process.pid:
            assert finish(process, tmp_path / "killed") == whole, "a worker that died is replaced"
            continue
        process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL)
        if number % 4 == 3:
            assert finish(start(large, tmp_path / "kept", tmp_path / "after"), tmp_path / "after") == whole
    assert finish(start(large, tmp_path / "kept", tmp_path / "after"), tmp_path / "after") == whole
    assert hit >= _KILLS // 4


def test_two_audits_at_once_share_what_they_keep(large: Path, tmp_path: Path) -> None:
    both = [(start(large, tmp_path / "kept", out), out) for out in (tmp_path / "one", tmp_path / "two")]
    one, two = [finish(process, out) for process, out in both]
    assert one == two == finish(start(large, tmp_path / "other", tmp_path / "three"), tmp_path / "three")
