"""Patches from a git repository: commits of a range, and what is staged. Nothing is checked out."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from mmlint.inputs import diff
from mmlint.inputs.model import Patch
from mmlint.inputs.tree import EmptyTree, GitStore, GitTree, OverlayTree, Tree, TreeError

_FORMAT = "%x01%H%x00%P%x00%an <%ae>%x00%aD%x00%s%x00%b%x02"
_DIFF = ("-p", "-M", "-U3", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative")
_PREFIX = ("--src-prefix=a/", "--dst-prefix=b/")
_MAX_COMMITS = 10_000


class GitChange(NamedTuple):
    """A patch from a repository with the trees on both sides of it."""

    patch: Patch
    before: Tree
    after: Tree


def range_patches(repo: str | os.PathLike[str], revisions: str) -> list[GitChange]:
    """The commits of `A..B`, oldest first, or the one commit of a single revision; merges are left out.

    Raises `TreeError` when the revisions do not exist or are none.
    """
    check_revisions(repo, revisions)
    store = GitStore(repo)
    single = ".." not in revisions
    extra = ["-1"] if single else [f"--max-count={_MAX_COMMITS}"]
    text = store.run(
        "log", "--reverse", "--no-merges", *extra, *_DIFF, *_PREFIX, f"--format={_FORMAT}", revisions, "--"
    )
    records = re.split(rb"\x01(?=[0-9a-f]{40,64}\0)", text)[1:]
    return [_commit(store, record, index, len(records)) for index, record in enumerate(records, 1)]


def check_revisions(repo: str | os.PathLike[str], revisions: str) -> None:
    """Raise `TreeError` when the revisions do not exist or hold no commit that is read."""
    if revisions.startswith("-") or not revisions.strip():
        raise TreeError(f"{revisions!r} is no revision: REV or A..B is wanted")
    if not GitStore(repo).run("rev-list", "--no-merges", "--max-count=1", revisions, "--"):
        raise TreeError(f"{repo}: no commits in {revisions} (merges are left out)")


def _commit(store: GitStore, record: bytes, index: int, total: int) -> GitChange:
    head, _, text = record.partition(b"\x02")
    commit, parents, author, date, title, body = head.decode("utf-8", "replace").split("\0", 5)
    parent = parents.split(" ")[0]
    found = diff.parse(text.split(b"\n"), commit[:12])
    patch = Patch(
        index,
        total,
        1,
        title,
        "",
        "",
        (),
        author,
        date,
        body.strip("\n"),
        found.changes,
        notes=(*found.notes, *(f"{error.message} (line {error.line} of its diff)" for error in found.errors)),
        mail_subject=title,
        where="git",
        commit=commit,
    )
    return GitChange(patch, GitTree(store, parent) if parent else EmptyTree(), GitTree(store, commit))


def staged(repo: str | os.PathLike[str]) -> GitChange:
    """The index against HEAD, as one patch. Raises `TreeError` outside a repository."""
    store = GitStore(repo)
    before: Tree
    try:
        before = GitTree(store, "HEAD")
    except TreeError:
        store.run("rev-parse", "--git-dir")
        before = EmptyTree()
    text = store.run("diff", "--cached", *_DIFF, *_PREFIX, "--")
    found = diff.parse(text.split(b"\n"), "index")
    contents: dict[str, bytes | None] = {}
    for change in found.changes:
        if change.kind == "binary":
            continue
        if change.old_path and change.kind in ("deleted", "renamed"):
            contents[change.old_path] = None
        if change.new_path and change.kind != "deleted":
            blob = store.get(f":{change.new_path}")
            contents[change.new_path] = blob[2] if blob else None
    patch = Patch(
        1, 1, 1, "staged changes", "", "", (), "", "", "", found.changes, notes=tuple(found.notes), where="git"
    )
    return GitChange(patch, before, OverlayTree(before, contents))


def base_tree(store: GitStore, patch: Patch) -> GitTree | None:
    """The tree a patch says it is based on (`base-commit:`), when the store has that commit; None otherwise."""
    if patch.base_commit is None:
        return None
    try:
        return GitTree(store, patch.base_commit)
    except TreeError:
        return None
