"""The options that every analysing command takes, declared once, and what they mean as settings.

They are plain data: `mmlint.commands.binding` makes a typer command of them, `mmlint.commands.fast` reads the common
case without loading typer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from mmlint.finding import Confidence, Severity
from mmlint.frozen import dataclass
from mmlint.nearest import nearest
from mmlint.output import ALIASES, WRITERS, Writer
from mmlint.policy.discovery import load
from mmlint.settings import PRESETS, Settings, SettingsError, parse


def flag(text: str, *names: str, metavar: str = "", default: Any = None) -> Any:
    """An option; without `names` it is spelled like its field, without `metavar` it is a switch."""
    return field(
        default=default if metavar else False, metadata={"help": text, "names": names, "metavar": metavar}, kw_only=True
    )


def argument(text: str, metavar: str) -> Any:
    """The positional arguments, any number of them."""
    return field(default=None, metadata={"help": text, "names": None, "metavar": metavar}, kw_only=True)


@dataclass(frozen=True, slots=True)
class Choice:
    """The options that decide what is found, as they were typed; None where one was not given."""

    select: list[str] | None = flag("Run only these rules (comma-separated, repeatable).", metavar="RULES")
    extend_select: list[str] | None = flag("Run these rules, too.", metavar="RULES")
    ignore: list[str] | None = flag("Do not run these rules.", metavar="RULES")
    per_file_ignores: list[str] | None = flag("Drop findings of rules in some files.", metavar="GLOB:RULES")
    min_confidence: str | None = flag("Leave out what is less sure.", metavar="|".join(Confidence))
    preview: bool = flag("Run preview rules, too.")
    preset: str | None = flag("A starting point for all of these.", metavar="|".join(PRESETS))
    config: list[str] | None = flag("Use this file, or set one setting (repeatable).", metavar="FILE|KEY=VALUE")
    isolated: bool = flag("Read no configuration file.")
    suppressions: str | None = flag("Suppressions outside the tree.", metavar="FILE")
    no_ignores: bool = flag("Disregard inline ignores.")
    tables: list[str] | None = flag("More kernel API tables (TOML).", metavar="FILE")
    jobs: int | None = flag("Processes; 0: one per CPU.", "--jobs", "-j", metavar="N")

    def settings(self) -> Settings:
        """The settings in force. Raises `SettingsError`."""
        flags = parse({key: value for key, value in self.given().items() if value is not None}, "command line")
        return load(flags, self.config or (), self.isolated)

    def given(self) -> dict[str, Any]:
        """The settings that the options stand for, None where one was not given."""
        return {
            "select": _split(self.select),
            "extend-select": _split(self.extend_select),
            "ignore": _split(self.ignore),
            "per-file-ignores": _file_ignores(self.per_file_ignores or ()),
            "min-confidence": self.min_confidence,
            "preview": self.preview or None,
            "preset": self.preset,
            "suppressions": self.suppressions,
            "inline-ignores": False if self.no_ignores else None,
            "tables": self.tables or None,
            "jobs": self.jobs,
        }


@dataclass(frozen=True, slots=True)
class Options(Choice):
    """The common options: what is found, what counts of it, and how it is told."""

    output: list[str] | None = flag(
        f"Repeatable. Formats: {', '.join((*WRITERS, *ALIASES))}.", "--output", "-o", metavar="FORMAT[:FILE]"
    )
    severity: list[str] | None = flag("Give rules another severity.", metavar="[GLOB:]RULE=LEVEL")
    fail_on: str | None = flag("Lowest severity that makes the exit status 1.", metavar="|".join(Severity))
    exit_zero: bool = flag("Exit 0 whatever is found.")
    baseline: str | None = flag("Known findings that do not count.", metavar="FILE")
    no_baseline: bool = flag("Use no baseline.")
    show_ignored: bool = flag("Show what is suppressed, and why.")
    show_preexisting: bool = flag("Show what was there before the patch.")
    add_ignore: str | None = flag("Add every finding to the suppression file with this reason.", metavar="REASON")
    color: str = flag("Colours; the flag beats NO_COLOR.", metavar="auto|always|never", default="auto")
    statistics: bool = flag("Count findings by rule.")
    quiet: bool = flag("Findings only: no summary, notes or progress.", "--quiet", "-q")
    verbose: bool = flag("Say on stderr what is read and what runs.", "--verbose", "-v")
    profile: bool = flag("Say on stderr where the time goes, by stage and by rule; runs in one process.")
    require_input: bool = flag("Exit 3 when there is nothing to check.")
    no_progress: bool = flag("Draw no progress line.")
    show_settings: bool = flag("Print the settings in force and end.")

    def given(self) -> dict[str, Any]:
        """As every choice, with what counts and what is shown."""
        return Choice.given(self) | {
            "severity": _levels(self.severity or ()),
            "fail-on": self.fail_on,
            "exit-zero": self.exit_zero or None,
            "baseline": "" if self.no_baseline else self.baseline,
            "show-ignored": self.show_ignored or None,
            "show-preexisting": self.show_preexisting or None,
        }

    def outputs(self) -> list[tuple[Writer, str]]:
        """The writers asked for with their files ("" is stdout). Raises `SettingsError`."""
        chosen = []
        for item in self.output or ["full"]:
            name, _, file = item.partition(":")
            name = ALIASES.get(name, name)
            if name not in WRITERS:
                hint = nearest(name, WRITERS) or f"; one of {', '.join(WRITERS)}"
                raise SettingsError(f"--output {item}: no format is called `{name}`{hint}")
            chosen.append((WRITERS[name], file))
        if sum(not file for _, file in chosen) > 1:
            raise SettingsError("--output: only one format can go to stdout; give the others a file, FORMAT:FILE")
        return chosen


def _split(items: Sequence[str] | None) -> list[str] | None:
    return None if items is None else [word.strip() for item in items for word in item.split(",") if word.strip()]


def _file_ignores(items: Sequence[str]) -> dict[str, list[str]] | None:
    table: dict[str, list[str]] = {}
    for item in items:
        glob, colon, words = item.rpartition(":")
        if not colon or not glob:
            raise SettingsError(f"--per-file-ignores {item}: write GLOB:RULES, such as mm/hugetlb.c:GUP101")
        table.setdefault(glob, []).extend(_split([words]) or ())
    return table or None


def _levels(items: Sequence[str]) -> dict[str, Any] | None:
    table: dict[str, Any] = {}
    for item in items:
        target, equals, level = item.partition("=")
        glob, _, selector = target.rpartition(":")
        if not equals or not selector:
            raise SettingsError(f"--severity {item}: write RULE=LEVEL or GLOB:RULE=LEVEL")
        (table.setdefault(glob, {}) if glob else table)[selector] = level
    return table or None
