"""The lab's programs on Debian's own kernels in QEMU: what the model's intact kernel does, they do."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import pytest
from mmlint.sim.scenario import HOLDS

from tests.lab import judge, model
from tests.lab.cache import LabError
from tests.lab.experiment import Boot
from tests.lab.pairs import PAIRS
from tests.lab.stock import RELEASES, stock_image

# What counts free pages, or asks whether a page has left its CPU's batch for an LRU list, wants a machine that does
# nothing else: a distribution's kernel is still busy with itself. The lab's small kernel answers those.
WANTS_QUIET = ("early-copy.counts", "early-copy.complete", "leaks.reference")
PROGRAMS = tuple(dict.fromkeys(pair.program for pair in PAIRS if pair.program not in WANTS_QUIET))
TOOLS = ("qemu-system-x86_64", "gcc")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("MMLINT_QEMU" not in os.environ, reason="boots kernels, about 20 s each: set MMLINT_QEMU=1"),
]


@cache
def console(release: str, programs: tuple[str, ...] = PROGRAMS) -> str:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}")
    try:
        image: Path = stock_image(release)
    except LabError as error:
        pytest.skip(str(error))
    return Boot(image, programs, runs=1).console().read_text(encoding="utf-8")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("release", RELEASES)
def test_the_intact_kernel_does_what_the_model_says(release: str, program: str) -> None:
    pair = next(pair for pair in PAIRS if pair.program == program)
    seen = judge.whole(console(release), program)
    if seen.outcome == judge.BREAKS:  # a machine to itself, before the kernel is blamed
        seen = judge.whole(console(release, (program,)), program)
    if seen.outcome == judge.SKIP:
        pytest.skip(f"{release}: {seen.seen}")
    assert (seen.outcome, model.outcome(pair.scenario, pair.whole)) == (HOLDS, HOLDS), seen.seen
