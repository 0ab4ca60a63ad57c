"""The policy report: places that rules looked at, and what came of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from mmlint.audit.page import render
from mmlint.audit.policies import CHECKED, policies
from mmlint.cli import app
from mmlint.engine import check_file
from mmlint.facts.program import Program
from mmlint.finding import Policy, Report
from mmlint.inputs.tree import EmptyTree, OverlayTree
from mmlint.kernel.tables import tables
from mmlint.output import WRITERS, Context
from mmlint.output.schema import schema
from mmlint.output.text import policies as lines
from mmlint.rule import Rule, find, load
from mmlint.settings import Settings
from mmlint.tally import Looks
from typer.testing import CliRunner

from tests.audit.conftest import BAD, GOOD, Run

FIXTURES = Path(__file__).parents[2] / "fixtures"
GUP = """
int pin_it(unsigned long at, struct page **pages)
{
	return pin_user_pages_fast(at, 1, FOLL_WRITE, pages);
}

int pin_two(unsigned long at, struct page **pages)
{
	int got = pin_user_pages_fast(at, 2, FOLL_WRITE | FOLL_LONGTERM, pages);

	return got < 0 ? got : pin_it(at, pages);
}
"""


def looked(text: str, code: str) -> tuple[int, int]:
    """The places of one rule in one file, and those that break it."""
    rule = find(code)
    assert rule is not None
    places: dict[str, tuple[int, int]] = {}
    check_file(Program(OverlayTree(EmptyTree(), {"mm/a.c": text.encode()})), "mm/a.c", [rule], places)
    return places.get(code, (0, 0))


def row(report: Report, code: str) -> Policy:
    return next(each for each in report.policies if each.code == code)


@pytest.mark.parametrize(
    ("code", "places"),
    [("GUP104", 2), ("GUP102", 1), ("GUP113", 0), ("PTL101", 0), ("REF101", 0), ("REF108", 3)],
)
def test_calls_are_counted_not_files(code: str, places: int) -> None:
    """REF108 follows what the helper takes for its caller, too."""
    assert looked(GUP, code)[0] == places


def test_calls_in_atomic_sections_are_counted_and_no_others() -> None:
    text = "void f(struct t *t)\n{\n\tg(t);\n\tspin_lock(&t->lock);\n\th(t);\n\tspin_unlock(&t->lock);\n\tg(t);\n}\n"
    assert looked(text, "PTL101") == (2, 0), "h, and the unlocking call"
    assert looked(
        "void f(struct t *t)\n{\n\tmutex_lock(&t->lock);\n\th(t);\n\tmutex_unlock(&t->lock);\n}\n", "PTL101"
    ) == (0, 0)


def test_a_bad_fixture_has_broken_places_and_the_good_one_has_as_many_that_pass() -> None:
    places, broken = looked(BAD, "PTL101")
    assert 0 < broken <= places
    places, broken = looked(GOOD, "PTL101")
    assert (places > 0, broken) == (True, 0)


@pytest.mark.parametrize("rule", [rule for rule in load() if rule.check is not None], ids=lambda rule: rule.code)
def test_every_rule_looks_at_something_in_its_bad_fixture(rule: Rule) -> None:
    unit = Looks(tables()).unit(rule)
    [folder] = FIXTURES.glob(f"{rule.code}-*")
    counts = [looked(file.read_text(encoding="utf-8"), rule.code) for file in sorted(folder.glob("bad*.c"))]
    assert unit
    assert all(places > 0 for places, _ in counts)


def test_a_rule_that_does_not_say_is_not_counted() -> None:
    rule = find("PTL101")
    assert rule is not None
    silent = replace(rule, places=None, module=rule.module)
    places: dict[str, tuple[int, int]] = {}
    check_file(Program(OverlayTree(EmptyTree(), {"mm/a.c": GUP.encode()})), "mm/a.c", [silent], places)
    assert places == {"PTL101": (-1, 0)}
    assert Looks(tables()).unit(silent) == ""
    both = Report(places=dict(places))
    both.extend(Report(places=dict(places)))
    assert both.places == places


def test_the_report_of_a_tree(run: Run) -> None:
    done = run()
    ptl = row(done.report, "PTL101")
    assert (ptl.state, ptl.what) == (CHECKED, "calls inside atomic sections")
    assert ptl.places is not None
    assert ptl.passed == ptl.places - ptl.broken
    assert ptl.failed == sum(finding.code == "PTL101" for finding in done.report.findings) > 0
    assert row(done.report, "GUP101").state == "not selected by the policy"
    assert row(run(select=("PAT",)).report, "PAT106").state == "compares two states: runs on patches"
    assert run().report.policies == done.report.policies, "kept results are counted, too"


def test_what_the_policy_silences_is_told_apart(run: Run, tree: Path) -> None:
    [line] = [f.line for f in run().report.findings if (f.code, f.path) == ("PTL101", "mm/bad.c")][:1]
    text = BAD.splitlines()
    text.insert(line - 1, "\t/* mmlint: ignore[PTL101] shown in review */")
    (tree / "mm/bad.c").write_text("\n".join(text) + "\n")
    file = tree.parent / "known.toml"
    file.write_text('[[suppression]]\ncode = "PTL101"\npath = "fs/proc/*"\nreason = "seen"\n')
    found = row(run(suppressions=str(file), per_file_ignores=(("drivers/**", ("PTL101",)),)).report, "PTL101")
    each = len([f for f in run().report.findings if f.path == "fs/proc/bad.c"])
    assert (found.inline, found.file, found.left_out) == (1, each, each)
    assert found.failed == each - 1


def test_rules_that_a_release_has_nothing_for_are_named() -> None:
    rule = find("PTL109")
    assert rule is not None
    old, new = Looks(tables().at("6.1")), Looks(tables().at("6.12"))
    assert (new.has(rule), old.has(rule)) == (True, True), "page_vma_mapped_walk is in both"
    assert all(new.has(each) for each in load() if each.check is not None)
    made = Report()
    states = {each.code: each.state for each in policies(made, Settings(select=("ALL",)), old)}
    gone = {code for code, state in states.items() if state.endswith("is in 6.1")}
    assert gone == {each.code for each in load() if each.check is not None and not old.has(each)}


def test_every_format_that_shows_it(run: Run) -> None:
    report = run().report
    data = json.loads(WRITERS["json"].render(report, Context("audit")))
    jsonschema.validate(data, schema())
    [one] = [each for each in data["policies"] if each["code"] == "PTL101"]
    rows = [json.loads(line) for line in WRITERS["jsonl"].render(report, Context("audit")).splitlines()]
    assert {"policy": one} in rows
    assert rows[-1]["stats"] == {
        "files": report.stats.files,
        "functions": report.stats.functions,
        "functions_unread": 0,
    }
    page = render(report, Context("audit"))
    assert re.search(
        rf"<td>PTL101</td><td>[^<]*</td><td>calls inside atomic sections</td><td>{one['places']}</td>", page
    )
    text = lines(report.policies)
    assert any(re.match(rf"PTL101 +{one['places']} +{one['passed']} +{one['broken']} ", line) for line in text)
    assert any(line.startswith("compares two states") is False and "not selected" in line for line in text)


def test_on_the_command_line(tree: Path) -> None:
    arguments = ["audit", str(tree), "--isolated", "--select", "PTL101", "-q", "--no-cache", "-o", "concise"]
    plain = CliRunner().invoke(app, arguments)
    told = CliRunner().invoke(app, [*arguments, "--policies"])
    assert "calls inside atomic sections" not in plain.stdout
    assert told.stdout.startswith(plain.stdout)
    assert "calls inside atomic sections" in told.stdout
