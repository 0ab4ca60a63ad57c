"""Where settings come from, which layer wins, and what a wrong one says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from mmlint.finding import Confidence, Severity
from mmlint.policy.apply import check_selectors
from mmlint.policy.discovery import load
from mmlint.policy.schema import describe, explain, schema, schema_text
from mmlint.settings import Settings, SettingsError, keys, path_matches


@dataclass(frozen=True)
class Named:
    """As much of a rule as selection looks at."""

    code: str
    name: str
    status: str = "stable"


SLEEP = Named("PTL101", "sleep-under-ptl")
DROP = Named("PTL205", "dropped-lock")
PREVIEW = Named("COW190", "new-idea", "preview")


@pytest.fixture(autouse=True)
def no_user_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMLINT_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("given", "runs"),
    [
        ({}, {"PTL101", "PTL205"}),
        ({"select": ("PTL101",)}, {"PTL101"}),
        ({"select": ("sleep-under-ptl",)}, {"PTL101"}),
        ({"select": ("PTL",), "ignore": ("PTL2",)}, {"PTL101"}),
        ({"select": ("PTL205",), "ignore": ("PTL",)}, {"PTL205"}),
        ({"select": ("PTL",), "ignore": ("PTL",)}, set()),
        ({"ignore": ("ALL",)}, set()),
        ({"select": ("REF",), "extend_select": ("PTL205",)}, {"PTL205"}),
        ({"preview": True}, {"PTL101", "PTL205", "COW190"}),
        ({"select": ("COW",)}, set()),
        ({"select": ("COW190",)}, {"COW190"}),
    ],
)
def test_the_more_specific_selector_wins(given: dict[str, object], runs: set[str]) -> None:
    settings = Settings(**given)  # type: ignore[arg-type]
    assert {rule.code for rule in (SLEEP, DROP, PREVIEW) if settings.selects(rule)} == runs


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("mm/", "mm/memory.c", True),
        ("mm/", "linux/mm/a/b.c", True),
        ("mm/", "comm/memory.c", False),
        ("memory.c", "mm/memory.c", True),
        ("mm/*.c", "mm/memory.c", True),
        ("mm/*.c", "mm/damon/core.c", False),
        ("mm/**/*.c", "mm/damon/core.c", True),
        ("mm/**/*.c", "mm/memory.c", True),
        ("mm/hugetlb?.c", "mm/hugetlb2.c", True),
        ("*.h", "mm/memory.c", False),
        ("./mm/memory.c", "/src/linux/mm/memory.c", True),
    ],
)
def test_path_globs(pattern: str, path: str, matches: bool) -> None:
    assert path_matches(pattern, path) is matches


def test_severity_by_path_beats_by_rule_and_later_beats_earlier(tmp_path: Path) -> None:
    write(
        tmp_path / "mmlint.toml",
        '[severity]\nPTL = "info"\nPTL101 = "warning"\n"mm/hugetlb*" = { PTL = "error" }\n',
    )
    settings = load({}, cwd=tmp_path)
    assert settings.level("PTL101", "sleep-under-ptl", "mm/memory.c", Severity.ERROR) is Severity.WARNING
    assert settings.level("PTL205", "dropped-lock", "mm/memory.c", Severity.ERROR) is Severity.INFO
    assert settings.level("PTL101", "sleep-under-ptl", "mm/hugetlb.c", Severity.INFO) is Severity.ERROR
    assert settings.level("REF101", "raw-page-refcount", "mm/hugetlb.c", Severity.INFO) is Severity.INFO


def test_nearest_file_wins_and_search_stops_at_the_git_root(tmp_path: Path) -> None:
    write(tmp_path / "mmlint.toml", 'fail-on = "info"')
    root = tmp_path / "linux"
    (root / ".git").mkdir(parents=True)
    (root / "mm").mkdir()
    assert load({}, cwd=root / "mm").fail_on is Severity.ERROR
    write(root / ".mmlint.toml", 'fail-on = "warning"')
    assert load({}, cwd=root / "mm").fail_on is Severity.WARNING
    assert load({}, cwd=root / "mm").sources == (str(root / ".mmlint.toml"),)


def test_pyproject_counts_only_with_our_table(tmp_path: Path) -> None:
    write(tmp_path / "sub/pyproject.toml", "[project]\nname = 'x'\n")
    write(tmp_path / "pyproject.toml", "[tool.mmlint]\nexit-zero = true\n")
    assert load({}, cwd=tmp_path / "sub").exit_zero is True


def test_environment_and_user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "xdg/mmlint/mmlint.toml", "jobs = 3")
    (tmp_path / "work/.git").mkdir(parents=True)
    assert load({}, cwd=tmp_path / "work").jobs == 3
    monkeypatch.setenv("MMLINT_CONFIG", str(write(tmp_path / "other.toml", "jobs = 4")))
    assert load({}, cwd=tmp_path / "work").jobs == 4
    assert load({}, isolated=True, cwd=tmp_path / "work").jobs == 0


def test_flags_beat_pairs_beat_files_beat_the_preset(tmp_path: Path) -> None:
    write(tmp_path / "mmlint.toml", 'preset = "audit"\nfail-on = "warning"\njobs = 2\nignore = ["REF"]\n')
    settings = load({"jobs": 5, "ignore": ("COW",)}, ["fail-on=info", "jobs=4"], cwd=tmp_path)
    assert (settings.preview, settings.fail_on, settings.jobs) == (True, Severity.INFO, 5)
    assert settings.ignore == ("REF", "COW")
    assert load({"select": ("PTL",)}, cwd=tmp_path).ignore == ()


def test_paths_in_a_file_start_at_the_file(tmp_path: Path) -> None:
    write(tmp_path / "etc/mmlint.toml", 'baseline = "known.json"\ntables = ["wrappers.toml"]\n')
    settings = load({}, [str(tmp_path / "etc/mmlint.toml")], cwd=tmp_path)
    assert settings.baseline == str(tmp_path / "etc/known.json")
    assert settings.tables == (str(tmp_path / "etc/wrappers.toml"),)


def test_a_suppression_file_beside_the_configuration_is_found(tmp_path: Path) -> None:
    write(tmp_path / "mmlint-suppressions.toml", "")
    assert load({}, cwd=tmp_path).suppressions == str(tmp_path / "mmlint-suppressions.toml")
    assert load({}, isolated=True, cwd=tmp_path).suppressions == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('jobs = 1\nslect = ["PTL"]', "mmlint.toml:2: unknown key `slect`; did you mean `select`?"),
        ("zzz = 1", "mmlint.toml:1: unknown key `zzz`; `mmlint config` lists the keys"),
        (
            'fail-on = "eror"',
            "mmlint.toml:1: `fail-on` must be one of error, warning, info, not 'eror'; did you mean `error`?",
        ),
        ('exit-zero = "yes"', "mmlint.toml:1: `exit-zero` must be true or false, not 'yes'"),
        ("jobs = -1", "mmlint.toml:1: `jobs` must be at least 0"),
        ("jobs = true", "mmlint.toml:1: `jobs` must be a whole number, not True"),
        ('select = "PTL"', "mmlint.toml:1: `select` must be a list of strings, not 'PTL'"),
        ('[severity]\nPTL = "bad"', "mmlint.toml:1: `severity` must be one of error, warning, info, not 'bad'"),
        ("per-file-ignores = 3", "mmlint.toml:1: `per-file-ignores` must be a table, not 3"),
        (
            'docs-url = "rules"',
            "mmlint.toml:1: `docs-url` must be an address such as https://example.org/rules/{name}.html, not 'rules'",
        ),
        ('preset = "loud"', "mmlint.toml:1: `preset` must be one of default, strict, audit, not 'loud'"),
    ],
)
def test_a_wrong_setting_is_one_line_with_place_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "mmlint.toml", text)
    with pytest.raises(SettingsError) as caught:
        load({}, cwd=tmp_path)
    assert str(caught.value) == f"{tmp_path}/{message}"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("missing.toml", "missing.toml: cannot read the configuration: No such file or directory"),
        ("slect=PTL", "--config: unknown key `slect`; did you mean `select`?"),
        ("fail-on = loud", "--config: `fail-on` must be one of error, warning, info, not 'loud'"),
        ("a b=1", "--config a b=1: not KEY=VALUE in TOML"),
    ],
)
def test_a_wrong_config_argument(tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, [config], cwd=tmp_path)
    assert str(caught.value) == message


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    write(tmp_path / "mmlint.toml", "jobs = 1\nselect = [\njobs\n")
    with pytest.raises(SettingsError, match=r"mmlint.toml:3: not valid TOML: "):
        load({}, cwd=tmp_path)


def test_a_setting_of_another_tool_is_not_taken_for_ours(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.other]\nselect = 1\n[tool.mmlint]\nselect = 2\n")
    with pytest.raises(SettingsError, match=r"pyproject.toml:4: `select` must be a list"):
        load({}, cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('select = ["PTLX"]', "mmlint.toml:1: "),
        ('# PTLX\nignore = [\n  "PTL101",\n  "PTLX",  # why\n]', "mmlint.toml:4: "),
        ('[per-file-ignores]\n"mm/y.c" = []\n"mm/x.c" = ["PTLX"]', "mmlint.toml:3: "),
        ('[severity]\nPTL101 = "info"\nPTLX = "info"', "mmlint.toml:3: "),
        ('[severity]\n"mm/*" = { PTLX = "info" }', "mmlint.toml:2: "),
        ('select = ["PTL"]', ""),
    ],
)
def test_a_selector_that_names_no_rule_has_its_place(tmp_path: Path, text: str, place: str) -> None:
    write(tmp_path / "mmlint.toml", text)
    with pytest.raises(SettingsError) as caught:
        check_selectors(load({"ignore": ("PTLX",)} if not place else {}, cwd=tmp_path))
    prefix = f"{tmp_path}/{place}" if place else ""
    assert str(caught.value) == f"{prefix}no rule is called `PTLX`; did you mean `PTL`?"


def test_isolated_refuses_a_file() -> None:
    with pytest.raises(SettingsError, match=r"--isolated reads no file; leave out --config x\.toml"):
        load({}, ["x.toml"], isolated=True)


def test_the_shipped_schema_is_fresh() -> None:
    assert files("mmlint").joinpath("settings.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_schema_takes_what_the_parser_takes(tmp_path: Path) -> None:
    import jsonschema  # type: ignore[import-untyped]

    good = {
        "select": ["PTL"],
        "severity": {"PTL": "info", "mm/": {"REF101": "error"}},
        "per-file-ignores": {"mm/": ["ALL"]},
        "min-confidence": "high",
        "docs-url": "https://example.org/{code}",
    }
    jsonschema.validate(good, schema())
    wrong: list[dict[str, object]] = [{"slect": []}, {"severity": {"PTL": 1}}, {"jobs": -1}, {"preset": "loud"}]
    wrong.append({"docs-url": "https://example.org/"})
    for bad in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema())
    jsonschema.Draft202012Validator.check_schema(schema())


def test_shown_settings_read_back_the_same(tmp_path: Path) -> None:
    settings = load(
        {"min_confidence": Confidence.HIGH, "per_file_ignores": (("mm/", ("PTL", "REF")),)},
        ["severity={ PTL = 'info', 'mm/' = { REF = 'error' } }"],
        isolated=True,
    )
    write(tmp_path / "mmlint.toml", describe(settings))
    again = load({}, cwd=tmp_path)
    assert {name: getattr(again, item.name) for name, item in keys().items()} == {
        name: getattr(settings, item.name) for name, item in keys().items()
    }


def test_every_key_is_explained() -> None:
    overview = explain(None)
    for name in keys():
        assert name in overview
        assert explain(name).startswith(f"{name}\n")


def test_schema_text_is_json() -> None:
    assert set(json.loads(schema_text())["properties"]) == set(keys())
