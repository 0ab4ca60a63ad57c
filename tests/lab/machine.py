"""One boot of a virtual machine: no disk, no network, a hard time limit, everything it says on the serial line."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

MEMORY_MB = 1024
"""With less than 512 MB the kernel turns transparent huge pages off."""
POLL_SECONDS = 2
THROUGH = b"LAB done"
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ", re.MULTILINE)
ARGUMENTS = "console=ttyS0 no_timer_check numa=fake=2 printk.devkmsg=on ignore_loglevel panic=-1"


@cache
def accelerator(image: Path) -> tuple[str, ...]:
    """KVM if the image comes up under it within ten seconds, else TCG. A /dev/kvm alone says little."""
    kvm = ("-accel", "kvm")
    if Path("/dev/kvm").exists() and "Linux version" in _run(image, None, "console=ttyS0 panic=-1", 10, kvm):
        return kvm
    return ("-accel", "tcg,thread=multi")


def boot(image: Path, initramfs: Path, environment: dict[str, str], seconds: float) -> str:
    """What the machine says until it is through, or until the time is over."""
    words = " ".join(f"{name}={value}" for name, value in environment.items())
    return _run(image, initramfs, f"{ARGUMENTS} {words}", seconds, accelerator(image))


def _run(image: Path, initramfs: Path | None, arguments: str, seconds: float, accel: tuple[str, ...]) -> str:
    command = ["qemu-system-x86_64", *accel, "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB), "-no-reboot"]
    command += ["-nodefaults", "-display", "none", "-net", "none", "-serial", "stdio"]
    command += ["-kernel", str(image), "-append", arguments]
    command += ["-initrd", str(initramfs)] if initramfs else []
    with tempfile.NamedTemporaryFile() as console:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        try:
            _wait(process, Path(console.name), seconds)
        finally:
            process.kill()
            process.wait()
        return _STAMP.sub("", Path(console.name).read_text(encoding="utf-8", errors="replace").replace("\r", ""))


def _wait(process: subprocess.Popen[bytes], console: Path, seconds: float) -> None:
    """Until the machine goes down, has said that it is through (a broken one may not go down), or the time is over."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if THROUGH in console.read_bytes():
                end = min(end, time.monotonic() + POLL_SECONDS)
