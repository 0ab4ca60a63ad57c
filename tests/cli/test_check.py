"""`mmlint check`: exit statuses, outputs, what goes where."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import BAD, Run


def codes(text: str) -> list[str]:
    return [finding["code"] for finding in json.loads(text)["findings"]]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("mm/good.c",), 0),
        (("mm/bad.c",), 1),
        (("mm",), 1),
        ((), 1),
        (("mm/bad.c", "--exit-zero"), 0),
        (("mm/bad.c", "--severity", "PTL101=warning"), 0),
        (("mm/bad.c", "--severity", "PTL101=warning", "--fail-on", "warning"), 1),
        (("mm/bad.c", "--severity", "PTL101=warning", "--preset", "strict"), 1),
        (("mm/bad.c", "--severity", "fs/:PTL101=info"), 1),
        (("mm/bad.c", "--per-file-ignores", "bad.c:PTL"), 0),
        (("mm/bad.c", "--config", "exit-zero=true"), 0),
        (("mm/bad.c", "missing.c"), 2),
        (("mm/bad.c", "missing.c", "--exit-zero"), 2),
    ],
)
def test_exit_status(run: Run, words: tuple[str, ...], status: int) -> None:
    assert run("check", *words).exit_code == status


def test_what_can_be_read_is_still_reported(run: Run) -> None:
    result = run("check", "mm/bad.c", "missing.c")
    assert "error[PTL101]" in result.stdout
    assert result.stderr == "mmlint: missing.c: no such file or folder; check the path\n"


def test_machine_formats_keep_stderr_empty(run: Run) -> None:
    result = run("check", "mm/bad.c", "missing.c", "-o", "json")
    assert result.stderr == ""
    assert codes(result.stdout) == ["PTL101"]
    assert [error["path"] for error in json.loads(result.stdout)["errors"]] == ["missing.c"]


def test_a_finding_names_its_proof(run: Run) -> None:
    [finding] = json.loads(run("check", "mm/bad.c", "-o", "json").stdout)["findings"]
    assert (finding["path"], finding["line"], finding["origin"]) == ("mm/bad.c", 9, "present")
    simulation = finding["simulation"]
    assert simulation["command"].startswith("mmlint sim ")
    assert simulation["schedule"] in simulation["command"]
    assert simulation["test"].startswith("tests/sim/")


def test_several_outputs_at_once(run: Run, tree: Path) -> None:
    result = run("check", "mm", "-o", "concise", "-o", "json:out.json", "-o", "sarif:out.sarif")
    assert result.exit_code == 1
    assert result.stdout.startswith("mm/bad.c:9:6: error[PTL101] ")
    assert codes((tree / "out.json").read_text(encoding="utf-8")) == ["PTL101"]
    assert len(json.loads((tree / "out.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "jsn"), "--output jsn: no format is called `jsn`; did you mean `json`?"),
        (("-o", "json", "-o", "full"), "--output: only one format can go to stdout"),
        (("-o", "json:no/such/out"), "no/such/out: cannot write: No such file or directory"),
        (("--select", "PTL999"), "no rule is called `PTL999`"),
        (("--select", "sleep-under-pt"), "no rule is called `sleep-under-pt`; did you mean `sleep-under-ptl`?"),
        (("--severity", "PTL101"), "--severity PTL101: write RULE=LEVEL or GLOB:RULE=LEVEL"),
        (("--per-file-ignores", "PTL101"), "--per-file-ignores PTL101: write GLOB:RULES"),
        (("--fail-on", "eror"), "command line: `fail-on` must be one of error, warning, info, not 'eror'"),
        (("--config", "slect=PTL"), "--config: unknown key `slect`; did you mean `select`?"),
        (("--baseline", "none.json"), "none.json: cannot read the baseline: No such file or directory"),
        (("--suppressions", "none.toml"), "none.toml: cannot read the suppressions: No such file or directory"),
        (("--color", "loud"), "--color loud: one of auto, always, never"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(run: Run, words: tuple[str, ...], message: str) -> None:
    result = run("check", "mm/bad.c", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"mmlint: {message}")
    assert result.stderr.count("\n") == 1


def test_a_wrong_configuration_in_a_machine_format_is_an_error_of_the_document(run: Run, tree: Path) -> None:
    (tree / "mmlint.toml").write_text("slect = []", encoding="utf-8")
    result = run("check", "mm", "-o", "json")
    assert (result.exit_code, result.stderr) == (2, "")
    [error] = json.loads(result.stdout)["errors"]
    assert error["message"].endswith("mmlint.toml:1: unknown key `slect`; did you mean `select`?")


def test_configuration_isolation_and_shown_settings(run: Run, tree: Path) -> None:
    (tree / "mmlint.toml").write_text("exit-zero = true", encoding="utf-8")
    assert run("check", "mm").exit_code == 0
    assert run("check", "mm", "--isolated").exit_code == 1
    shown = run("check", "mm", "--show-settings").stdout.splitlines()
    assert shown[0] == f"# from {tree / 'mmlint.toml'}"
    assert "exit-zero = true" in shown


def test_colours_follow_flag_then_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in run("check", "mm").stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("check", "mm").stdout
    assert "\x1b[" not in run("check", "mm", "--color", "never").stdout
    assert "\x1b[" not in run("check", "mm", "-o", "json").stdout
    monkeypatch.delenv("FORCE_COLOR")
    assert "\x1b[" in run("check", "mm", "--color", "always").stdout


def test_quiet_and_statistics(run: Run) -> None:
    assert run("check", "mm/good.c", "-q").stdout == ""
    assert "     1  PTL101  sleep-under-ptl\n" in run("check", "mm", "--statistics").stdout


def test_stdin(run: Run) -> None:
    result = run("check", "-", "-o", "json", stdin=BAD)
    assert codes(result.stdout) == ["PTL101"]


def test_ignored_with_a_reason_then_shown(run: Run, tree: Path) -> None:
    text = BAD.replace("GFP_KERNEL);", "GFP_KERNEL); /* mmlint: ignore[PTL101] boot time, one CPU */")
    (tree / "mm/bad.c").write_text(text, encoding="utf-8")
    result = run("check", "mm")
    assert result.exit_code == 0
    assert "1 finding suppressed; --show-ignored shows them" in result.stdout
    assert "boot time, one CPU (inline, mm/bad.c:9)" in run("check", "mm", "--show-ignored").stdout
    assert run("check", "mm", "--no-ignores").exit_code == 1


def test_add_ignore_writes_a_file_that_the_next_run_reads(run: Run, tree: Path) -> None:
    first = run("check", "mm", "--add-ignore", "to be mended in 6.20")
    assert first.exit_code == 0
    assert "note: 1 suppressions added to mmlint-suppressions.toml" in first.stdout
    assert run("check", "mm").exit_code == 0
    assert "to be mended in 6.20 (file, " in run("check", "mm", "--show-ignored").stdout
    assert (tree / "mmlint-suppressions.toml").read_text(encoding="utf-8").count("[[suppression]]") == 1
    assert run("check", "mm", "--isolated").exit_code == 1
    assert run("check", "mm", "--add-ignore", " ").exit_code == 2


def test_baseline_from_write_to_update(run: Run, tree: Path) -> None:
    assert run("baseline", "write", "mm", "--select", "PTL101").exit_code == 0
    assert run("check", "mm", "--baseline", "mmlint-baseline.json").exit_code == 0
    (tree / "mm/bad.c").write_text("\n\n" + BAD + BAD.replace("grab", "snatch"), encoding="utf-8")
    result = run("check", "mm", "--baseline", "mmlint-baseline.json", "-o", "json")
    assert [finding["function"] for finding in json.loads(result.stdout)["findings"]] == ["snatch"]
    assert run("check", "mm", "--baseline", "mmlint-baseline.json", "--no-baseline").exit_code == 1
    (tree / "mm/bad.c").write_text("", encoding="utf-8")
    update = run("baseline", "update", "mm/good.c", "--select", "PTL101")
    assert (update.exit_code, update.stdout) == (0, "0 kept, 1 mended and dropped, 0 not in it\n")


def test_the_baseline_that_is_configured_is_the_one_that_is_written(run: Run, tree: Path) -> None:
    (tree / "mmlint.toml").write_text('baseline = "known.json"\nselect = ["PTL101"]\n', encoding="utf-8")
    missing = run("check", "mm")
    assert missing.exit_code == 2
    remedy = re.search(r"`mmlint (baseline write --file \S+known\.json)` makes one", missing.stderr)
    assert remedy is not None
    assert run(*remedy[1].split(), "mm").exit_code == 0
    (tree / "known.json").unlink()
    assert run("baseline", "write", "mm").exit_code == 0
    assert run("check", "mm").exit_code == 0
    (tree / "mm/bad.c").write_text("", encoding="utf-8")
    update = run("baseline", "update", "mm")
    assert (update.exit_code, update.stdout) == (0, "0 kept, 1 mended and dropped, 0 not in it\n")
    assert not (tree / "mmlint-baseline.json").exists()


@pytest.mark.parametrize("words", [("-o", "json"), ("--add-ignore", "why"), ("--baseline", "x"), ("--fail-on", "info")])
def test_baseline_offers_no_options_that_it_does_not_use(run: Run, tree: Path, words: tuple[str, str]) -> None:
    for command in ("write", "update"):
        result = run("baseline", command, "mm", *words)
        assert result.exit_code == 2
        assert f"No such option: {words[0]}" in result.stderr


def test_baseline_diff_of_two_saved_runs(run: Run, tree: Path) -> None:
    run("check", "mm/good.c", "-o", "json:before.json")
    run("check", "mm/bad.c", "-o", "json:after.json")
    result = run("baseline", "diff", "before.json", "after.json")
    assert result.exit_code == 1
    assert result.stdout.startswith("+ mm/bad.c: PTL101 ")
    assert result.stdout.endswith("1 new, 0 gone, 0 in both\n")
    back = run("baseline", "diff", "after.json", "before.json", "--json")
    assert back.exit_code == 0
    assert [len(rows) for rows in json.loads(back.stdout).values()] == [0, 1, 0]
    assert run("baseline", "diff", "before.json", "none.json").exit_code == 2


def test_baseline_is_left_alone_when_input_is_missing(run: Run, tree: Path) -> None:
    assert run("baseline", "write", "missing").exit_code == 2
    assert not (tree / "mmlint-baseline.json").exists()
