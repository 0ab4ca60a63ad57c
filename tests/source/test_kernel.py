"""The front end on real kernel trees, against universal-ctags."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmarks.frontend import compare, listed_functions, texts_of

pytestmark = pytest.mark.kernel


def kernels() -> list[Path]:
    named = [Path(part) for part in os.environ.get("MMLINT_KERNELS", "").split(":") if part]
    return [path for path in named or sorted((Path.home() / "kernel").glob("linux-source-*")) if (path / "mm").is_dir()]


@pytest.mark.parametrize("tree", kernels() or [None], ids=lambda tree: tree.name if tree else "none")
@pytest.mark.parametrize("folder", ["mm", "kernel/events", "lib"])
def test_every_function_is_found_and_read(tree: Path | None, folder: str) -> None:
    if tree is None:
        pytest.skip("no kernel tree (MMLINT_KERNELS)")
    if shutil.which("ctags") is None:
        pytest.skip("universal-ctags is not installed")
    texts = texts_of(tree, sorted(path.relative_to(tree) for path in (tree / folder).glob("*.c")))
    result = compare(texts, listed_functions(tree, list(texts)))
    assert result.listed > 100
    assert result.same_share >= 0.998, result.differences
    assert result.read_share >= 0.995, result.damaged
