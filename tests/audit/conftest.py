from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mmlint.audit.run import Audit, audit
from mmlint.finding import Report
from mmlint.kernel.tables import tables
from mmlint.settings import Settings

FIXTURES = Path(__file__).parents[2] / "fixtures"
BAD = (FIXTURES / "PTL101-sleep-under-ptl/bad.c").read_text(encoding="utf-8")
GOOD = (FIXTURES / "PTL101-sleep-under-ptl/good.c").read_text(encoding="utf-8")
DULL = "int add(int a, int b)\n{\n\treturn a + b;\n}\n"


class Progress:
    """Counts what is analysed, and stops the run, as Ctrl-C does, after so many files."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.total = self.count = 0
        self.stop_after = stop_after

    def start(self, total: int, what: str, report: Report | None = None) -> None:
        self.total = total

    def advance(self, n: int = 1) -> None:
        self.count += n
        if self.count == self.stop_after:
            raise KeyboardInterrupt

    def done(self) -> None:
        pass


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mini tree with three bad files, a good one, and one of no interest."""
    monkeypatch.setenv("MMLINT_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "linux"
    shutil.copytree(FIXTURES / "trees/mini", root)
    for name, text in {
        "mm/bad.c": BAD,
        "drivers/gpu/drm/bad.c": BAD,
        "fs/proc/bad.c": BAD,
        "fs/proc/good.c": GOOD,
        "lib/dull.c": DULL,
        "tools/testing/selftests/mm/bad.c": BAD,
        "drivers/misc/selftests/bad.c": BAD,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


Run = Callable[..., Audit]


@pytest.fixture
def run(tree: Path, tmp_path: Path) -> Run:
    """An audit of the tree in one worker process, with kept results; one rule unless others are selected."""

    def invoke(
        progress: Progress | None = None,
        *,
        keep: bool = True,
        every: bool = False,
        root: Path = tree,
        **settings: object,
    ) -> Audit:
        chosen = {"select": ("PTL101",), **settings}
        made = Settings(jobs=1, isolated=True, **chosen)  # type: ignore[arg-type]
        folder = tmp_path / "cache" if keep else None
        return audit(str(root), made, tables(), folder=folder, progress=progress, every=every)

    return invoke
