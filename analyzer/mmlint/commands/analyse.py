"""`check` and `patch`: what is there, what is new."""

from __future__ import annotations

import sys

from mmlint.commands.options import Options, argument, flag
from mmlint.commands.run import fail, run
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Check(Options):
    """What `mmlint check` takes."""

    paths: list[str] | None = argument("C files or folders; - is stdin.", "PATH")
    root: str | None = flag("The kernel tree that the paths belong to.", metavar="DIR")
    stdin_filename: str = flag("The file that stdin stands for.", metavar="PATH", default="stdin.c")


@dataclass(frozen=True, slots=True)
class Patch(Options):
    """What `mmlint patch` takes."""

    files: list[str] | None = argument("Mails, mboxes or diffs; - or nothing: stdin.", "FILE")
    tree: str | None = flag("The tree the patches apply to: a work tree or a git repository.", metavar="DIR")
    base: str | None = flag("The revision they apply to (without --tree: of the repository here).", metavar="REV")
    git: str | None = flag("Check commits of the repository instead of mails.", metavar="REV|A..B")
    staged: bool = flag("Check what is staged in the repository.")


def check(options: Check) -> None:
    """Check C files or folders; every finding counts."""
    from mmlint import api

    paths = options.paths or ["."]
    run(
        "check",
        options,
        lambda settings, bar: api.check_paths(
            paths, settings, root=options.root, stdin_name=options.stdin_filename, progress=bar
        ),
    )


def patch(options: Patch) -> None:
    """Check patches; only what they bring in counts."""
    from mmlint import api

    files = options.files or []
    if sum((bool(files), options.git is not None, options.staged)) > 1:
        fail("patch: give files, --git or --staged, not several of them")
    if options.base is not None and not files and (options.git is not None or options.staged):
        fail("patch: --base is for mails and diffs; --git and --staged say themselves what they stand on")
    if not files and options.git is None and not options.staged:
        if sys.stdin.isatty():
            fail("patch: name a mail, mbox or diff, or use --git or --staged")
        files = ["-"]
    run(
        "patch",
        options,
        lambda settings, bar: api.check_patches(
            files,
            settings,
            tree=options.tree,
            base=options.base,
            git=options.git,
            staged=options.staged,
            progress=bar,
        ),
    )
