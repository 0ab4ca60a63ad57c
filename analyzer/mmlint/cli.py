"""The command line: every command with its name, nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from mmlint import __version__
from mmlint.commands import analyse, audit, baseline, bot, catalog, hook, new_rule, server
from mmlint.commands.binding import bind

app = typer.Typer(
    name="mmlint",
    help="Check Linux memory-management code and patches; every finding can be replayed in a simulator.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True)] = False,
) -> None:
    """Check Linux memory-management code and patches; every finding can be replayed in a simulator."""
    if version:
        print(f"mmlint {__version__}")
        raise typer.Exit


app.command("check")(bind(analyse.Check, analyse.check))
app.command("patch")(bind(analyse.Patch, analyse.patch))
app.command("audit")(bind(audit.Audit, audit.audit))
app.command()(catalog.rules)
app.command()(catalog.rule)
app.command()(catalog.sim)
app.command()(catalog.sims)
app.add_typer(baseline.app, name="baseline")
app.command()(catalog.config)
app.command()(catalog.facts)
app.command()(catalog.doctor)
app.command("new-rule")(new_rule.new_rule)
app.command()(server.server)
app.add_typer(hook.app, name="hook")
app.add_typer(bot.app, name="bot")
