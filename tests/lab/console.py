"""What a boot's console says: the outcome of each run, and the kernel's own reports with the lines they name."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.cache import folder

_LINE = re.compile(r"^LAB (\S+) (\d+) (holds|breaks|skip|hang|killed) ?(.*)$", re.MULTILINE)
_SPLAT = re.compile(
    r"^(?:.*\bBUG: .*|WARNING: .*|kernel BUG at .*|page dumped because.*|.*general protection fault.*)$", re.MULTILINE
)
_NOT_OURS = re.compile(rf"^{re.escape(str(folder()))}/[^/]*/|^\./| \(discriminator.*$")
_FRAME = re.compile(r"\b([A-Za-z_][\w.]*\+0x[0-9a-f]+)/0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program. `outcome` is holds, breaks, skip, hang or killed; `seen` is its own text."""

    program: str
    number: int
    outcome: str
    seen: str


@dataclass(frozen=True, slots=True)
class Report:
    """The kernel's own complaint: its first line, and the code positions (symbol+offset) that follow it."""

    text: str
    frames: tuple[str, ...]


def runs(console: str, program: str) -> tuple[Run, ...]:
    """The runs of a program, in order; the first thing that a run said counts."""
    found: dict[int, Run] = {}
    for name, number, outcome, seen in _LINE.findall(console):
        if name == program:
            found.setdefault(int(number), Run(name, int(number), outcome, seen.strip()))
    return tuple(found[number] for number in sorted(found))


def section(console: str, program: str) -> str:
    """The console from the begin of a program to its end, or to the end of the machine."""
    start = console.find(f"LAB {program} begin")
    if start < 0:
        return ""
    end = console.find(f"LAB {program} end", start)
    return console[start:] if end < 0 else console[start:end]


def reports(console: str) -> tuple[Report, ...]:
    """The kernel's complaints, in order."""
    starts = [*_SPLAT.finditer(console)]
    found = []
    for number, match in enumerate(starts, 1):
        end = starts[number].start() if number < len(starts) else len(console)
        frames = tuple(dict.fromkeys(_FRAME.findall(console[match.start() : end])))
        found.append(Report(match[0].strip(), frames))
    return tuple(found)


def lines_of(frames: tuple[str, ...], symbols: Path) -> tuple[str, ...]:
    """`file:line` of each position and of what is inlined there, by addr2line; empty where it cannot tell."""
    table = _addresses(symbols)
    wanted = [f"{table[name] + int(offset, 16):#x}" for name, offset in (f.split("+") for f in frames) if name in table]
    if not wanted:
        return ()
    command = ["addr2line", "-i", "-e", str(symbols), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    places = (_NOT_OURS.sub("", line) for line in done.stdout.splitlines())
    return tuple(dict.fromkeys(place for place in places if not place.startswith("??")))


def _addresses(symbols: Path) -> dict[str, int]:
    done = subprocess.run(["nm", str(symbols)], capture_output=True, text=True, check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}
