"""The work plan on a cluster of worker processes, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from mmlint.audit.cluster import cluster
from mmlint.audit.run import audit
from mmlint.cli import app
from mmlint.kernel.tables import tables
from mmlint.output import WRITERS, Context
from mmlint.settings import Settings
from typer.testing import CliRunner

from tests.audit.conftest import BAD, Progress, Run


class Killer(Progress):
    """Does something after the first result."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act

    def advance(self, n: int = 1) -> None:
        super().advance(n)
        if self.count == 1:
            self.act()


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing_and_says_nothing_twice(run: Run, tree: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    for number in range(24):
        (tree / f"drivers/d{number}").mkdir(parents=True)
        (tree / f"drivers/d{number}/bad.c").write_text(BAD)
    alone = run(keep=False)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local:
        pids = [worker.pid for worker in local.workers.values()]
        killer = Killer(lambda: os.kill(pids[0], signal.SIGKILL))
        settings = Settings(jobs=1, isolated=True, select=("PTL101",))
        where = partial(cluster, local.scheduler_address)
        shared = audit(str(tree), settings, tables(), progress=killer, executor=where)
    assert killer.count == shared.analysed == alone.analysed
    for name in ("jsonl", "sarif"):
        texts = [WRITERS[name].render(done.report, Context("audit")) for done in (alone, shared)]
        assert texts[0] == texts[1]


def test_without_a_scheduler_it_is_one_clear_line(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    monkeypatch.setattr("mmlint.audit.cluster._SECONDS", 0.2)
    words = ["audit", str(tree), "--isolated", "--executor", "dask"]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "name a scheduler" in result.stderr) == (2, True)
    result = CliRunner().invoke(app, [*words, "--scheduler", "tcp://127.0.0.1:9", "--no-cache"])
    assert (result.exit_code, "no scheduler answers" in result.stderr) == (2, True)
    result = CliRunner().invoke(app, ["audit", str(tree), "--isolated", "--executor", "slurm"])
    assert (result.exit_code, "processes or dask" in result.stderr) == (2, True)
