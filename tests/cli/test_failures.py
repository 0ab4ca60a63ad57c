"""A rule that raises is told as an error; what the others find is reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
from mmlint import api
from mmlint.engine import check_file
from mmlint.facts.program import Program
from mmlint.facts.views.looked import Looked
from mmlint.finding import Hit
from mmlint.inputs.tree import FolderTree
from mmlint.rule import Rule, load

from tests.cli.conftest import BAD, GOOD, Run

PATCH = "".join(
    unified_diff(GOOD.splitlines(keepends=True), BAD.splitlines(keepends=True), "a/mm/good.c", "b/mm/good.c")
)


def explode(_: Any) -> Iterator[Hit]:
    """Raises before the first hit."""
    raise TypeError("of two\nlines")
    yield


def rule(code: str) -> Rule:
    return next(rule for rule in load() if rule.code == code)


FAILING = {
    "check": replace(rule("PTL101"), code="XXX101", check=explode),
    "compare": replace(rule("PTL118"), code="XXX101", compare=explode),
    "patch": replace(rule("PTL118"), code="XXX101", compare=None, check_patch=explode),
}
SAYS = "rule XXX101 failed (TypeError: of two lines; test_failures.py:"


@pytest.fixture(params=["check", "compare", "patch"])
def failing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kind of a rule that raises, run before PTL101."""
    monkeypatch.setattr(api, "selected", lambda _: [FAILING[request.param], rule("PTL101")])
    return str(request.param)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_check_goes_on(run: Run, tree: Path, failing: str, jobs: str) -> None:
    for number in range(9):
        (tree / f"mm/more{number}.c").write_text(GOOD + BAD.replace("grab", "grab2"), encoding="utf-8")
    result = run("check", "mm", "-o", "concise", "-j", jobs)
    assert result.stdout.count("PTL101") == 10, result.output
    assert result.exit_code == (2 if failing == "check" else 1)
    assert result.stderr.count(SAYS) == (11 if failing == "check" else 0)
    assert "--ignore XXX101 leaves the rule out" in result.stderr or failing != "check"


def test_a_patch_goes_on(run: Run, tree: Path, failing: str) -> None:
    result = run("patch", "-", "--tree", ".", "-o", "concise", stdin=PATCH)
    assert "PTL101" in result.stdout
    assert result.exit_code == 2
    assert result.stderr.count(SAYS) == 1


def test_counting_goes_on(tree: Path) -> None:
    odd = replace(rule("PTL101"), places=Looked("calls", lambda _: 1 // 0))
    failures: list[Any] = []
    assert len(check_file(Program(FolderTree(".")), "mm/bad.c", [odd], {}, failures)) == 1
    assert [(f.path, f.line) for f in failures] == [("mm/bad.c", 1)]
    assert "ZeroDivisionError" in failures[0].message


def test_without_a_place_for_them_failures_are_raised(tree: Path) -> None:
    with pytest.raises(TypeError):
        check_file(Program(FolderTree(".")), "mm/bad.c", [FAILING["check"]])
