"""The source distribution holds what its own documents and its Makefile name: `make` runs from it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TELLING = ("Makefile", "README.md", "CONTRIBUTING.md", "pyproject.toml", ".ci/demo", ".ci/run", ".ci/wheel")
"""Files that name others."""
MADE = {".venv", "dist", "build"}


def named(text: str) -> Iterator[str]:
    """The files and folders of the project that a text names."""
    for word in set(re.findall(r"\.?\w[\w./-]*", text)):
        path = word.rstrip("./")
        if ("." in path or "/" in path) and path not in MADE and (ROOT / path).exists():
            yield path


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The files of a source distribution with their modes."""
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("sdist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        return {each.name.partition("/")[2]: each.mode for each in packed.getmembers() if each.isfile()}


def test_what_is_named_is_in_it(members: dict[str, int]) -> None:
    folders = {parent.as_posix() for name in members for parent in Path(name).parents}
    wanted = {(teller, name) for teller in TELLING for name in named((ROOT / teller).read_text(encoding="utf-8"))}
    assert {".ci/environment.py", "docs/bot.md", "CONTRIBUTING.md", "tests/lab/run.py"} <= {name for _, name in wanted}
    assert sorted(each for each in wanted if each[1] not in members and each[1] not in folders) == []


def test_it_holds_all_that_is_kept(members: dict[str, int]) -> None:
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if kept.returncode:
        pytest.skip("not a git repository")
    there = [name for name in kept.stdout.splitlines() if (ROOT / name).exists()]
    assert sorted(set(there) - set(members)) == []


def test_what_is_run_may_be_run(members: dict[str, int]) -> None:
    scripts = [name for name in members if name.startswith(".ci/") and "." not in Path(name).name]
    assert len(scripts) >= 3
    assert [name for name in scripts if (ROOT / name).stat().st_mode & 0o100 and not members[name] & 0o100] == []
