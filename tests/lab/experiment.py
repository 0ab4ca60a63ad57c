"""One boot as a value: which image, which edit, which programs; its console is kept and never made twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab.cache import LabError, cached, key_of
from tests.lab.image import initramfs
from tests.lab.machine import boot

RUN_SECONDS = 15
"""A trial that takes longer hangs."""
BOOT_SECONDS = 60
ATTEMPTS = 2
WHOLE = "none"


@dataclass(frozen=True, slots=True)
class Boot:
    """A machine with one kernel image, the edit thrown before each trial (or `none`), and the programs it runs."""

    image: Path
    programs: tuple[str, ...]
    edit: str = WHOLE
    runs: int = 3

    def console(self) -> Path:
        """The file with everything the machine said, from the cache if this boot was made before."""
        key = key_of(
            self.image.name.encode(), initramfs().name.encode(), repr((self.edit, self.programs, self.runs)).encode()
        )
        return cached(f"consoles/{self.edit}-{key}", self._boot)

    def _boot(self, target: Path) -> None:
        environment = {"edit": self.edit, "programs": ",".join(self.programs), "runs": str(self.runs)}
        environment["limit"] = str(RUN_SECONDS)
        seconds = BOOT_SECONDS + RUN_SECONDS * len(self.programs) * self.runs
        for _ in range(ATTEMPTS):
            console = boot(self.image, initramfs(), environment, seconds)
            if "LAB kernel" in console:
                target.write_text(console, encoding="utf-8")
                return
        raise LabError(f"{self.image.name} does not come up in {seconds:.0f} s; the last it said: {console[-200:]!r}")
