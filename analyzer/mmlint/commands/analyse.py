"""`check`, `patch` and `audit`: what is new, what is there."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmlint.commands.options import Options, common
from mmlint.commands.run import fail, run


@common
def check(
    options: Options,
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH", help="C files or folders; - is stdin.")] = None,
    root: Annotated[
        str | None, typer.Option(metavar="DIR", help="The tree the paths belong to; paths are shown relative to it.")
    ] = None,
) -> None:
    """Check C files or folders; every finding counts."""
    from mmlint import api

    run(
        "check",
        options,
        lambda settings, progress: api.check_paths(paths or ["."], settings, root=root, progress=progress),
    )


@common
def patch(
    options: Options,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="Mails, mboxes or diffs; - or nothing: stdin.")
    ] = None,
    tree: Annotated[
        str | None, typer.Option(metavar="DIR", help="The tree the patches apply to: a work tree or a git repository.")
    ] = None,
    base: Annotated[str | None, typer.Option(metavar="REV", help="The revision of the tree they apply to.")] = None,
    git: Annotated[
        str | None, typer.Option(metavar="REV|A..B", help="Check commits of the repository instead of mails.")
    ] = None,
    staged: Annotated[bool, typer.Option("--staged", help="Check what is staged in the repository.")] = False,
) -> None:
    """Check patches; only what they bring in counts."""
    from mmlint import api

    if sum((bool(files), git is not None, staged)) > 1:
        fail("patch: give files, --git or --staged, not several of them")
    if not files and git is None and not staged:
        if sys.stdin.isatty():
            fail("patch: name a mail, mbox or diff, or use --git or --staged")
        files = ["-"]
    run(
        "patch",
        options,
        lambda settings, progress: api.check_patches(
            files or [], settings, tree=tree, base=base, git=git, staged=staged, progress=progress
        ),
    )
