"""Where the analysis is said to be compiled, it is: `make test-compiled` runs the other tests on it."""

from __future__ import annotations

import importlib
import os
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ANALYZER = ROOT / "analyzer"


def patterns() -> tuple[list[str], list[str]]:
    """What pyproject.toml has mypyc compile, and what of it is left out."""
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    hook = targets["wheel"]["hooks"]["mypyc"]
    return hook["include"], hook["exclude"]


def compiled() -> list[str]:
    """The modules that are compiled."""
    include, exclude = patterns()
    paths = [(path, f"/{path.relative_to(ROOT)}") for path in sorted(ANALYZER.rglob("*.py"))]
    return [
        ".".join(path.relative_to(ANALYZER).with_suffix("").parts)
        for path, name in paths
        if any(fnmatch(name, pattern.replace("**/", "*")) for pattern in include)
        and not any(fnmatch(name, f"*{pattern}") for pattern in exclude)
    ]


def test_what_is_left_out_exists() -> None:
    assert all((ROOT / name[1:]).exists() for name in patterns()[1] if name.startswith("/"))
    assert len(compiled()) > 100


@pytest.mark.skipif("MMLINT_COMPILED" not in os.environ, reason="make test-compiled")
@pytest.mark.parametrize("name", compiled())
def test_the_module_is_compiled(name: str) -> None:
    assert str(importlib.import_module(name).__file__).endswith(".so")
