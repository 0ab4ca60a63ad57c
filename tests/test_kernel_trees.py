"""The analysis on real kernel trees: locks against a table made by hand, planted bugs, silence, the same output."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest
from mmlint.api import check_paths
from mmlint.cli import app
from mmlint.engine import check_function
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import locks
from mmlint.facts.program import Program
from mmlint.finding import Finding, Severity
from mmlint.inputs.tree import FolderTree, OverlayTree
from mmlint.rule import load
from mmlint.settings import Settings
from typer.testing import CliRunner

from tests.kernel_locks import KNOWN, OTHER_IN_6_1, READ, Known, Row
from tests.kernel_plants import BUGS, DUP, TWINS

pytestmark = pytest.mark.kernel
_WORDS = {"pte_map": "map", "lazy_mmu": "lazy"}
_ALWAYS = {"ptl", "walk", "map", "lazy", "spin"}


def kernels() -> list[Path]:
    named = [Path(part) for part in os.environ.get("MMLINT_KERNELS", "").split(":") if part]
    return [path for path in named or sorted((Path.home() / "kernel").glob("linux-source-*")) if (path / "mm").is_dir()]


TREES = pytest.mark.parametrize("tree", kernels() or [None], ids=lambda tree: tree.name if tree else "none")


def needed(tree: Path | None) -> Path:
    if tree is None:
        pytest.skip("no kernel tree (MMLINT_KERNELS)")
    return tree


@cache
def program(tree: Path) -> Program:
    return Program(FolderTree(tree))


def function_of(tree: Path, row: Row) -> Function | None:
    named = program(tree).named(row.path, row.function)
    return max(named, key=lambda function: len(function.text), default=None)


def call_of(function: Function, name: str) -> Expr | None:
    name, _, number = name.partition("#")
    calls = sorted((call for _, call in function.calls.get(name, ())), key=lambda call: (call.line, call.column))
    wanted = int(number or 1) - 1
    return calls[wanted] if wanted < len(calls) else None


def word(held: Held) -> str:
    if held.gone:
        return "-ptl" if held.kind in ("ptl", "spin") else "-" + _WORDS.get(held.kind, held.kind)
    return _WORDS.get(held.kind, held.kind)


def states(text: str) -> set[tuple[str, ...]]:
    return {tuple(sorted(state.replace("none", "").split())) for state in text.split("|")}


def found_at(function: Function, call: Expr, expected: str) -> str:
    looked_at = _ALWAYS | {word.lstrip("-") for state in states(expected) for word in state}
    found = set()
    for prop in locks(function).held(call):
        words = sorted(w for w in map(word, prop) if w.lstrip("-") in looked_at)
        found.add(" ".join(words) or "none")
    return " | ".join(sorted(found)) or "unreachable"


def difference(tree: Path, row: Row) -> str | None:
    """What is wrong with a row on a tree, "" if nothing, None if the tree has no such call."""
    function = function_of(tree, row)
    call = call_of(function, row.call) if function is not None else None
    if function is None or call is None:
        return None
    found = found_at(function, call, row.held)
    where = f"{row.path}:{call.line} {row.function}: {row.call}"
    return "" if states(found) == states(row.held) else f"{where}: read {row.held}, found {found}"


def rows_for(tree: Path) -> list[Row]:
    other = {row[:3]: row for row in OTHER_IN_6_1} if program(tree).tables.release == "6.1" else {}
    return [other.get(row[:3], row) for row in READ]


@TREES
def test_locks_held_agree_with_the_code(tree: Path | None) -> None:
    checked = {row: difference(needed(tree), row) for row in rows_for(needed(tree))}
    functions = {row.function for row, wrong in checked.items() if wrong is not None}
    assert [wrong for wrong in checked.values() if wrong] == []
    assert len(functions) >= 40, "too many functions of the table are not in this tree"


@TREES
@pytest.mark.parametrize("known", KNOWN, ids=lambda known: f"{known.row.function}-{known.row.call}")
def test_known_differences_of_locks_are_still_there(tree: Path | None, known: Known) -> None:
    if program(needed(tree)).tables.release != "6.12":
        pytest.skip("written down for 6.12")
    function = function_of(needed(tree), known.row)
    call = call_of(function, known.row.call) if function is not None else None
    assert function is not None
    assert call is not None
    assert states(found_at(function, call, known.row.held)) == states(known.found), "move the row to READ"


# -------------------------------------------------------------------- plants

HEART = ("REF101", "COW101", "GUP101", "PTL101")
MARK = re.compile(r"/\* ([A-Z]{3}\d{3}) \*/")


def planted(tree: Path, text: str) -> tuple[int, list[Finding]]:
    """What the four heart rules find in functions appended to mm/memory.c, and the number of lines before them."""
    release = program(tree).tables.release
    spelled = text.replace("@DUP@", DUP["6.1" if release == "6.1" else "6.12"])
    original = (tree / "mm/memory.c").read_bytes()
    changed = OverlayTree(FolderTree(tree), {"mm/memory.c": original + spelled.encode()})
    state = Program(changed, program(tree), frozenset({"mm/memory.c"}))
    before = original.count(b"\n")
    rules = [rule for rule in load() if rule.code in HEART]
    functions = [f for f in state.functions("mm/memory.c") if f.line > before]
    assert len(functions) == len(re.findall(r"^\{", text, re.MULTILINE)), "a planted function is not read"
    return before, [finding for function in functions for finding in check_function(function, rules)]


@TREES
def test_every_planted_bug_is_found(tree: Path | None) -> None:
    before, findings = planted(needed(tree), BUGS)
    marks = {(n, mark[1]) for n, line in enumerate(BUGS.splitlines(), 1) for mark in MARK.finditer(line)}
    assert len(marks) == 12
    assert {(f.line - before, f.code) for f in findings} == marks
    assert {f.severity for f in findings if f.code != "GUP101"} == {Severity.ERROR}


@TREES
def test_the_clean_twins_are_silent(tree: Path | None) -> None:
    _, findings = planted(needed(tree), TWINS)
    assert [f.message for f in findings if f.severity is not Severity.INFO] == []


# ------------------------------------------------------------- the whole mm/


@TREES
@pytest.mark.slow
def test_mm_itself_has_no_raw_counts_and_no_unguarded_fork(tree: Path | None) -> None:
    report = check_paths([str(needed(tree) / "mm")], Settings(select=("REF101", "COW101"), jobs=2))
    assert report.stats.functions > 5000
    assert report.errors == []
    assert [f for f in report.findings if f.severity is not Severity.INFO] == []


@TREES
@pytest.mark.slow
def test_output_does_not_depend_on_the_number_of_processes(tree: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(needed(tree))
    files = [
        "filemap",
        "gup",
        "huge_memory",
        "khugepaged",
        "madvise",
        "memory",
        "migrate",
        "mprotect",
        "rmap",
        "vmscan",
    ]
    outputs = {
        CliRunner()
        .invoke(app, ["check", *(f"mm/{n}.c" for n in files), "--isolated", "-o", "full", "--jobs", jobs])
        .stdout_bytes
        for jobs in ("1", "2")
    }
    [output] = outputs
    assert b"mm/rmap.c" in output
