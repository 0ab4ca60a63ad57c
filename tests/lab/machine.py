"""One boot of a virtual machine: no disk, no network, a hard time limit, everything it says on the serial line."""

from __future__ import annotations

import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

MEMORY_MB = 1024
"""With less than 512 MB the kernel turns transparent huge pages off."""
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
    with tempfile.TemporaryFile() as console:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        console.seek(0)
        return _STAMP.sub("", console.read().decode("utf-8", "replace").replace("\r", ""))
