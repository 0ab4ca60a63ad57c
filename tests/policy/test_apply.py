"""Silencing: inline, in a mail, by file, by baseline; and what silencers that do nothing come to."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from mmlint.finding import Confidence, Finding, Origin, PatchRef, Report, Severity, Simulation
from mmlint.policy import baseline, inline, suppressions
from mmlint.policy.apply import apply_policy
from mmlint.settings import Settings, SettingsError

TODAY = date(2026, 11, 21)
PATCH = PatchRef(1, 2, "[PATCH 1/2] mm: x", "1@example.org")


def finding(line: int = 4, code: str = "PTL901", path: str = "mm/x.c", **changes: object) -> Finding:
    values: dict[str, object] = {
        "code": code,
        "name": "sleep-below-lock",
        "severity": Severity.ERROR,
        "confidence": Confidence.MEDIUM,
        "message": "sleeps",
        "path": path,
        "line": line,
        "column": 2,
        "end_line": line,
        "function": "f",
        "origin": Origin.PRESENT,
        "simulation": Simulation("S", "ab", "t", "mmlint sim S"),
        "anchor": f"line {line}",
    }
    return Finding(**(values | changes))  # type: ignore[arg-type]


def report(source: str, *findings: Finding) -> Report:
    return Report(
        findings=list(findings),
        sources={"mm/x.c": source.splitlines()},
        ignores=inline.scan("mm/x.c", source),
        whole=["mm/x.c"],
    )


def applied(what: Report, **settings: object) -> tuple[list[str], list[str]]:
    """The codes left and the reasons of what was taken out."""
    done = apply_policy(what, Settings(**settings), TODAY)  # type: ignore[arg-type]
    return [f.code for f in done.findings], [item.reason for item in done.suppressed]


BODY = "int f(void){pad}\n{{\n{above}\n\tsleep();{here}\n}}\n"


def body(pad: str = "", above: str = "", here: str = "") -> str:
    return BODY.format(pad=pad, above=above, here=here)


@pytest.mark.parametrize(
    "source",
    [
        body(here=" /* mmlint: ignore[PTL901] freed below */"),
        body(above="\t/* mmlint: ignore[PTL901] freed below */"),
        body(above="\t/* mmlint: ignore[sleep-below-lock] freed below */"),
        body(above="\t/* mmlint: ignore[REF101, PTL901] freed below */"),
        body(above="\t// mmlint: ignore[PTL901] freed below"),
        body(pad=" /* mmlint: ignore[PTL901] freed below */"),
    ],
)
def test_an_inline_ignore_at_the_line_above_or_at_the_function(source: str) -> None:
    left, reasons = applied(report(source, finding()))
    assert [code for code in left if code == "PTL901"] == []
    assert reasons == ["freed below"]


def test_an_ignore_over_several_lines_reaches_the_line_below_its_end() -> None:
    source = "int f(void)\n/* mmlint: ignore[PTL901] freed\n * below */\n\tsleep();\n"
    assert applied(report(source, finding())) == ([], ["freed below"])


@pytest.mark.parametrize(
    ("source", "left"),
    [
        (body(here=" /* mmlint: ignore[PTL902] other */"), ["POL101", "PTL901"]),
        (body(here=" /* mmlint: ignore[PTL901] */"), ["POL103", "PTL901"]),
        (body(here=" /* mmlint: ignore everything */"), ["POL103", "PTL901"]),
        ("/* mmlint: ignore[PTL901] too far */\n" + body(), ["POL101", "PTL901"]),
        (body(here=' puts("mmlint: ignore[PTL901] no comment");'), ["PTL901"]),
        (body(above="\tg(f(1)); /* mmlint: ignore[PTL901] a call\n\t   of f */\n"), ["POL101", "PTL901"]),
    ],
)
def test_what_does_not_silence(source: str, left: list[str]) -> None:
    line = source[: source.index("sleep();")].count("\n") + 1
    codes, reasons = applied(report(source, finding(line)))
    assert sorted(codes) == left
    assert reasons == []


def test_inline_ignores_can_be_switched_off() -> None:
    source = body(here=" /* mmlint: ignore[PTL901] freed below */")
    assert applied(report(source, finding()), inline_ignores=False) == (["PTL901"], [])


def test_useless_ignores_only_for_whole_files_and_rules_that_ran() -> None:
    source = body(here=" /* mmlint: ignore[PTL101] gone */")
    assert applied(report(source))[0] == ["POL101"]
    part = report(source)
    part.whole = []
    assert applied(part)[0] == []
    assert applied(report(source), ignore=("POL101",))[0] == []


def test_a_line_below_the_dashes_of_a_mail() -> None:
    above = "Changelog\nmmlint: ignore[PTL901] not here\n---\n"
    mail = above + "mmlint: ignore[PTL901] known, see v1\n mm/x.c | 2 +-\n\ndiff --git a b\n"
    ignores = inline.scan_mail(mail, PATCH)
    assert [(ignore.line, ignore.reason) for ignore in ignores] == [(4, "known, see v1")]
    other = PatchRef(2, 2, "[PATCH 2/2] mm: y", "2@example.org")
    what = Report(findings=[finding(patch=PATCH), finding(9, patch=other)], ignores=ignores)
    done = apply_policy(what, Settings(), TODAY)
    assert [f.patch for f in done.findings] == [other]
    assert [(item.kind, item.where) for item in done.suppressed] == [("mail", PATCH.subject)]


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def entry(**changes: str) -> str:
    values = {"code": "PTL901", "path": "mm/", "reason": "audited"} | changes
    return "[[suppression]]\n" + "".join(
        f"{key} = {value}\n" if key == "until" else f'{key} = "{value}"\n' for key, value in values.items()
    )


@pytest.mark.parametrize(
    ("text", "left", "reasons"),
    [
        (entry(), [], ["audited"]),
        (entry(function="f", owner="ann"), [], ["audited (owner: ann)"]),
        (entry(function="g"), ["PTL901", "POL101"], []),
        (entry(path="fs/"), ["PTL901"], []),
        (entry(until="2026-11-21"), [], ["audited"]),
        (entry(until="2026-11-20"), ["PTL901", "POL102"], []),
    ],
)
def test_suppression_files(tmp_path: Path, text: str, left: list[str], reasons: list[str]) -> None:
    file = write(tmp_path / "s.toml", text)
    codes, given = applied(report(body(), finding()), suppressions=file)
    assert sorted(codes) == sorted(left)
    assert given == reasons


def test_a_complaint_points_at_the_entry(tmp_path: Path) -> None:
    file = write(tmp_path / "s.toml", entry(path="fs/") + "\n" + entry(until="2020-01-01"))
    [late] = apply_policy(report(body()), Settings(suppressions=file), TODAY).findings
    assert (late.path, late.line, late.severity) == (file, 6, Severity.WARNING)
    assert late.message == "suppression of PTL901 in mm/ expired on 2020-01-01"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[suppression]]\ncode = 'X'\npath = 'mm/'\n",
            "s.toml:1: `reason` is missing; every suppression says what, where and why",
        ),
        ("\n[[suppression]]\ncod = 'X'\n", "s.toml:2: unknown key `cod`; did you mean `code`?"),
        ("[[suppression]]\nuntil = 'soon'\n", "s.toml:1: `until` must be a day such as 2027-06-30, not 'soon'"),
        ("[[suppresion]]\n", "s.toml:1: expected [[suppression]] tables, found `suppresion`"),
        ("[suppression]\n", "s.toml:1: expected [[suppression]] tables, found `suppression`"),
    ],
)
def test_a_wrong_suppression_file(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path / "s.toml", text)
    with pytest.raises(SettingsError) as caught:
        suppressions.read(file)
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_added_suppressions_silence_and_are_added_once(tmp_path: Path) -> None:
    file = str(tmp_path / "s.toml")
    odd = finding(path='mm/a"b\\c.c', function="")
    assert suppressions.append(file, [finding(), finding(9), odd], "looked at") == 2
    assert suppressions.append(file, [finding(), odd], "again") == 0
    what = Report(findings=[finding(), odd])
    assert applied(what, suppressions=file) == ([], ["looked at", "looked at"])


def test_baseline_counts_equal_findings_and_ignores_lines(tmp_path: Path) -> None:
    file = str(tmp_path / "b.json")
    baseline.write(file, baseline.entries([finding(), finding()]))
    moved = [finding(40, anchor="line 4") for _ in range(3)]
    left, reasons = applied(Report(findings=moved), baseline=file)
    assert left == ["PTL901"]
    assert reasons == ["known before"] * 2


def test_baseline_difference(tmp_path: Path) -> None:
    before, after = [finding(1), finding(2), finding(2)], [finding(2), finding(3)]
    difference = baseline.compare(baseline.entries(before), baseline.entries(after))
    assert [len(side) for side in (difference.new, difference.gone, difference.kept)] == [1, 2, 1]
    for name, rows in (("full", baseline.entries(before)), ("empty", [])):
        file = str(tmp_path / name)
        baseline.write(file, rows)
        assert baseline.read(file) == rows


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings": [1]}', '{"findings": [{"path": 1}]}', "\udcff"])
def test_a_file_that_is_no_baseline(tmp_path: Path, text: str) -> None:
    file = tmp_path / "b.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError, match=r"neither a baseline nor a run saved with --output json"):
        baseline.read(str(file))


def test_levels_confidence_and_file_ignores() -> None:
    rows = [finding(1), finding(2, confidence=Confidence.LOW), finding(3, path="tools/t.c")]
    done = apply_policy(
        Report(findings=rows),
        Settings(
            min_confidence=Confidence.MEDIUM,
            per_file_ignores=(("tools/", ("ALL",)),),
            severity=(*Settings().severity,),
        ),
        TODAY,
    )
    assert [f.line for f in done.findings] == [1]
