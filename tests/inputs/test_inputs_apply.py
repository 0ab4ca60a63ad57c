from __future__ import annotations

import itertools
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmlint.inputs.apply import ApplyError, apply, apply_patch, place, place_series, reverse
from mmlint.inputs.model import FileChange, Patch
from mmlint.inputs.read import read_patches
from mmlint.inputs.tree import EmptyTree, FolderTree, GitTree, OverlayTree, Tree

from tests.inputs.mails import NEW, NEWER, OLD, make_diff

EMPTY: dict[str, bytes | None] = {}


def patch_of(diff: str) -> Patch:
    found = read_patches(diff.encode(), "in")
    assert found.errors == []
    return found.patches[0]


def change_of(diff: str) -> FileChange:
    return patch_of(diff).changes[0]


def tree_of(**files: str) -> Tree:
    changes: dict[str, bytes | None] = {"mm/" + name.replace("_c", ".c"): text.encode() for name, text in files.items()}
    return OverlayTree(EmptyTree(), changes)


def test_a_change_applies_where_it_says_and_at_an_offset() -> None:
    change = change_of(make_diff(OLD, NEW))
    assert apply(change, OLD.encode()) == NEW.encode()
    moved = "/* new\n * lines\n */\n" * 7
    assert apply(change, (moved + OLD).encode()) == (moved + NEW).encode()
    with pytest.raises(ApplyError, match=r"hunk -19,7 does not fit"):
        apply(change, OLD.replace("pte_none", "ptep_none").encode())


def test_the_nearest_place_is_taken() -> None:
    block = "\tspin_lock(&a);\n\tcount++;\n\tspin_unlock(&a);\n"
    gap = "\tother();\n" * 10
    change = change_of(make_diff(gap + block + gap, gap + block.replace("++", "--") + gap, context=1))
    assert apply(change, (block + gap * 2 + "x;\n" + block + gap).encode()).count(b"--") == 1
    near = apply(change, (block + gap + "x;\n" + block + gap).encode())
    assert near == (block + gap + "x;\n" + block.replace("++", "--") + gap).encode()


@pytest.mark.parametrize(
    ("old", "new"), [("a\nb", "a\nb\n"), ("a\nb\n", "a\nb"), ("a\r\nb\r\n", "a\r\nc\r\n"), ("", "x\n")]
)
def test_line_ends_are_kept_as_they_are(old: str, new: str) -> None:
    assert apply(change_of(make_diff(old, new)), old.encode()) == new.encode()


texts = st.lists(st.sampled_from(["a\n", "b\n", "\n", "{\n", "}\n"]), min_size=1, max_size=24).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts, texts, st.integers(1, 3))
def test_any_diff_applies_and_comes_off_again(old: str, new: str, context: int) -> None:
    if old == new:
        return
    change = change_of(make_diff(old, new, context=context))
    assert apply(change, old.encode()) == new.encode()
    assert apply(reverse(change), new.encode()) == old.encode()
    assert reverse(reverse(change)) == change


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, texts, texts)
def test_the_verdict_is_that_of_git(tmp_path: Path, old: str, new: str, base: str) -> None:
    if old == new:
        return
    diff = make_diff(old, new)
    (tmp_path / "mm").mkdir(exist_ok=True)
    (tmp_path / "mm/demo.c").write_text(base)
    (tmp_path / "p.diff").write_text(diff)
    ceiling = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    git = subprocess.run(["git", "apply", "p.diff"], cwd=tmp_path, capture_output=True, env=ceiling, check=False)
    after, errors = apply_patch(patch_of(diff), tree_of(demo_c=base))
    assert (git.returncode == 0) == (errors == [])
    if not errors:
        assert after.read("mm/demo.c") == (tmp_path / "mm/demo.c").read_bytes()


