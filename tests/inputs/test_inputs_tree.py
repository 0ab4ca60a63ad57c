from __future__ import annotations

import os
from pathlib import Path

import pytest
from mmlint.inputs.gitsource import range_patches, staged
from mmlint.inputs.tree import EmptyTree, FolderTree, GitTree, OverlayTree, TreeError

from tests.inputs.mails import NEW, NEWER, OLD
from tests.inputs.test_inputs_apply import git


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "mm").mkdir()
    for number, text in enumerate((OLD, NEW, NEWER)):
        (tmp_path / "mm/demo.c").write_text(text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-qm", f"step {number}\n\nBecause {number}.")
    (tmp_path / "mm/demo.c").write_text("not committed\n")
    return tmp_path


def test_a_folder_reads_plain_files_and_follows_links_inside(tmp_path: Path) -> None:
    (tmp_path / "tree/mm").mkdir(parents=True)
    (tmp_path / "real.c").write_text("int x;\n")
    (tmp_path / "tree/mm/link.c").symlink_to("../../real.c")
    (tmp_path / "tree/mm/sub").mkdir()
    os.mkfifo(tmp_path / "tree/mm/pipe")
    tree = FolderTree(tmp_path / "tree")
    assert tree.read("mm/link.c") == b"int x;\n"
    assert tree.names("mm") == ("link.c",)
    assert [tree.read(path) for path in ("../real.c", "/etc/passwd", "mm/pipe", "mm/sub", "mm/none.c")] == [None] * 5
    before = tree.stamp("mm/link.c")
    assert tree.stamps("mm") == {"link.c": before}
    assert (tree.stamps("none"), tree.stamps("../tree/mm")) == ({}, {})
    (tmp_path / "real.c").write_text("int xx;\n")
    assert None not in (before, tree.stamp("mm/link.c"))
    assert before != tree.stamp("mm/link.c")


def test_a_revision_is_read_without_a_checkout(repo: Path) -> None:
    tree = GitTree(repo, "HEAD~1")
    assert tree.read("mm/demo.c") == NEW.encode()
    assert (tree.names("mm"), tree.names(""), tree.names("none")) == (("demo.c",), (), ())
    assert tree.stamp("mm/demo.c") == git(repo, "rev-parse", "HEAD~1:mm/demo.c")
    assert tree.stamps("mm") == {"demo.c": tree.stamp("mm/demo.c")}
    assert [tree.read(path) for path in ("mm", "none", "../x", "a\nb")] == [None] * 4
    assert tree.identity != GitTree(repo, "HEAD").identity
    for revision in ("nowhere", "--all", "HEAD:mm/demo.c"):
        with pytest.raises(TreeError, match="no commit"):
            GitTree(repo, revision)


def test_an_overlay_replaces_adds_and_removes(repo: Path) -> None:
    base = GitTree(repo, "HEAD")
    tree = OverlayTree(base, {"mm/demo.c": None, "mm/new.c": b"x"})
    assert (tree.read("mm/demo.c"), tree.read("mm/new.c"), tree.names("mm")) == (None, b"x", ("new.c",))
    assert tree.stamp("mm/new.c") != OverlayTree(base, {"mm/new.c": b"y"}).stamp("mm/new.c")
    assert tree.identity != base.identity
    assert OverlayTree(base, {}).stamp("mm/demo.c") == base.stamp("mm/demo.c")
    assert tree.stamps("mm") == {"new.c": tree.stamp("mm/new.c")}
    assert list(OverlayTree(base, {"mm/a.c": b"x", "mm/sub/b.c": b"x"}).stamps("mm")) == ["a.c", "demo.c"]


def test_every_commit_of_a_range_comes_with_its_trees(repo: Path) -> None:
    changes = range_patches(repo, "main~2..main")
    assert [(c.patch.subject, c.patch.body, c.patch.index, c.patch.total) for c in changes] == [
        ("step 1", "Because 1.", 1, 2),
        ("step 2", "Because 2.", 2, 2),
    ]
    patch, before, after = changes[0]
    assert (before.read("mm/demo.c"), after.read("mm/demo.c")) == (OLD.encode(), NEW.encode())
    assert patch.changes[0].added_lines() == {22, 23}
    (root,) = range_patches(repo, "main~2")
    assert isinstance(root.before, EmptyTree)
    assert root.patch.changes[0].kind == "added"
    for bad in ("main..main", "gone..main", "--output=x", ""):
        with pytest.raises(TreeError):
            range_patches(repo, bad)


def test_settings_of_the_user_do_not_change_what_is_read(repo: Path) -> None:
    for name, value in {
        "diff.noprefix": "true",
        "diff.context": "0",
        "color.ui": "always",
        "diff.external": "false",
    }.items():
        git(repo, "config", name, value)
    (change,) = range_patches(repo, "HEAD")[0].patch.changes
    assert (change.path, len(change.hunks[0].lines)) == ("mm/demo.c", 6)


def test_the_index_is_what_is_staged_not_what_lies_in_the_folder(repo: Path) -> None:
    (repo / "mm/demo.c").write_text(OLD)
    git(repo, "add", "mm/demo.c")
    (repo / "mm/demo.c").write_text("later\n")
    patch, before, after = staged(repo)
    assert (before.read("mm/demo.c"), after.read("mm/demo.c")) == (NEWER.encode(), OLD.encode())
    assert [change.path for change in patch.changes] == ["mm/demo.c"]


def test_the_index_of_a_new_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.c").write_text("int a;\n")
    git(tmp_path, "add", "a.c")
    patch, before, after = staged(tmp_path)
    assert (patch.changes[0].kind, before.read("a.c"), after.read("a.c")) == ("added", None, b"int a;\n")
    (tmp_path / "outside").mkdir()
    with pytest.raises(TreeError):
        staged("/proc")
