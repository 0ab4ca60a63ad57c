"""The simulator's present-day kernel against the kernel under this machine, program by program."""

from __future__ import annotations

import platform
import sys

import pytest

from tests.conformance.compare import compare
from tests.conformance.programs import PROGRAMS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux"
    or platform.machine() != "x86_64"
    or tuple(map(int, platform.release().split(".")[:2])) < (6, 0),
    reason="the model's present-day kernel is Linux 6.0 or newer; the programs know x86-64",
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_kernel_does_what_the_model_says(name: str) -> None:
    result = compare(name)
    if result.skipped:
        pytest.skip(f"{platform.release()}: {result.seen}")
    assert result.agrees, f"model: {result.model}; kernel {platform.release()}: {dict(result.kernel)}; {result.seen}"