def test_added_deleted_and_renamed_files() -> None:
    added = patch_of(make_diff("", "int x;\n", "mm/new.c").replace("--- a/mm/new.c", "--- /dev/null"))
    after, errors = apply_patch(added, EmptyTree())
    assert (errors, after.read("mm/new.c"), after.names("mm")) == ([], b"int x;\n", ("new.c",))
    assert "in the tree already" in apply_patch(added, after)[1][0].why
    gone = patch_of(make_diff("int x;\n", "", "mm/new.c").replace("+++ b/mm/new.c", "+++ /dev/null"))
    assert apply_patch(gone, after)[0].names("mm") == ()
    renamed = "diff --git a/mm/demo.c b/mm/moved.c\nsimilarity index 90%\nrename from mm/demo.c\nrename to mm/moved.c\n"
    hunks = make_diff(OLD, NEW).split("\n", 4)[4]
    moved, errors = apply_patch(patch_of(renamed + "--- a/mm/demo.c\n+++ b/mm/moved.c\n" + hunks), tree_of(demo_c=OLD))
    assert (errors, moved.read("mm/demo.c"), moved.read("mm/moved.c")) == ([], None, NEW.encode())


def test_a_file_that_does_not_fit_is_named_and_the_others_are_done() -> None:
    patch = patch_of(make_diff(OLD, NEW, "mm/gone.c") + make_diff(OLD, NEW))
    after, errors = apply_patch(patch, tree_of(demo_c=OLD))
    assert [(e.path, e.why, e.hunks) for e in errors] == [("mm/gone.c", "the file is not in the tree", 0)]
    assert after.read("mm/demo.c") == NEW.encode()
    assert place(patch, tree_of(demo_c=OLD)).how == "partly"


def test_every_hunk_that_does_not_fit_is_counted_while_that_is_cheap() -> None:
    lines = [f"int x{n};\n" for n in range(3000)]
    wanted = [f"int y{n};\n" if n % 10 == 5 else line for n, line in enumerate(lines)]
    patch = patch_of(make_diff("".join(lines), "".join(wanted), context=1))
    [one] = apply_patch(patch, tree_of(demo_c="".join(lines).replace("x15;", "z;").replace("x95;", "z;")))[1]
    assert (one.hunks, one.line) == (2, patch.changes[0].hunks[1].line)
    started = time.monotonic()
    [many] = apply_patch(patch, tree_of(demo_c="int other;\n" * 300_000))[1]
    assert 1 <= many.hunks < 300
    assert time.monotonic() - started < 5


def test_a_patch_that_the_tree_has_is_taken_back() -> None:
    placed = place(patch_of(make_diff(OLD, NEW)), tree_of(demo_c=NEW))
    assert placed.how == "already"
    assert (placed.before.read("mm/demo.c"), placed.after.read("mm/demo.c")) == (OLD.encode(), NEW.encode())


def steps() -> tuple[list[str], list[Patch]]:
    texts = [OLD, NEW, NEW.replace("get_page(", "try_get_page("), NEWER.replace("get_page(", "try_get_page(")]
    return texts, [patch_of(make_diff(a, b)) for a, b in itertools.pairwise(texts)]


def test_a_series_is_placed_one_on_the_other_or_taken_back_as_a_whole() -> None:
    texts, patches = steps()
    for start, how in ((texts[0], "applied"), (texts[-1], "already")):
        placed = place_series(patches, tree_of(demo_c=start))
        assert [one.how for one in placed] == [how] * 3
        for one, before, after in zip(placed, texts, texts[1:], strict=False):
            assert one.before.read("mm/demo.c") == before.encode()
            assert one.after.read("mm/demo.c") == after.encode()


def git(repo: Path, *arguments: str) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@x",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@x",
    }
    environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    return subprocess.run(
        ["git", "-C", str(repo), *arguments], check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


def test_three_way_helps_where_the_blob_is_in_the_store(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "mm").mkdir()
    file = tmp_path / "mm/demo.c"
    file.write_text(OLD)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "base")
    diff = make_diff(OLD, NEW).replace("1111111", git(tmp_path, "rev-parse", "--short=12", "HEAD:mm/demo.c"))
    file.write_text(OLD.replace("\tpte_unmap_unlock(pte - 1, ptl);", "\tpte_unmap_unlock(pte - 1, ptlock);"))
    git(tmp_path, "commit", "-qam", "context changed")
    tree = GitTree(tmp_path, "HEAD")
    placed = place(patch_of(diff), tree)
    assert placed.how == "applied"
    assert "three-way" in placed.notes[0]
    after = placed.after.read("mm/demo.c")
    assert after is not None
    assert b"get_page(pages[nr++])" in after
    assert b"ptlock" in after
    assert place(patch_of(make_diff(OLD, NEW)), FolderTree(tmp_path)).how == "failed"
