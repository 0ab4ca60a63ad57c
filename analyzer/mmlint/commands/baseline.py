"""`mmlint baseline write|update|diff`: known findings that do not count."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated

import typer

from mmlint.commands.binding import bind
from mmlint.commands.options import Choice, argument, flag
from mmlint.commands.run import FOUND, complain_of, emit, fail
from mmlint.finding import Report
from mmlint.frozen import dataclass
from mmlint.output.text import plain, plural
from mmlint.policy import baseline
from mmlint.settings import SettingsError

app = typer.Typer(help="Known findings that do not count.", no_args_is_help=True, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Record(Choice):
    """What `mmlint baseline write` and `update` take."""

    paths: list[str] | None = argument("C files or folders.", "PATH")
    root: str | None = flag("The kernel tree that the paths belong to.", metavar="DIR")
    file: str | None = flag(f"The baseline; else what `baseline` is set to, or {baseline.DEFAULT}.", metavar="FILE")


def write(options: Record) -> None:
    """Record every finding there is now."""
    file, report = _look(options)
    _save(file, baseline.entries(report.findings))
    emit(f"{plural(len(report.findings), 'finding')} recorded in {plain(file)}\n")


def update(options: Record) -> None:
    """Drop what is mended; never add. Exits 1 when there are findings that the baseline does not have."""
    file, report = _look(options)
    try:
        difference = baseline.compare(baseline.read(file), baseline.entries(report.findings))
    except SettingsError as error:
        fail(str(error))
    _save(file, difference.kept)
    emit(f"{len(difference.kept)} kept, {len(difference.gone)} mended and dropped, {len(difference.new)} not in it\n")
    if difference.new:
        raise typer.Exit(FOUND)


app.command("write")(bind(Record, write))
app.command("update")(bind(Record, update))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A baseline, or a run saved with --output json.")],
    after: Annotated[str, typer.Argument(help="The other one.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Compare two runs, of two days or two kernel releases. Exits 1 when the second has something new."""
    try:
        difference = baseline.compare(baseline.read(before), baseline.read(after))
    except SettingsError as error:
        fail(str(error))
    if as_json:
        names = baseline.Entry.__slots__
        rows = {
            side: [{name: getattr(row, name) for name in names} for row in getattr(difference, side)]
            for side in ("new", "gone", "kept")
        }
        emit(json.dumps(rows, indent=2) + "\n")
    else:
        lines = [
            f"{sign} {_row(row)}" for sign, rows in (("+", difference.new), ("-", difference.gone)) for row in rows
        ]
        lines.append(f"{len(difference.new)} new, {len(difference.gone)} gone, {len(difference.kept)} in both")
        emit("\n".join(lines) + "\n")
    if difference.new:
        raise typer.Exit(FOUND)


def _row(row: baseline.Entry) -> str:
    where = f" in {plain(row.function)}()" if row.function else ""
    return f"{plain(row.path)}: {row.code} {plain(row.message)}{where}"


def _look(options: Record) -> tuple[str, Report]:
    """The file that is meant, and what there is now, known or not."""
    from mmlint import api
    from mmlint.policy.apply import check_selectors

    try:
        settings = options.settings()
        check_selectors(settings)
        report = api.check_paths(options.paths or ["."], replace(settings, baseline=""), root=options.root)
    except SettingsError as error:
        fail(str(error))
    complain_of(report.errors)
    if report.errors:
        fail("the baseline was left as it was: part of the input could not be read")
    return options.file or settings.baseline or baseline.DEFAULT, report


def _save(file: str, rows: list[baseline.Entry] | tuple[baseline.Entry, ...]) -> None:
    try:
        baseline.write(file, rows)
    except OSError as error:
        fail(f"{file}: cannot write the baseline: {error.strerror}")
