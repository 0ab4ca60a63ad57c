"""What an audit costs: `audit.py TREE [--parts mm mm,fs all] [--others PART ...] [--svg FILE]`.

For each part of the tree: lines, processor seconds, wall seconds and peak memory of a cold run; for the last part also
a run with nothing changed and one with a changed file of mm/, for the one called `--alone` a run in a single process.
`--others` adds Coccinelle (our patterns in benchmarks/cocci) and ast-grep on the same files of these parts, as ratios
to the cold run; each gets `LIMIT` seconds. The tree is copied by hard links, below TMPDIR.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ALWAYS = ("include", "Makefile", "MAINTAINERS")
SPATCH = ("-j", "2", "--very-quiet", "-D", "report", "--no-includes", "--include-headers")
LIMIT = 1800
ASKED = ("pin_user_pages_fast($$$A)", "$A->_refcount", "$A->_mapcount")


@dataclass(frozen=True)
class Cost:
    """What one command took: `memory` is the peak of its largest process in MB."""

    cpu: float
    wall: float
    memory: float

    def __str__(self) -> str:
        return f"{self.cpu:8.1f} s CPU {self.wall:8.1f} s wall {self.memory:7.0f} MB"


def cost(words: list[str], cache: Path | None = None) -> Cost:
    """Run a command to its end."""
    began = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if cache is not None:
        environment["MMLINT_CACHE_DIR"] = str(cache)
    process = subprocess.Popen(
        ["timeout", str(LIMIT), *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, _, used = os.wait4(process.pid, 0)
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1024)


def part(tree: Path, folders: list[str], target: Path) -> int:
    """A copy of some folders of a tree; its lines of C."""
    names = [entry.name for entry in tree.iterdir()] if folders == ["all"] else [*folders, *ALWAYS]
    for name in dict.fromkeys(names):
        if (tree / name).is_dir():
            shutil.copytree(tree / name, target / name, copy_function=os.link, symlinks=True)
        elif (tree / name).is_file():
            os.link(tree / name, target / name)
    return sum(
        file.read_bytes().count(b"\n") for kind in ("*.c", "*.h") for file in target.rglob(kind) if file.is_file()
    )


def audit(tree: Path, cache: Path, jobs: int) -> Cost:
    return cost([sys.executable, "-m", "mmlint", "audit", str(tree), "--isolated", "-q", "-j", str(jobs)], cache)


def others(tree: Path, folders: list[str], cold: Cost) -> None:
    paths = [str(tree)] if folders == ["all"] else [str(tree / folder) for folder in folders]
    runs = [
        (
            f"spatch {file.name}",
            [["spatch", *SPATCH, "--sp-file", str(file), "--dir", p] for p in paths],
        )
        for file in sorted((HERE / "cocci").glob("*.cocci"))
        if shutil.which("spatch")
    ]
    grep = shutil.which("ast-grep") or shutil.which("ast-grep", path=str(Path(sys.executable).parent))
    runs += [(f"ast-grep {asked}", [[grep, "run", "-l", "c", "-p", asked, *paths]]) for asked in ASKED if grep]
    for name, commands in runs:
        cpu = sum(cost(words).cpu for words in commands)
        print(
            f"  {name:42} {cpu:8.1f} s CPU   {cpu / cold.cpu:5.2f} of the audit, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


def plot(rows: list[tuple[str, int, Cost]], file: Path) -> None:
    """Processor seconds and memory against lines."""
    lines, cpu, memory = (max(values) for values in zip(*((n, c.cpu, c.memory) for _, n, c in rows), strict=True))
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 300" font-family="sans-serif" font-size="12">']
    parts.append('<rect width="560" height="300" fill="#fff"/><path d="M60 30V260H500" fill="none" stroke="#888"/>')
    for color, what, most in (("#27c", "cpu", cpu), ("#c80", "memory", memory)):
        points = [(60 + 440 * n / lines, 260 - 220 * getattr(c, what) / most, c) for _, n, c in rows]
        path = " ".join(f"{x:.0f},{y:.0f}" for x, y, _ in [(60.0, 260.0, None), *points] if y)
        unit = f"{cpu:.0f} s CPU" if what == "cpu" else f"{memory:.0f} MB"
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(
            f'<text x="505" y="{points[-1][1] + (14 if what == "memory" else 0):.0f}" fill="{color}">{unit}</text>'
        )
    for at, (name, n, _) in enumerate(rows):
        x = 60 + 440 * n / lines
        parts.append(f'<path d="M{x:.0f} 256v8" stroke="#888"/>')
        parts.append(f'<text x="{x:.0f}" y="{276 + 12 * (at % 2)}" text-anchor="middle">{name}</text>')
    parts.append(f'<text x="300" y="298" text-anchor="middle">{lines / 1e6:.1f} million lines</text></svg>')
    file.write_text("\n".join(parts) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--parts", nargs="+", default=["mm", "mm,fs", "mm,fs,drivers", "all"])
    parser.add_argument("--others", nargs="*", default=[])
    parser.add_argument("--alone", default="mm,fs")
    parser.add_argument("--svg", type=Path)
    chosen = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs")
    rows = []
    for number, name in enumerate(chosen.parts, 1):
        with tempfile.TemporaryDirectory() as scratch:
            tree, cache = Path(scratch) / "tree", Path(scratch) / "cache"
            tree.mkdir()
            lines = part(chosen.tree, name.split(","), tree)
            cold = audit(tree, cache, 2)
            rows.append((name, lines, cold))
            print(f"{name:16} {lines:10} lines  cold    {cold}", flush=True)
            if number == len(chosen.parts):
                if chosen.svg:
                    plot(rows, chosen.svg)
                print(f"{'':35}nothing {audit(tree, cache, 2)}", flush=True)
                text = (tree / "mm/memory.c").read_bytes()
                (tree / "mm/memory.c").unlink()
                (tree / "mm/memory.c").write_bytes(text.replace(b"pte_unmap_unlock(", b"pte_unmap_unlock (", 1))
                print(f"{'':35}one file{audit(tree, cache, 2)}", flush=True)
            if name == chosen.alone:
                print(f"{'':35}alone   {audit(tree, Path(scratch) / 'alone', 1)}", flush=True)
            if name in chosen.others:
                others(tree, name.split(","), cold)


if __name__ == "__main__":
    main()
