"""What the readers of each format hold us to, checked on the report that has everything in it."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest
from mmlint.finding import Origin, Report, Severity, Stats
from mmlint.output import WRITERS, Context
from mmlint.output import schema as report_schema

from tests.output.sample import PATCH, report, sleeping

CONTEXT = Context(command="patch")
NAMES = {
    "code",
    "name",
    "severity",
    "confidence",
    "message",
    "path",
    "line",
    "column",
    "end_line",
    "function",
    "origin",
    "patch",
    "steps",
    "simulation",
    "fingerprint",
}


def render(name: str, what: Report | None = None) -> str:
    return WRITERS[name].render(what or report(), CONTEXT)


def sarif(what: Report | None = None) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(render("sarif", what))["runs"][0]
    return run


def test_json_has_the_fixed_names() -> None:
    data = json.loads(render("json"))
    assert data["schema_version"] == 1
    assert data["tool"]["name"] == "mmlint"
    assert set(data["stats"]) == {"files", "functions", "functions_unread", "seconds"}
    assert all({"path", "message"} <= set(row) for row in data["errors"])
    for finding in data["findings"]:
        assert set(finding) >= NAMES
        assert set(finding["simulation"]) == {"scenario", "schedule", "test", "command", "shown_on"}
        assert set(finding["patch"]) == {"index", "total", "subject", "message_id"}
    assert [step["line"] for step in data["findings"][0]["steps"]] == [4, 12]


def test_json_keeps_its_schema_which_leaves_nothing_out() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    closed = json.loads(
        report_schema.schema_text().replace('"type": "object"', '"type": "object", "additionalProperties": false')
    )
    jsonschema.Draft202012Validator.check_schema(report_schema.schema())
    validator = jsonschema.Draft202012Validator(closed)
    for what in (report(), Report()):
        assert [f"{list(e.path)}: {e.message}" for e in validator.iter_errors(json.loads(render("json", what)))] == []


def test_jsonl_holds_the_findings_of_json() -> None:
    rows = [json.loads(line) for line in render("jsonl").splitlines()]
    assert [row for row in rows if "error" not in row] == json.loads(render("json"))["findings"]
    assert [row["error"]["path"] for row in rows if "error" in row] == ["mails/broken.mbox"]


@pytest.mark.parametrize(("name", "file"), [("sarif", "sarif-schema-2.1.0.json"), ("rdjson", "DiagnosticResult.json")])
def test_against_the_public_schema(name: str, file: str) -> None:
    """The schemas are not shipped; the folder `MMLINT_SCHEMAS` holds copies of OASIS's and of reviewdog's."""
    path = Path(os.environ.get("MMLINT_SCHEMAS") or "none", file)
    if not path.is_file():
        pytest.skip(f"MMLINT_SCHEMAS names no folder with a copy of {file}")
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads(path.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    for what in (report(), Report()):
        errors = [f"{list(e.path)}: {e.message}" for e in validator.iter_errors(json.loads(render(name, what)))]
        assert errors == []


def test_gitlab_has_what_its_documentation_asks_for() -> None:
    items = json.loads(render("gitlab"))
    assert items
    for item in items:
        assert set(item) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert all(isinstance(item[name], str) and item[name] for name in ("description", "check_name", "fingerprint"))
        assert item["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert not item["location"]["path"].startswith(("/", "./"))
        assert item["location"]["lines"]["begin"] >= 1


def test_sarif_shows_the_path_and_a_thread_for_each_cpu() -> None:
    steps, witness = sarif()["results"][0]["codeFlows"]
    [thread] = steps["threadFlows"]
    assert [row["executionOrder"] for row in thread["locations"]] == [1, 2, 3]
    assert [thread["id"] for thread in witness["threadFlows"]] == ["cpu0", "cpu1"]
    orders = [[row["executionOrder"] for row in thread["locations"]] for thread in witness["threadFlows"]]
    assert orders == [[1, 2], [3]]


def test_sarif_states_suppressions_and_baseline() -> None:
    results = sarif()["results"]
    assert [result.get("baselineState") for result in results] == ["new", "unchanged", "new", "new", "unchanged"]
    assert results[3]["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "freed below (mm/demo.c:3)"}
    ]
    assert "suppressions" not in results[4]


def test_sarif_indexes_fingerprints_and_uris() -> None:
    run = sarif()
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert all(result["partialFingerprints"]["mmlint/v1"] for result in run["results"])
    uris = [r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]]
    assert uris[2] == "mm/we%20ird%2C%25%FF.c"
    assert run["invocations"][0]["executionSuccessful"] is False


@pytest.mark.parametrize("name", ["github", "gitlab", "checkstyle", "junit", "rdjson", "checkpatch", "mail"])
def test_what_was_there_before_is_left_out(name: str) -> None:
    before = Report(findings=[sleeping(origin=Origin.PRE_EXISTING, message="the old one")], stats=Stats(1, 1))
    assert "the old one" not in render(name, before)


def test_checkpatch_is_silent_when_clean_and_says_error_only_for_errors() -> None:
    assert render("checkpatch", Report()) == ""
    warning = sleeping(severity=Severity.WARNING, message="an ERROR: in the text")
    [row] = render("checkpatch", Report(findings=[warning])).splitlines()
    assert "ERROR:" not in row


def test_b4_statuses() -> None:
    rows = json.loads(render("b4"))
    assert [row["status"] for row in rows] == ["fail", "pass", "warn", "fail"]
    assert all(row["tool"] == "mmlint" for row in rows)
    assert json.loads(render("b4", Report())) == []
    assert [row["status"] for row in json.loads(render("b4", Report(stats=Stats(1, 2))))] == ["pass"]


def test_gitlab_fingerprints_are_unique() -> None:
    twins = Report(findings=[sleeping(), sleeping(), sleeping()])
    prints = [item["fingerprint"] for item in json.loads(render("gitlab", twins))]
    assert len(set(prints)) == 3


def test_github_escapes_what_would_end_a_command_or_property() -> None:
    rows = render("github").splitlines()
    assert len(rows) == 3
    assert rows[1].startswith("::warning title=REF901 hostile-names,file=mm/we ird%2C%25\\xff.c,line=3,endLine=5::")
    assert "col=" not in rows[1]


def test_xml_formats_parse_and_keep_the_text() -> None:
    checkstyle = ElementTree.fromstring(render("checkstyle"))
    assert [file.get("name") for file in checkstyle] == ["mm/demo.c", "mm/we ird,%\\xff.c", "mails/broken.mbox"]
    junit = ElementTree.fromstring(render("junit"))
    assert junit.get("failures") == str(len(junit.findall(".//failure"))) == "2"
    assert junit.get("tests") == str(len(junit.findall(".//testcase"))) == "3"
    assert junit.find(".//failure").get("message", "").startswith("`folio_alloc")  # type: ignore[union-attr]
    assert len(ElementTree.fromstring(render("junit", Report())).findall(".//testcase")) == 1


def test_rdjson_counts_bytes() -> None:
    wide = sleeping(line=1, column=3)
    data = json.loads(render("rdjson", Report(findings=[wide], sources={"mm/demo.c": ["/*ü*/ x"]})))
    assert data["diagnostics"][0]["location"]["range"]["start"] == {"line": 1, "column": 3}
    wide = sleeping(line=1, column=4)
    data = json.loads(render("rdjson", Report(findings=[wide], sources={"mm/demo.c": ["/*ü*/ x"]})))
    assert data["diagnostics"][0]["location"]["range"]["start"] == {"line": 1, "column": 5}


def test_patchwork_covers_clean_patches() -> None:
    [item] = json.loads(render("patchwork"))
    assert item["message_id"] == PATCH.message_id
    assert item["check"]["state"] == "fail"
    assert item["check"]["context"] == "mmlint"
    clean = report()
    clean.findings = []
    assert [row["check"]["state"] for row in json.loads(render("patchwork", clean))] == ["success"]


def test_mail_is_a_threaded_reply_in_72_columns() -> None:
    text = render("mail")
    message = message_from_string(text.split("\n", 1)[1], policy=policy.default)
    assert message["In-Reply-To"] == f"<{PATCH.message_id}>"
    assert message["References"].split() == ["<cover-letter@example.org>", f"<{PATCH.message_id}>"]
    assert message["Subject"] == f"Re: [PATCH v2 2/3] {PATCH.subject}"
    assert "victim" not in str(message["Cc"])
    assert message["Bcc"] is None
    body = message.get_content()
    own = [row for row in body.splitlines() if not row.startswith((">", "Replay:"))]
    assert max(map(len, own)) <= 72
    assert "> +\tfolio = folio_alloc(GFP_KERNEL, 0);\n\nERROR PTL901" in body


def test_mail_says_nothing_about_a_clean_patch() -> None:
    clean = report()
    clean.findings = []
    assert render("mail", clean) == ""


def test_colours_mark_severity_and_are_off_by_default() -> None:
    assert "\x1b[1;31merror[PTL901]\x1b[0m" in WRITERS["full"].render(report(), Context(color=True))
    assert "\x1b" not in render("full")


def test_the_address_of_the_rules_page_where_one_is_set() -> None:
    address = "https://example.org/rules/{name}/"
    page = address.format(name="sleep-below-lock")
    shown = {
        name: WRITERS[name].render(report(), Context(command="patch", docs_url=address))
        for name in ("full", "markdown", "sarif", "rdjson", "b4")
    }
    assert f"  = about the rule: {page}\n" in shown["full"]
    assert f"## [PTL901 sleep\\-below\\-lock](<{page}>)" in shown["markdown"]
    assert json.loads(shown["rdjson"])["diagnostics"][0]["code"]["url"] == page
    assert json.loads(shown["b4"])[0]["url"] == page
    assert all(address.partition("{")[0] not in render(name) for name in shown)
    colored = WRITERS["full"].render(report(), Context(docs_url=address, color=True))
    assert f"\x1b]8;;{page}\x1b\\\x1b[1;31merror[PTL901]" in colored


def test_sarif_rules_lead_to_their_pages() -> None:
    known = Report(findings=[sleeping(code="PTL101", name="sleep-under-ptl")])
    text = WRITERS["sarif"].render(known, Context(docs_url="https://example.org/{code}"))
    [rule] = json.loads(text)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["helpUri"] == "https://example.org/PTL101"
