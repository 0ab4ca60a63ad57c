"""Time `mmlint check mm/` with all its rules against Coccinelle on the same tree: `coccinelle.py TREE`.

Each round runs, one after the other and with the same number of processes, mmlint, our own `cocci/gfp_under_lock.cocci`
and the kernel's `scripts/coccinelle/locks/call_kern.cocci`. What counts are the ratios to mmlint within a round; of the
rounds the one with the least CPU time of each is taken. Needs `spatch` (Debian: coccinelle).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
OWN = HERE / "cocci/gfp_under_lock.cocci"
KERNEL = "scripts/coccinelle/locks/call_kern.cocci"
OPTIONS = ("-D", "report", "--no-includes", "--include-headers", "--very-quiet")


@dataclass(frozen=True)
class Run:
    """One run of a command: wall and CPU seconds with its children, and the lines it reported."""

    wall: float
    cpu: float
    lines: int


def run(command: list[str], tree: Path) -> Run:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]} failed with {done.returncode}: {done.stderr.strip()[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, cpu, len(done.stdout.splitlines()))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tree", type=Path)
    arguments.add_argument("--folder", default="mm")
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    folder, jobs = options.folder, str(options.jobs)
    patches = {OWN.name: OWN, Path(KERNEL).name: options.tree / KERNEL}
    mmlint = [sys.executable, "-m", "mmlint", "check", folder, "--isolated", "-j", jobs, "-o", "concise"]
    commands = {"mmlint, all rules": mmlint} | {
        name: ["spatch", "--sp-file", str(path), *OPTIONS, "-j", jobs, "--dir", folder]
        for name, path in patches.items()
    }
    rounds: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            rounds[name].append(run(command, options.tree))
    print(f"{folder} of {options.tree.name}, {jobs} processes, {options.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    base = min(rounds["mmlint, all rules"], key=lambda each: each.cpu)
    for name, runs in rounds.items():
        best = min(runs, key=lambda each: each.cpu)
        wall = min(each.wall for each in runs)
        print(
            f"{name:22} CPU {best.cpu:6.2f} s ({best.cpu / base.cpu:5.2f} of mmlint's)  wall {wall:6.2f} s "
            f"({wall / min(each.wall for each in rounds['mmlint, all rules']):5.2f})  {best.lines} lines"
        )


if __name__ == "__main__":
    main()
