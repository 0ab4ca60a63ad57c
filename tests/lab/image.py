"""The litmus programs as one static binary, and the initramfs that holds nothing but it."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

from tests.lab.cache import LabError, cached, key_of

PROGRAMS = Path(__file__).parent / "programs"
FLAGS = ("-static", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread")


def binary() -> Path:
    """The compiled programs, from the cache if no source has changed. Raises `LabError`."""
    sources = sorted(PROGRAMS.glob("*.c"))
    key = key_of(*(file.read_bytes() for file in sorted(PROGRAMS.iterdir())), " ".join(FLAGS).encode())
    return cached(f"programs-{key}", lambda target: _compile(sources, target))


def _compile(sources: list[Path], target: Path) -> None:
    command = ["gcc", *FLAGS, "-o", str(target), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"the litmus programs do not compile: {done.stderr.strip().splitlines()[0]}")


def initramfs() -> Path:
    """A cpio archive with the binary as /init."""
    program = binary()
    return cached(f"initramfs-{program.name}.gz", lambda target: _pack(program, target))


def _pack(program: Path, target: Path) -> None:
    files = (("dev", 0o040755, b""), ("dev/console", 0o020600, b""), ("init", 0o100755, program.read_bytes()))
    archive = b"".join(_entry(number, *file) for number, file in enumerate(files, 1)) + _entry(0, "TRAILER!!!", 0, b"")
    target.write_bytes(gzip.compress(archive, compresslevel=1, mtime=0))


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    """One file in the `newc` format. The console is character device 5:1."""
    device = (5, 1) if mode & 0o170000 == 0o020000 else (0, 0)
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
