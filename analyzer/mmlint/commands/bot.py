"""`mmlint bot run|once|status|replay`: the review bot."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from mmlint.commands.run import UNUSABLE, complain, emit, fail
from mmlint.settings import SettingsError

if TYPE_CHECKING:
    from mmlint.bot.config import Config

app = typer.Typer(
    help="The review bot: patches come in from mailing lists, checks and replies go out (docs/bot.md).",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_File = Annotated[str, typer.Argument(metavar="CONFIG", help="The bot's TOML file.")]
_Dry = Annotated[bool, typer.Option("--dry-run", help="Send nothing, whatever the file says.")]
_Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Log warnings only.")]


@app.command()
def once(config: _File, dry_run: _Dry = False, quiet: _Quiet = False) -> None:
    """Take in what is new, analyse it, send what is due, and end; the status is 2 if a source could not be read."""
    _work(config, dry_run, quiet, forever=False)


@app.command()
def run(config: _File, dry_run: _Dry = False, quiet: _Quiet = False) -> None:
    """Follow the sources until told to stop (SIGTERM, SIGINT)."""
    _work(config, dry_run, quiet, forever=True)


@app.command()
def status(
    config: _File,
    metrics: Annotated[bool, typer.Option("--metrics", help="Prometheus text instead.")] = False,
) -> None:
    """Print the queue, the last verdicts and what waits in the outbox."""
    settings = _load(config, dry_run=True)
    try:
        from mmlint.bot.metrics import render
        from mmlint.bot.state import State
        from mmlint.bot.summary import text

        state = State.as_it_is(settings.state)
    except ModuleNotFoundError as error:
        _missing(error)
    except SettingsError as error:
        fail(str(error))
    emit(render(state) if metrics else text(state))


@app.command()
def replay(
    config: _File,
    archives: Annotated[list[str], typer.Argument(metavar="ARCHIVE...", help="mbox, mbox.gz, or a public-inbox.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for replies, status page and state.")],
) -> None:
    """Live through an archive with its own clock: every mail arrives at its date; replies are written, never sent."""
    settings = _load(config, dry_run=True)
    try:
        from mmlint.bot.replay import replay as live

        emit(live(settings, archives, out))
    except ModuleNotFoundError as error:
        _missing(error)
    except SettingsError as error:
        fail(str(error))


def _load(path: str, dry_run: bool) -> Config:
    from mmlint.bot.config import load

    try:
        settings = load(path)
    except SettingsError as error:
        fail(str(error))
    return replace(settings, replies=replace(settings.replies, dry_run=True)) if dry_run else settings


def _work(path: str, dry_run: bool, quiet: bool, forever: bool) -> None:
    settings = _load(path, dry_run)
    if not settings.sources:
        fail(f"{path}: no [[sources]]; name at least one place that mails come from (docs/bot.md)")
    try:
        from mmlint.bot.log import Log
        from mmlint.bot.loop import Bot
        from mmlint.bot.state import State

        log = Log(quiet=quiet)
        bot = Bot(settings, State(settings.state), log)
    except ModuleNotFoundError as error:
        _missing(error)
    except SettingsError as error:
        fail(str(error))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: bot.stop())
    if settings.replies.dry_run:
        log.info("dry_run", sends="nothing")
    from sqlalchemy.exc import SQLAlchemyError

    try:
        (bot.run if forever else bot.once)()
    except SQLAlchemyError as error:
        log.error("state", error=f"cannot be read or written: {str(getattr(error, 'orig', error)).splitlines()[0]}")
        sys.exit(UNUSABLE)
    bot.state.close()
    if bot.ingest.unread and not forever:
        sys.exit(UNUSABLE)


def _missing(error: ModuleNotFoundError) -> None:
    complain(f"bot: the module {error.name} is missing; install it with `pip install 'mmlint[bot]'`")
    sys.exit(UNUSABLE)
