from __future__ import annotations

import pytest
from mmlint.inputs.model import PatchSet
from mmlint.inputs.read import read_patches

from tests.inputs.mails import DIFF, NEWER, OLD, make_diff, make_mail, reencode


def read(text: str) -> PatchSet:
    return read_patches(text.encode(), "in.diff")


HEAD = "diff --git a/mm/a.c b/mm/b.c\n"
SMALL = "@@ -1 +1 @@\n-a\n+b\n"
BINARY = "diff --git a/p.png b/p.png\nindex 11111..22222 100644\nBinary files a/p.png and b/p.png differ\n"
LINK = (
    "diff --git a/l b/l\nnew file mode 120000\nindex 0000000..1234567\n--- /dev/null\n+++ b/l\n"
    "@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n"
)
QUOTED = (
    'diff --git "a/mm/\\303\\244.c" "b/mm/\\303\\244.c"\n--- "a/mm/\\303\\244.c"\n+++ "b/mm/\\303\\244.c"\n' + SMALL
)


@pytest.mark.parametrize(
    ("text", "kind", "old", "new"),
    [
        (HEAD + "similarity index 100%\nrename from mm/a.c\nrename to mm/b.c\n", "renamed", "mm/a.c", "mm/b.c"),
        (HEAD + "similarity index 100%\ncopy from mm/a.c\ncopy to mm/b.c\n", "copied", "mm/a.c", "mm/b.c"),
        ("diff --git a/x.sh b/x.sh\nold mode 100644\nnew mode 100755\n", "mode", "x.sh", "x.sh"),
        ("diff --git a/e.c b/e.c\nnew file mode 100644\nindex 0000000..e69de29\n", "added", None, "e.c"),
        ("diff --git a/e.c b/e.c\ndeleted file mode 100644\nindex e69de29..0000000\n", "deleted", "e.c", None),
        (BINARY, "binary", "p.png", "p.png"),
        (LINK, "binary", None, "l"),
        ("--- /dev/null\n+++ b/mm/n.c\n@@ -0,0 +1 @@\n+int x;\n", "added", None, "mm/n.c"),
        ("--- a/mm/d.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int x;\n", "deleted", "mm/d.c", None),
        ("--- mm/q.c~fix\n+++ mm/q.c\n" + SMALL, "modified", "mm/q.c", "mm/q.c"),
        ("--- linux.orig/mm/q.c\t2020-01-01\n+++ linux/mm/q.c\t2020-01-02\n" + SMALL, "modified", "mm/q.c", "mm/q.c"),
        ("diff --git mm/q.c mm/q.c\n--- mm/q.c\n+++ mm/q.c\n" + SMALL, "modified", "mm/q.c", "mm/q.c"),
        (QUOTED, "modified", "mm/ä.c", "mm/ä.c"),
    ],
)
def test_every_kind_of_change_is_recognised(text: str, kind: str, old: str | None, new: str | None) -> None:
    found = read(text)
    assert found.errors == []
    (change,) = found.patches[0].changes
    assert (change.kind, change.old_path, change.new_path) == (kind, old, new)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "mm/../../x.c", ".git/config", "mm/./x.c"])
def test_names_that_leave_the_tree_are_refused(name: str) -> None:
    found = read(f"--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-a\n+b\n" + DIFF)
    assert "refused" in found.errors[0].message
    assert [change.path for change in found.patches[0].changes] == ["mm/demo.c"]


def damaged_middle(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\n".join(DIFF.split("\n")[:9]) + "\n", None, "cut off"),
        (damaged_middle(DIFF, " \t\tif (pte_none", "if (pte_none"), 7, "neither context nor change"),
        (damaged_middle(DIFF, "@@ -19,7 +19,8", "@@ -19,3 +19,4"), 9, "disagree"),
        ("--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,3 @@\n a\n b\n+c\n+d\n", 7, "longer"),
        (damaged_middle(DIFF, "@@ -19,7 +19,8", "@@ -19,x +19,8"), 5, "header is damaged"),
        (damaged_middle(DIFF, "@@ -19,7 +19,8", "@@ -19,7 +99999999999,8"), 5, "absurd"),
        (damaged_middle(DIFF, "@@ -19,7 +19,8 @@", "@@@ -1,2 -1,2 +1,3 @@@"), 5, "combined"),
        ("diff --cc mm/x.c\nindex 1,2..3\n", 1, "combined"),
        ("diff --git a/mm/x.c b/mm/x.c\nindex 1234..5678 100644\n--- a/mm/x.c\n+++ b/mm/x.c\n", 1, "no hunk"),
    ],
)
def test_damage_is_reported_with_its_line(text: str, line: int | None, words: str) -> None:
    found = read(text)
    assert words in found.errors[0].message
    assert line is None or found.errors[0].line == line
    assert found.errors[0].line >= 1


def test_what_is_whole_in_a_damaged_patch_is_returned() -> None:
    text = make_diff(OLD, NEWER)
    first = text.index("@@")
    broken = text[:first] + text[first:].replace(" \t} while", "} while", 1)
    found = read(broken)
    (change,) = found.patches[0].changes
    assert change.damaged
    assert len(change.hunks) == 1
    assert change.added_lines() == {32}
    assert len(found.errors) == 1


def test_empty_context_lines_that_a_mailer_stripped_are_context() -> None:
    stripped = "\n".join(row.rstrip() if row == " " else row for row in make_diff(OLD, NEWER).split("\n"))
    assert read(stripped).patches[0].changes == read(make_diff(OLD, NEWER)).patches[0].changes


def test_a_missing_newline_at_the_end_is_kept_by_side() -> None:
    found = read(make_diff("a\nb\n", "a\nb"))
    (hunk,) = found.patches[0].changes[0].hunks
    assert (hunk.source_no_newline, hunk.target_no_newline) == (False, True)
    assert (hunk.source(), hunk.target()) == ([b"a\n", b"b\n"], [b"a\n", b"b"])


def test_hunks_without_a_file_name_are_said_to_be() -> None:
    mail = make_mail(
        "Re: [PATCH] x", diff="", body="Simple:\n\n@@ -1,2 +1,3 @@ int f(void)\n {\n+\tg();\n }\n", reply_to="q@x"
    )
    found = read_patches(mail, "in")
    assert any("names no file" in note for note in found.patches[0].notes)


@pytest.mark.parametrize("encoding", ["plain", "quoted-printable"])
def test_error_lines_are_those_of_the_input(encoding: str) -> None:
    mail = make_mail(diff=DIFF.replace(" \t\tif (pte_none", "if (pte_none"))
    mail = reencode(mail, encoding) if encoding != "plain" else mail
    (error,) = read_patches(mail, "in").errors
    assert mail.split(b"\n")[error.line - 1].startswith(b"if (pte_none")
