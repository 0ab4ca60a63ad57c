"""The options that every analysing command takes, declared once, and what they mean as settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from mmlint.finding import Confidence, Severity
from mmlint.output import WRITERS, Writer
from mmlint.policy.discovery import load
from mmlint.settings import PRESETS, Settings, SettingsError, nearest, parse

_LIST = "comma-separated, repeatable"


@dataclass(frozen=True, slots=True)
class Options:
    """The common options as they were typed; None where one was not given."""

    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", metavar="FORMAT[:FILE]", help=f"Repeatable. Formats: {', '.join(WRITERS)}."),
    ] = None
    select: Annotated[list[str] | None, typer.Option(metavar="RULES", help=f"Run only these rules ({_LIST}).")] = None
    extend_select: Annotated[list[str] | None, typer.Option(metavar="RULES", help="Run these rules, too.")] = None
    ignore: Annotated[list[str] | None, typer.Option(metavar="RULES", help="Do not run these rules.")] = None
    per_file_ignores: Annotated[
        list[str] | None, typer.Option(metavar="GLOB:RULES", help="Drop findings of rules in some files.")
    ] = None
    severity: Annotated[
        list[str] | None, typer.Option(metavar="[GLOB:]RULE=LEVEL", help="Give rules another severity.")
    ] = None
    min_confidence: Annotated[Confidence | None, typer.Option(help="Leave out what is less sure.")] = None
    fail_on: Annotated[Severity | None, typer.Option(help="Lowest severity that makes the exit status 1.")] = None
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 whatever is found.")] = False
    preview: Annotated[bool, typer.Option("--preview", help="Run preview rules, too.")] = False
    preset: Annotated[str | None, typer.Option(metavar="NAME", help=f"One of {', '.join(PRESETS)}.")] = None
    config: Annotated[
        list[str] | None, typer.Option(metavar="FILE|KEY=VALUE", help="Use this file, or set one setting (repeatable).")
    ] = None
    isolated: Annotated[bool, typer.Option("--isolated", help="Read no configuration file.")] = False
    baseline: Annotated[str | None, typer.Option(metavar="FILE", help="Known findings that do not count.")] = None
    no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Use no baseline.")] = False
    suppressions: Annotated[str | None, typer.Option(metavar="FILE", help="Suppressions outside the tree.")] = None
    no_ignores: Annotated[bool, typer.Option("--no-ignores", help="Disregard inline ignores.")] = False
    show_ignored: Annotated[bool, typer.Option("--show-ignored", help="Show what is suppressed, and why.")] = False
    show_preexisting: Annotated[
        bool, typer.Option("--show-preexisting", help="Show what was there before the patch.")
    ] = False
    add_ignore: Annotated[
        str | None, typer.Option(metavar="REASON", help="Add every finding to the suppression file with this reason.")
    ] = None
    tables: Annotated[list[str] | None, typer.Option(metavar="FILE", help="More kernel API tables (TOML).")] = None
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", metavar="N", help="Processes; 0: one per CPU.")] = None
    color: Annotated[str, typer.Option(metavar="auto|always|never", help="Colours; the flag beats NO_COLOR.")] = "auto"
    statistics: Annotated[bool, typer.Option("--statistics", help="Count findings by rule.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Findings only: no summary, notes or progress.")] = False
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Draw no progress line.")] = False
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the settings in force and end.")] = False

    def settings(self) -> Settings:
        """The settings in force. Raises `SettingsError`."""
        table: dict[str, Any] = {
            "select": _split(self.select),
            "extend-select": _split(self.extend_select),
            "ignore": _split(self.ignore),
            "per-file-ignores": _file_ignores(self.per_file_ignores or ()),
            "severity": _levels(self.severity or ()),
            "min-confidence": self.min_confidence and self.min_confidence.value,
            "fail-on": self.fail_on and self.fail_on.value,
            "exit-zero": self.exit_zero or None,
            "preview": self.preview or None,
            "preset": self.preset,
            "baseline": "" if self.no_baseline else self.baseline,
            "suppressions": self.suppressions,
            "inline-ignores": False if self.no_ignores else None,
            "show-ignored": self.show_ignored or None,
            "show-preexisting": self.show_preexisting or None,
            "tables": self.tables or None,
            "jobs": self.jobs,
        }
        flags = parse({key: value for key, value in table.items() if value is not None}, "command line")
        return load(flags, self.config or (), self.isolated)

    def outputs(self) -> list[tuple[Writer, str]]:
        """The writers asked for with their files ("" is stdout). Raises `SettingsError`."""
        chosen = []
        for item in self.output or ["full"]:
            name, _, file = item.partition(":")
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


def common(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Options`; it receives them as its parameter `options`."""
    hints = get_type_hints(Options, include_extras=True)
    shared = [
        inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=hints[item.name])
        for item in fields(Options)
    ]
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.name != "options"
    ]

    @wraps(function)
    def command(**given: Any) -> None:
        options = Options(**{parameter.name: given.pop(parameter.name) for parameter in shared})
        function(options=options, **given)

    signature = inspect.Signature([*own, *shared])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}
    return command
