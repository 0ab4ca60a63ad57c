"""The same bytes come out whatever the number of processes, the hash seed, and how often it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.test_doctor import kernels

ROOT = Path(__file__).parent.parent
RUNS = [(jobs, seed) for seed in range(3) for jobs in (1, 2, 4)] + [(2, 3)]


def checked(tree: Path, paths: list[str], jobs: int, seed: int) -> bytes:
    """What `mmlint check` prints in a Python of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'analyzer'}:{ROOT / 'rules'}",
        "PYTHONHASHSEED": str(seed),
        "COLUMNS": "100",
    }
    words = ["check", *paths, "--isolated", "--preview", "--exit-zero", "-j", str(jobs)]
    done = subprocess.run(
        [sys.executable, "-m", "mmlint", *words], cwd=tree, env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The mini tree with the bad fixtures of many rules in its mm/: enough files for several processes."""
    shutil.copytree(ROOT / "fixtures/trees/mini", tmp_path / "linux")
    for bad in sorted(ROOT.glob("fixtures/*-*/bad.c"))[::8]:
        shutil.copy(bad, tmp_path / "linux/mm" / f"{bad.parent.name.lower()}.c")
    return tmp_path / "linux"


def test_ten_runs_print_the_same_bytes(tree: Path) -> None:
    outputs = [checked(tree, ["mm"], jobs, seed) for jobs, seed in RUNS]
    assert len(outputs) == 10
    assert outputs[0].count(b"error[") > 2
    assert set(outputs) == {outputs[0]}


@pytest.mark.kernel
@pytest.mark.parametrize("kernel", kernels()[:1] or [None], ids=lambda tree: tree.name if tree else "none")
def test_a_part_of_a_real_tree(kernel: Path | None) -> None:
    if kernel is None:
        pytest.skip("no kernel tree (MMLINT_KERNELS)")
    names = ("gup.c", "madvise.c", "mincore.c", "mlock.c", "mmu_gather.c", "mprotect.c", "rmap.c")
    paths = [f"mm/{name}" for name in names if (kernel / "mm" / name).exists()]
    outputs = [checked(kernel, paths, jobs, seed) for seed, jobs in enumerate((1, 2, 4))]
    assert set(outputs) == {outputs[0]}
