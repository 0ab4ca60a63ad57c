"""`mmlint hook ...`: what other tools call."""

# ruff: noqa: RUF009 (declaring an option makes a frozen field, nothing that is shared)
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import typer

from mmlint.commands.binding import bind
from mmlint.commands.options import Options, argument, flag
from mmlint.commands.run import fail, run

app = typer.Typer(help="What git calls.", no_args_is_help=True, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Send(Options):
    """What git passes: the mail, then the SMTP headers, of which nothing is needed."""

    files: list[str] | None = argument("The mail and the SMTP headers, as git passes them.", "FILE")
    tree: str | None = flag("The tree; by default the repository.", metavar="DIR")


def sendemail_validate(options: Send) -> None:
    """Check a mail that git send-email is about to send; a status other than 0 stops it.

    Install it as `.git/hooks/sendemail-validate`: `exec mmlint hook sendemail-validate "$@"`. The whole series is
    checked when its last mail comes, so that a patch is seen on top of those before it. Cover letters and mails
    without a diff pass.
    """
    from mmlint import api

    if not options.files:
        fail("hook sendemail-validate: git passes the mail as first argument; there was none")
    series = _collect(options.files[0])
    if series is None:
        return
    tree = options.tree or os.environ.get("GIT_WORK_TREE") or "."
    run(
        "patch",
        options,
        lambda settings, bar: api.check_patches(
            series, settings, tree=tree, base=None, git=None, staged=False, progress=bar
        ),
    )


app.command("sendemail-validate")(bind(Send, sendemail_validate))


def _collect(mail: str) -> list[str] | None:
    """The mails of the series so far once the last one is here, else None.

    git runs the hook once a mail and says which by GIT_SENDEMAIL_FILE_COUNTER; the earlier ones are copied beside
    the repository's own files, because git hands out a file that is gone afterwards.
    """
    counter, total = (os.environ.get(f"GIT_SENDEMAIL_FILE_{name}", "1") for name in ("COUNTER", "TOTAL"))
    if not (counter.isdigit() and total.isdigit()):
        fail("hook: GIT_SENDEMAIL_FILE_COUNTER and GIT_SENDEMAIL_FILE_TOTAL must be numbers")
    if int(total) <= 1:
        return [mail]
    folder = _git_dir() / "mmlint-sendemail"
    try:
        folder.mkdir(exist_ok=True)
        if counter == "1":
            for old in folder.iterdir():
                old.unlink()
        (folder / f"{int(counter):04}.eml").write_bytes(Path(mail).read_bytes())
        if int(counter) < int(total):
            return None
        return [str(path) for path in sorted(folder.iterdir())]
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")


def _git_dir() -> Path:
    import subprocess

    found = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, text=True, check=False)
    if found.returncode:
        fail("hook: not in a git repository; run it as git does, from .git/hooks/sendemail-validate")
    return Path(found.stdout.strip())
