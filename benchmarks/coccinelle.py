"""Time `mmlint check mm/` with all its rules against Coccinelle on the same tree: `coccinelle.py TREE`.

Each round runs, one after the other and with the same number of processes, mmlint, our own `cocci/gfp_under_lock.cocci`
and the kernel's `scripts/coccinelle/locks/call_kern.cocci`; then mmlint as it is run for the first time, with nothing
kept from an earlier run, mmlint on the smallest file (what it takes to start), and tree-sitter alone, which parses the
files that mmlint checks as they are, in one process. What counts are the ratios to mmlint within a round; of the rounds
the one with the least CPU time of each is taken. Needs `spatch` (Debian: coccinelle); `--without-cocci` leaves it out.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import tree_sitter
import tree_sitter_c

HERE = Path(__file__).resolve().parent
OWN = HERE / "cocci/gfp_under_lock.cocci"
KERNEL = "scripts/coccinelle/locks/call_kern.cocci"
MMLINT = "mmlint, all rules"
OPTIONS = ("-D", "report", "--no-includes", "--include-headers", "--very-quiet")


@dataclass(frozen=True)
class Run:
    """One run of a command: wall and CPU seconds with its children, and the lines it reported."""

    wall: float
    cpu: float
    lines: int


def run(command: list[str], tree: Path, cache: str | None = None) -> Run:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if cache is not None:
        environment["MMLINT_CACHE_DIR"] = cache
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, env=environment)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]} failed with {done.returncode}: {done.stderr.strip()[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, cpu, len(done.stdout.splitlines()))


def alone(files: list[Path]) -> Run:
    """tree-sitter on the texts as they are; `lines` counts the files."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))
    texts = [file.read_bytes() for file in files]
    began, before = time.perf_counter(), time.process_time()
    for text in texts:
        parser.parse(text)
    return Run(time.perf_counter() - began, time.process_time() - before, len(files))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tree", type=Path)
    arguments.add_argument("--folder", default="mm")
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--without-cocci", action="store_true")
    options = arguments.parse_args()
    folder, jobs = options.folder, str(options.jobs)
    files = sorted((options.tree / folder).rglob("*.[ch]"))
    smallest = str(min(files, key=lambda file: file.stat().st_size).relative_to(options.tree))
    patches = {OWN.name: OWN, Path(KERNEL).name: options.tree / KERNEL} if not options.without_cocci else {}
    mmlint = [sys.executable, "-m", "mmlint", "check", folder, "--isolated", "-j", jobs, "-o", "concise"]
    start = [sys.executable, "-m", "mmlint", "check", smallest, "--isolated", "-o", "concise"]
    commands = {MMLINT: mmlint, "mmlint, to start": start} | {
        name: ["spatch", "--sp-file", str(path), *OPTIONS, "-j", jobs, "--dir", folder]
        for name, path in patches.items()
    }
    rounds: dict[str, list[Run]] = defaultdict(list)
    for _ in range(options.rounds):
        for name, command in commands.items():
            rounds[name].append(run(command, options.tree))
        with tempfile.TemporaryDirectory() as empty:
            rounds["mmlint, first run"].append(run(mmlint, options.tree, empty))
        rounds["tree-sitter alone"].append(alone(files))
    print(f"{folder} of {options.tree.name}, {jobs} processes, {options.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    base = min(rounds[MMLINT], key=lambda each: each.cpu)
    for name, runs in rounds.items():
        best = min(runs, key=lambda each: each.cpu)
        wall = min(each.wall for each in runs)
        print(
            f"{name:22} CPU {best.cpu:6.2f} s ({best.cpu / base.cpu:5.2f} of mmlint's)  wall {wall:6.2f} s "
            f"({wall / min(each.wall for each in rounds[MMLINT]):5.2f})  {best.lines} lines"
        )
    least = {name: min(each.wall for each in runs) for name, runs in rounds.items()}
    times = (least[MMLINT] - least["mmlint, to start"]) / least["tree-sitter alone"]
    print(f"mmlint takes {times:.1f} times as long as tree-sitter alone, plus what it takes to start (wall)")


if __name__ == "__main__":
    main()
