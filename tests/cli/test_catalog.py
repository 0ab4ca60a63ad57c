"""`rules`, `rule`, `config`, `new-rule`: what explains the tool."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
from mmlint.engine import check_file
from mmlint.facts.program import Program
from mmlint.inputs.tree import FolderTree
from mmlint.rule import Rule, load

from tests.cli.conftest import GOOD, Run

FIXTURES = Path(__file__).parents[2] / "fixtures"
MINI = FIXTURES / "trees" / "mini"


def test_rules_lists_every_rule_below_its_family(run: Run) -> None:
    rows = run("rules").stdout.splitlines()
    for rule in load():
        [row] = [row for row in rows if row.startswith(f"  {rule.code}")]
        assert rule.name in row
        assert rule.summary in row
    assert any(row.startswith("  POL101  useless-suppression") for row in rows)


def test_rules_of_a_family_and_as_json(run: Run) -> None:
    assert "REF101" not in run("rules", "ptl").stdout
    rows = json.loads(run("rules", "--json").stdout)
    assert [row["code"] for row in rows] == [rule.code for rule in load()]
    result = run("rules", "PLT")
    assert (result.exit_code, result.stderr) == (2, "mmlint: rules PLT: no such family; did you mean `PTL`?\n")


@pytest.mark.parametrize("word", ["PTL101", "ptl101", "sleep-under-ptl"])
def test_rule_page(run: Run, word: str) -> None:
    page = run("rule", word).stdout
    [rule] = [rule for rule in load() if rule.code == "PTL101"]
    title, _, body = rule.doc.partition("\n")
    assert page.startswith(f"# {title}\n\nerror, high confidence, since 0.1\n")
    assert body in page
    assert rule.scenario.command in page


def test_rule_of_the_policy_and_unknown_rule(run: Run) -> None:
    assert run("rule", "POL102").stdout.startswith("# POL102 expired-suppression: ")
    result = run("rule", "sleep-under-pt")
    assert result.exit_code == 2
    assert "did you mean `sleep-under-ptl`?" in result.stderr
    assert run("rule").exit_code == 2


def test_every_rule_at_once(run: Run) -> None:
    assert run("rule", "--all").stdout.count("\n## Proof\nScenario ") == len(load())
    assert len(json.loads(run("rule", "--all", "--json").stdout)) == len(load())


def test_config_explains_a_key(run: Run) -> None:
    assert "fail-on" in run("config").stdout
    assert "one of: error, warning, info" in run("config", "fail-on").stdout
    result = run("config", "fail-onn")
    assert (result.exit_code, "did you mean `fail-on`?" in result.stderr) == (2, True)


def test_new_rule_writes_a_rule_that_runs_on_its_fixtures(run: Run, tree: Path) -> None:
    words = ("PTL990", "sleep-in-demo", "sleeps in the demo", "--scenario", "S12")
    assert run("new-rule", *words).exit_code == 0
    [rule] = _rules(tree / "rules/mmlint_rules/ptl/sleep_in_demo.py")
    assert (rule.code, rule.name, rule.scenario.id) == ("PTL990", "sleep-in-demo", "S12")
    assert rule.doc.startswith("PTL990 sleep-in-demo: sleeps in the demo.\n")
    program = Program(FolderTree(str(tree / "fixtures/PTL990-sleep-in-demo")))
    [finding] = check_file(program, "bad.c", [rule])
    source = (tree / "fixtures/PTL990-sleep-in-demo/bad.c").read_text(encoding="utf-8").splitlines()
    assert '/* want PTL990 "the_function" */' in source[finding.line - 1]
    assert check_file(program, "good.c", [rule]) == []
    again = run("new-rule", *words)
    assert (again.exit_code, "is there already; nothing is overwritten" in again.stderr) == (2, True)


def _rules(path: Path) -> list[Rule]:
    """The rule in a file, imported as the rules package would."""
    spec = importlib.util.spec_from_file_location("skeleton", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["skeleton"] = module
    spec.loader.exec_module(module)
    return [module.RULE]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("XXX101", "a-b", "s", "--scenario", "S12"), "a code is a family and three digits"),
        (("PTL101", "a-b", "s", "--scenario", "S12"), "taken by PTL101 sleep-under-ptl"),
        (("PTL990", "Name", "s", "--scenario", "S12"), "a name is two or more words in lower case"),
        (("PTL990", "a-b", "s", "--scenario", "S999"), "no such scenario"),
    ],
)
def test_new_rule_refuses(run: Run, tree: Path, words: tuple[str, ...], message: str) -> None:
    result = run("new-rule", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tree / "rules").exists()


@pytest.mark.parametrize("words", [(), ("chek",), ("check", "--nothing"), ("check", "-j", "two")])
def test_usage_errors_exit_2(words: tuple[str, ...]) -> None:
    from mmlint.cli import app
    from typer.testing import CliRunner

    assert CliRunner().invoke(app, list(words)).exit_code == 2


def test_sims_lists_scenarios_with_the_rules_that_point_at_them(run: Run) -> None:
    [row] = [row for row in run("sims").stdout.splitlines() if row.startswith("S12 ")]
    assert "PTL101" in row


@pytest.mark.parametrize("word", ["PTL101", "sleep-under-ptl", "S12", "alloc-under-ptl-reclaims-into-it"])
def test_sim_replays_by_rule_and_by_scenario(run: Run, word: str) -> None:
    result = run("sim", word)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "may sleep" in result.stdout


def test_the_command_in_a_finding_replays(run: Run) -> None:
    [finding] = json.loads(run("check", "mm/bad.c", "-o", "json").stdout)["findings"]
    words = finding["simulation"]["command"].split()
    assert words[0] == "mmlint"
    trace = json.loads(run(*words[1:], "--format", "json").stdout)
    assert trace["scenario"] == "S12"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nope",), "no scenario 'nope'"),
        (("S12", "--variant", "worse"), "worse"),
        (("S12", "--schedule", "nobody:3"), "nobody"),
        (("S12", "--format", "gif"), "gif"),
    ],
)
def test_sim_mistakes(run: Run, words: tuple[str, ...], message: str) -> None:
    result = run("sim", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_steps_of_a_function_and_of_a_patch(run: Run) -> None:
    place = str(FIXTURES / "PAT106-guard-removed" / "before.c")
    shown = run("facts", "--steps", place, "--root", str(FIXTURES))
    assert shown.exit_code == 0
    assert "a sink" in shown.stdout
    assert "decides line" in shown.stdout
    patch = run("facts", "--steps", str(FIXTURES / "patches" / "bug-cow101.mbox"), "--root", str(MINI))
    assert patch.exit_code == 0
    assert "copy_pte_range: line before, line after, step\n" in patch.stdout
    assert "-    156  pte_dirty(pte)\n" in patch.stdout
    empty = run("facts", "--steps", str(MINI / "Makefile"), "--root", str(MINI))
    assert empty.exit_code == 2
    assert empty.stderr.count("\n") == 1


SLEEPS = """\
--- a/mm/good.c
+++ b/mm/good.c
@@ -8,3 +8,3 @@ static int grab(struct mm_struct *mm, pmd_t *pmd, unsigned long addr)
 \t\treturn 0;
