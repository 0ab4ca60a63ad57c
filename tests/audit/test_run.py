"""What an audit does again, and what it does not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from mmlint.audit.run import Audit
from mmlint.finding import Report, Severity
from mmlint.output import WRITERS, Context
from mmlint.settings import Level

from tests.audit.conftest import BAD, GOOD, Progress, Run
from tests.audit.test_interest import FOREIGN_TOO
from tests.test_kernel_trees import TREES, needed

FOREIGN = "void f(struct box *b)\n{\n\tspin_lock(&b->lock);\n\tmsleep(10);\n\tspin_unlock(&b->lock);\n}\n"


def shown(done: Audit) -> dict[str, str]:
    """The report in every format that does not tell the time."""
    names = ("full", "jsonl", "sarif")
    return {name: WRITERS[name].render(done.report, Context("audit")) for name in names}


def places(report: Report) -> list[str]:
    return sorted({finding.path for finding in report.findings if finding.code == "PTL101"})


def test_the_whole_tree_is_audited_without_what_does_not_run_in_the_kernel(run: Run) -> None:
    done = run()
    assert places(done.report) == ["drivers/gpu/drm/bad.c", "fs/proc/bad.c", "mm/bad.c"]
    assert done.report.findings == sorted(done.report.findings, key=lambda f: f.sort_key)
    assert done.report.errors == []


def test_a_file_that_names_nothing_of_interest_is_not_analysed(run: Run, tree: Path) -> None:
    done = run()
    assert "lib/dull.c" not in done.report.whole
    assert "fs/proc/good.c" in done.report.whole
    assert done.analysed == done.passed == len(done.report.whole) < done.files
    (tree / "mm/dull.c").write_text((tree / "lib/dull.c").read_text())
    assert "mm/dull.c" in run().report.whole


def test_every_file_is_read_on_demand(run: Run, tree: Path) -> None:
    (tree / "lib/sleeps.c").write_text(FOREIGN)
    assert "lib/sleeps.c" not in run().report.whole
    done = run(every=True)
    assert {"lib/dull.c", "lib/sleeps.c"} <= set(done.report.whole)
    assert "lib/sleeps.c" in places(done.report)
    assert set(places(run().report)) == set(places(done.report)) - {"lib/sleeps.c"}
    assert run(every=True).analysed == 0


@pytest.mark.kernel
@TREES
@pytest.mark.parametrize("folder", ["arch/arm/mm", "drivers/vfio"])
def test_what_is_passed_over_in_a_kernel_is_of_foreign_locks_and_things(
    tree: Path | None, folder: str, run: Run, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    shutil.copytree(needed(tree) / folder, part / folder, ignore=lambda _, names: [n for n in names if n[-2:] == ".S"])
    shutil.copy(needed(tree) / "Makefile", part)
    few, everything = (
        run(keep=False, every=every, root=part, select=("ALL",), preview=True) for every in (False, True)
    )
    assert 0 < few.passed < everything.passed
    said = set(map(str, few.report.findings))
    assert said <= set(map(str, everything.report.findings))
    assert {f.code for f in everything.report.findings if str(f) not in said} <= FOREIGN_TOO


def test_the_second_run_analyses_nothing_and_says_the_same(run: Run) -> None:
    first = run()
    counter = Progress()
    second = run(counter)
    assert (second.analysed, counter.count, second.passed) == (0, 0, first.passed)
    assert shown(second) == shown(first)
    assert second.report.stats.functions == first.report.stats.functions > 0


def test_without_kept_results_everything_is_done(run: Run) -> None:
    first = run()
    again = run(keep=False)
    assert again.analysed == first.analysed
    assert shown(again) == shown(first)


def test_a_changed_file_is_done_again_alone(run: Run, tree: Path) -> None:
    run()
    (tree / "fs/proc/good.c").write_text(BAD)
    (tree / "mm/bad.c").write_text(GOOD)
    done = run()
    assert done.analysed == 2
    assert places(done.report) == ["drivers/gpu/drm/bad.c", "fs/proc/bad.c", "fs/proc/good.c"]
    assert shown(done) == shown(run(keep=False))


def test_a_touched_file_with_the_same_text_is_not_done_again(run: Run, tree: Path) -> None:
    run()
    os.utime(tree / "mm/bad.c", ns=(1, 1))
    assert run().analysed == 0


def test_a_header_counts_for_its_folder(run: Run, tree: Path) -> None:
    run()
    (tree / "fs/proc/internal.h").write_text("#define A 1\n")
    assert run().analysed == 2


def test_a_removed_file_takes_its_findings_along(run: Run, tree: Path) -> None:
    run()
    (tree / "mm/bad.c").unlink()
    done = run()
    assert (done.analysed, places(done.report)) == (0, ["drivers/gpu/drm/bad.c", "fs/proc/bad.c"])


def test_other_rules_are_another_result(run: Run) -> None:
    first = run()
    assert run(exit_zero=True, severity=(Level("PTL101", Severity.INFO),)).analysed == 0, "policy changes no result"
    assert run(select=("PTL103",)).analysed == first.analysed


@pytest.mark.parametrize("stop_after", [1, 5, 9])
def test_a_run_that_was_stopped_goes_on_where_it_stood(run: Run, stop_after: int) -> None:
    whole = run(keep=False)
    stopped = run(Progress(stop_after))
    assert (stopped.report.interrupted, whole.report.interrupted) == (True, False)
    assert stopped.analysed == stop_after
    assert set(places(stopped.report)) <= set(places(whole.report))
    rest = run()
    assert rest.analysed == whole.analysed - stop_after
    assert shown(rest) == shown(whole)


def test_a_damaged_store_is_begun_anew(run: Run, tmp_path: Path) -> None:
    first = run()
    [file] = (tmp_path / "cache").glob("audit-*.sqlite")
    file.write_bytes(b"this is no database, but longer than a header of one would be" * 30)
    again = run()
    assert again.analysed == first.analysed
    assert shown(again) == shown(first)
    assert run().analysed == 0


def test_a_store_that_cannot_be_used_costs_nothing_but_time(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    done = run()
    assert len(places(done.report)) == 3


def test_inline_ignores_hold_in_kept_results(run: Run, tree: Path) -> None:
    [line] = [f.line for f in run().report.findings if (f.code, f.path) == ("PTL101", "mm/bad.c")][:1]
    text = BAD.splitlines()
    text.insert(line - 1, "\t/* mmlint: ignore[PTL101] shown in review */")
    (tree / "mm/bad.c").write_text("\n".join(text) + "\n")
    first, second = run(), run()
    assert [item.finding.path for item in first.report.suppressed] == ["mm/bad.c"]
    assert first.report.suppressed == second.report.suppressed
    assert second.analysed == 0


@pytest.mark.parametrize("name", ["missing", "mm/bad.c"])
def test_what_is_no_tree_is_one_clear_line(run: Run, tree: Path, name: str) -> None:
    [error] = run(root=tree / name).report.errors
    assert error.message.endswith("no such folder; name a kernel tree")


def test_a_tree_without_code_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    [error] = run(root=tmp_path / "empty").report.errors
    assert "no C files" in error.message


def test_a_name_that_is_no_text_is_audited(run: Run, tree: Path) -> None:
    with open(os.fsencode(tree) + b"/mm/b\xe9d.c", "w") as file:  # noqa: PTH123
        file.write(BAD)
    first, second = run(), run()
    assert "mm/b\udce9d.c" in places(first.report)
    assert (second.analysed, shown(second)) == (0, shown(first))
