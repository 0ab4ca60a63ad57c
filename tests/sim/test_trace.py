"""Traces and the functions behind `mmlint sim` and `mmlint sims`."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from mmlint.sim import commands
from mmlint.sim.explore import SimError
from mmlint.sim.scenarios import S1, S12, S35, all_scenarios
from mmlint.sim.trace import load_file, matrix, render, run_schedule

OWN = '''
from mmlint.sim.scenario import HOLDS, Scenario, Variant

def build(w, policy):
    """Own story."""
    def run():
        yield "<script>alert(1)</script> & more"
        if policy == "bad":
            w.fail("O14", "a & b < c")
    w.task("cpu", run())

VARIANTS = (Variant("bad", "bad", "O14"), Variant("good", "good", HOLDS))
SCENARIO = Scenario("OWN", "my-own", "a <b> summary", build, VARIANTS, "bad", "good")
'''


def test_table_has_a_column_per_cpu_and_the_changed_state() -> None:
    text = render(S35, None, None, "text")
    header = next(line for line in text.splitlines() if "changed" in line)
    assert re.search(r"writer\s+\| madvise\s+\| changed", header)
    assert "P[0]: X R+dirty -> X W+dirty" in text
    assert "BROKEN  O5" in text
    assert text.rstrip().endswith(S35.schedule)


def test_json_holds_the_whole_trace() -> None:
    data = json.loads(render(S1, "bad", None, "json"))
    trace = run_schedule(S1, "bad", S1.schedule)
    assert [step["action"] for step in data["steps"]] == [step.action for step in trace.steps]
    assert data["verdict"].startswith("O1: ")
    assert data["steps"][2]["task"] in data["tasks"]


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda s: s.id)
def test_every_scenario_renders_well_formed(scenario) -> None:  # type: ignore[no-untyped-def]
    root = ET.fromstring(render(scenario, "bad", None, "svg"))
    boxes = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if "box" in e.get("class", "")]
    assert len(boxes) == len(run_schedule(scenario, "bad", scenario.schedule).steps)
    page = render(scenario, "good", None, "html")
    assert page.count("</script>") == 2
    assert "http" not in page


def test_the_good_variant_is_shown_to_its_end() -> None:
    data = json.loads(render(S12, "good", None, "json"))
    assert data["verdict"] == ""
    assert {step["task"] for step in data["steps"]} == set(data["tasks"])


def test_own_scenario_from_a_file_is_escaped(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    assert load_file(file).name == "my-own"
    assert "<script>alert" not in commands.show(str(file), schedule="cpu", format="html")
    ET.fromstring(commands.show(str(file), schedule="cpu", format="svg"))
    assert "BROKEN  O14: a & b < c" in commands.show(str(file))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("S99", None, None, "text"), "no scenario 'S99'"),
        (("S1", "K9", None, "text"), "no variant 'K9'"),
        (("S1", None, None, "pdf"), "no format 'pdf'"),
        (("S1", None, "nobody", "text"), "no task nobody"),
        (("S1", None, "parent:x", "text"), "not of the form"),
        (("S1", None, "child", "text"), "cannot run at this point"),
        (("no/such.py", None, None, "text"), "no such file"),
    ],
)
def test_bad_requests_get_one_line(call: tuple[str, str | None, str | None, str], words: str) -> None:
    with pytest.raises(SimError, match=words) as caught:
        commands.show(*call)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"), [("x = 1", "has 0 scenarios"), ("def (", "SyntaxError"), ("1/0", "division")]
)
def test_broken_own_files_get_one_line(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(content)
    with pytest.raises(SimError, match=words):
        load_file(file)


def test_listing_names_the_rules() -> None:
    text = commands.listing({"PTL101": ["S12", "LK4"], "COW101": ["S1"]})
    line = next(line for line in text.splitlines() if line.startswith("S12 "))
    assert line.endswith("[PTL101]")
    assert len(text.splitlines()) == len(all_scenarios())


def test_matrix_shows_outcomes_sizes_and_surprises(monkeypatch: pytest.MonkeyPatch) -> None:
    surprise = replace(S35, variants=tuple(replace(v, expect="O9") for v in S35.variants))
    monkeypatch.setattr("mmlint.sim.scenarios.all_scenarios", lambda: (S1, surprise))
    text = matrix()
    assert re.search(r"K2 +holds +\d+ states, \d+ schedules\n", text)
    assert text.count("EXPECTED O9") == len(S35.variants)
    assert re.search(r"\d+ states, \d+ complete schedules", text)


def test_the_example_of_the_documentation_runs(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    file = tmp_path / "own.py"
    file.write_text(example.group(1))
    scenario = load_file(file)
    assert [scenario.explore(name).kind for name in ("bad", "good")] == ["O5", "holds"]
    assert "BROKEN  O5" in commands.show(str(file))
