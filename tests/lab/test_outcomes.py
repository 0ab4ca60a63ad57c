"""From what a machine says to outcomes, and the tables of mutations and pairs against tree and simulator."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mmlint.output.page import page
from mmlint.rule import load
from mmlint.sim.scenario import HOLDS, kernels_shown
from mmlint.sim.scenarios import all_scenarios

from tests.lab import console, judge, model
from tests.lab.cache import LabError, cached
from tests.lab.edits import HEADER, SWITCH_C
from tests.lab.image import _entry
from tests.lab.mutations import MUTATIONS, by_name
from tests.lab.pairs import PAIRS, Pair
from tests.lab.tree import edited_files, release

PROGRAMS = Path(__file__).parent / "programs"
TEXT = """\
LAB kernel 6.12.117 edit=x
LAB one begin
LAB one 0 holds device reads B
LAB one 1 breaks device reads A
LAB one end
LAB two begin
BUG: sleeping function called from invalid context at mm/x.c:1
 ? copy_page_range+0x13c1/0x17d2
 ? copy_process+0x1002/0x1c29
LAB two 0 holds done
LAB two end
LAB three begin
LAB three 0 hang no end within 15 s
"""
TREES = [Path(folder) for folder in os.environ.get("MMLINT_KERNELS", "").split(os.pathsep) if folder]


def test_runs_are_told_apart() -> None:
    assert [(run.outcome, run.seen) for run in console.runs(TEXT, "one")] == [
        ("holds", "device reads B"),
        ("breaks", "device reads A"),
    ]
    assert console.runs(TEXT, "four") == ()


def test_a_report_belongs_to_its_program_and_has_positions() -> None:
    (report,) = console.reports(console.section(TEXT, "two"))
    assert report.text == "BUG: sleeping function called from invalid context at mm/x.c:1"
    assert report.frames == ("copy_page_range+0x13c1", "copy_process+0x1002")
    assert console.reports(console.section(TEXT, "one")) == ()


@pytest.mark.parametrize(
    ("program", "outcome"),
    [("one", judge.BREAKS), ("two", judge.BREAKS), ("three", judge.BREAKS), ("four", judge.SKIP)],
)
def test_a_whole_kernel_holds_only_without_a_word(program: str, outcome: str) -> None:
    assert judge.whole(TEXT, program).outcome == outcome


def test_every_pair_names_what_is_there() -> None:
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)
    assert {pair.mutation for pair in PAIRS} == set(by_name())
    for pair in PAIRS:
        file, _, part = pair.program.partition(".")
        assert f"LITMUS({part or 'main'}, " in (PROGRAMS / f"{file}.c").read_text(encoding="utf-8"), pair.name


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_model_holds_on_the_whole_kernel(pair: Pair) -> None:
    assert model.outcome(pair.scenario, pair.whole) == HOLDS


def test_what_was_shown_are_scenarios_and_rule_pages_say_so() -> None:
    shown = kernels_shown()
    assert shown
    assert set(shown) <= {scenario.name for scenario in all_scenarios()}
    rule = next(rule for rule in load() if rule.scenario.name in shown)
    assert f"Shown on a real kernel, whole and with the guard taken out: {shown[rule.scenario.name][0]}" in page(rule)


@pytest.mark.kernel
def test_every_edit_fits_the_tree_and_moves_no_line() -> None:
    tree = next((tree for tree in TREES if release(tree).startswith("6.12.")), None)
    if tree is None:
        pytest.skip("no 6.12 among MMLINT_KERNELS")
    files = edited_files(tree)
    assert {edit.file for mutation in MUTATIONS for edit in mutation.edits} <= set(files)
    for name, text in files.items():
        if HEADER not in name and name not in (SWITCH_C, "mm/Makefile"):
            assert text.count("\n") == (tree / name).read_text(encoding="utf-8").count("\n"), name


def test_what_is_cached_is_made_once_and_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMLINT_LAB", str(tmp_path / "lab"))
    made = []

    def make(target: Path) -> None:
        made.append(target)
        target.write_text("half")
        if len(made) == 1:
            raise LabError("no")

    with pytest.raises(LabError):
        cached("consoles/x", make)
    assert not (tmp_path / "lab/consoles/x").exists()
    assert [cached("consoles/x", make).read_text() for _ in range(2)] == ["half", "half"]
    assert len(made) == 2


def test_an_archive_entry_is_aligned() -> None:
    entry = _entry(1, "init", 0o100755, b"12345")
    assert entry[:6] == b"070701"
    assert len(entry) == 110 + len("init") + 1 + 1 + 8
