"""Rules from another distribution, found by the entry point `mmlint.rules`."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def pack(run: Run, tree: Path, tmp_path: Path) -> Path:
    """An installed distribution with one rule, as `mmlint new-rule --pack` writes it; its folder goes on the path."""
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    words = ("PTL990", "sleep-in-demo", "sleeps in the demo", "--scenario", "S12", "--pack", "mm_pack")
    assert run("new-rule", *words, "--directory", str(tmp_path / "source")).exit_code == 0
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, check=True, capture_output=True, cwd=tmp_path / "source")
    [wheel] = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    return tmp_path / "site"


def with_pack(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))}


def mmlint(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmlint", *words]
    return subprocess.run(command, capture_output=True, text=True, env=with_pack(site), check=False)


def test_a_rule_of_a_pack_is_listed_and_runs(pack: Path, tree: Path) -> None:
    assert "PTL990  sleep-in-demo" in mmlint(pack, "rules", "PTL").stdout
    (tree / "mm/bad.c").write_text("void bad(struct folio *folio)\n{\n\tthe_function(folio);\n}\n", encoding="utf-8")
    result = mmlint(pack, "check", "mm/bad.c", "--select", "PTL990", "-o", "concise", "-q")
    assert result.stdout == "mm/bad.c:3:2: warning[PTL990] `the_function` is called\n"


def test_the_tests_of_a_pack_run(pack: Path) -> None:
    source = pack.parent / "source"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(source), "tests"]
    done = subprocess.run(command, capture_output=True, text=True, env=with_pack(pack), cwd=source, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_a_second_rule_leaves_the_pack_as_it_is(run: Run, tree: Path) -> None:
    for number, code in enumerate(("PTL990", "PTL991")):
        words = (code, f"demo-{number}", "a demo", "--scenario", "S12", "--pack", "mm_pack")
        assert run("new-rule", *words).exit_code == 0
        if number == 0:
            (tree / "pyproject.toml").write_text("# mine\n", encoding="utf-8")
    assert (tree / "pyproject.toml").read_text(encoding="utf-8") == "# mine\n"
    assert {path.name for path in (tree / "mm_pack").iterdir()} == {"__init__.py", "demo_0.py", "demo_1.py"}
    wrong = run("new-rule", "PTL992", "demo-2", "a demo", "--scenario", "S12", "--pack", "My-Rules")
    assert (wrong.exit_code, "words in lower case with underscores" in wrong.stderr) == (2, True)


def test_a_broken_pack_is_one_line(pack: Path, tree: Path) -> None:
    rule = pack / "mm_pack/sleep_in_demo.py"
    text = rule.read_text(encoding="utf-8")
    rule.write_text(text.replace('code="PTL990"', 'code="PTL101"'), encoding="utf-8")
    for words in (("rules",), ("check", "mm")):
        result = mmlint(pack, *words)
        assert result.returncode == 2
        assert result.stderr.startswith("mmlint: rule PTL101 (")
        assert result.stderr.count("\n") == 1