-\tp = kmalloc(12, GFP_ATOMIC);
+\tp = kmalloc(12, GFP_KERNEL);
 \tpte_unmap_unlock(pte, ptl);
"""


def test_facts_of_a_patch(run: Run, tree: Path) -> None:
    (tree / "p1").write_text(SLEEPS, encoding="utf-8")
    result = run("facts", "p1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("grab  mm/good.c:1-")
    assert "may sleep in `kmalloc`" in result.stdout
    assert run("facts", "p1", "--steps").stdout == (
        "mm/good.c grab: no protocol step changes; without --steps its locks and sleeping calls are shown\n"
    )
    elsewhere = run("facts", "p1", "--root", "mm")
    assert (elsewhere.exit_code, elsewhere.stdout.startswith("grab  mm/good.c:")) == (2, True)
    assert elsewhere.stderr == (
        "mmlint: p1:1: mm/good.c: the file is not in the tree; name the tree that it is for with --root\n"
    )
    (tree / "gone").write_text("--- a/mm/good.c\n+++ /dev/null\n@@ -1,12 +0,0 @@\n-" + "\n-".join(GOOD.splitlines()))
    assert run("facts", "gone").stdout == "grab  mm/good.c: the patch takes it away\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("facts", "mm"), "facts mm: is a folder; name one C file of it"),
        (("facts", "p9"), "p9: cannot be read: No such file or directory; check the path"),
        (("facts", "notes"), "notes: neither mail nor diff: no patch in it"),
        (("doctor", "nope"), "doctor nope: no such folder; name a kernel tree"),
        (("doctor", "mm/good.c"), "doctor mm/good.c: no such folder; name a kernel tree"),
        (("doctor", "."), "doctor .: not a kernel tree: no Makefile with VERSION"),
    ],
)
def test_what_nothing_is_known_of_is_one_line(run: Run, tree: Path, words: tuple[str, str], message: str) -> None:
    (tree / "notes").write_text("words\n", encoding="utf-8")
    result = run(*words)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"mmlint: {message}")


def test_scenarios_of_a_rule_and_no_scenario_at_all(run: Run) -> None:
    assert run("sims", "--rule", "ptl101").stdout.startswith("S12  ")
    for words in (("sims", "--rule", "PTL999"), ("sim",), ("sim", "S12", "--all")):
        wrong = run(*words)
        assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)


def test_facts_of_a_function(run: Run) -> None:
    result = run("facts", "mm/bad.c:grab")
    assert result.exit_code == 0
    assert result.stdout.startswith("grab  mm/bad.c:1-")
    assert re.search(r" 9  kmalloc: .*\bptl\b", result.stdout)
    for place in ("mm/bad.c:snatch", "mm/none.c"):
        wrong = run("facts", place)
        assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
