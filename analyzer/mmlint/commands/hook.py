"""`mmlint hook ...`: what other tools call."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmlint.commands.binding import bind
from mmlint.commands.options import Options, argument, flag
from mmlint.commands.run import CLEAN, UNUSABLE, complain, fail, run
from mmlint.finding import Report
from mmlint.frozen import dataclass
from mmlint.policy.apply import check_selectors

if TYPE_CHECKING:
    from mmlint import api
    from mmlint.settings import Settings

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


def pre_push(options: Options) -> None:
    """Check each commit that a push sends; a status other than 0 stops it.

    Install it as `.git/hooks/pre-push`: `exec mmlint hook pre-push`. Under pre-commit it takes the range from its
    environment.
    """
    from mmlint import api

    first, last = os.environ.get("PRE_COMMIT_FROM_REF"), os.environ.get("PRE_COMMIT_TO_REF")
    ranges = [f"{first}..{last}"] if first and last else _pushed(sys.stdin.read())

    def analyse(settings: Settings, bar: api.Progress | None) -> Report:
        report = Report()
        for each in ranges:
            report.extend(api.check_patches([], settings, tree=".", base=None, git=each, staged=False, progress=bar))
        return report

    run("patch", options, analyse)


def _pushed(lines: str) -> list[str]:
    """The commit ranges in what git tells a pre-push hook: `local-ref local-id remote-ref remote-id` lines."""
    ranges = []
    for line in lines.splitlines():
        words = line.split()
        if len(words) != 4:
            fail("hook pre-push: expected the lines that git gives a pre-push hook on stdin")
        local, remote = words[1], words[3]
        if set(local) == {"0"}:  # a branch is deleted
            continue
        if set(remote) != {"0"}:
            ranges.append(f"{remote}..{local}")
            continue
        unknown = _git("rev-list", local, "--not", "--remotes").split()
        if unknown:
            ranges.append(f"{unknown[-1]}^..{local}")
    return [each for each in ranges if _git("rev-list", "--max-count=1", each)]


def config(files: Annotated[list[str], typer.Argument(metavar="FILE", help="Configuration or suppressions.")]) -> None:
    """Check configuration and suppression files, and the tables, the baseline and the suppressions that they name."""
    from mmlint.policy import discovery, suppressions
    from mmlint.settings import SettingsError

    wrong: list[str] = []
    for name in files:
        try:
            if Path(name).name == discovery.SUPPRESSIONS:
                suppressions.read(name)
            else:
                wrong += _wrong_with(discovery.load({}, [name]))
        except SettingsError as error:
            wrong.append(str(error))
    for message in dict.fromkeys(wrong):
        complain(message)
    sys.exit(UNUSABLE if wrong else CLEAN)


def _wrong_with(settings: Settings) -> Iterator[str]:
    """What a run with these settings would stop at, in their selectors and in the files that they name."""
    from mmlint import api
    from mmlint.policy import baseline, suppressions
    from mmlint.settings import SettingsError

    uses: list[Callable[[], object]] = [lambda: check_selectors(settings)]
    if settings.baseline:
        uses.append(lambda: baseline.read(settings.baseline))
    if settings.suppressions:
        uses.append(lambda: suppressions.read(settings.suppressions))
    uses.append(lambda: api.own_tables(settings.tables))
    for use in uses:
        try:
            use()
        except SettingsError as error:
            yield str(error)


app.command("sendemail-validate")(bind(Send, sendemail_validate))
app.command("pre-push")(bind(Options, pre_push))
app.command("config")(config)


def _git_dir() -> Path:
    return Path(_git("rev-parse", "--git-dir").strip())


def _git(*words: str) -> str:
    import subprocess

    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        fail(
            f"hook: git {words[0]}: {(done.stderr.splitlines() or ['failed'])[0]}; run it as git does, in a repository"
        )
    return done.stdout
