"""Files of several trees in one run: each is looked at in its own tree, whatever stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import BAD, GOOD, Run

CALLS = GOOD.replace("kmalloc(12, GFP_ATOMIC)", "helper()")
HELPER = "void *helper(void)\n{\n\treturn kmalloc(12, GFP_KERNEL);\n}\n"


def kernel(root: Path) -> Path:
    """A tree in which only mm, as the tree knows it, tells that the helper sleeps."""
    for folder in ("mm", "include/linux", "drivers/demo"):
        (root / folder).mkdir(parents=True)
    (root / "Makefile").write_text(
        "# SPDX-License-Identifier: GPL-2.0\nVERSION = 6\nPATCHLEVEL = 12\n", encoding="utf-8"
    )
    (root / "mm/helper.c").write_text(HELPER, encoding="utf-8")
    (root / "drivers/demo/calls.c").write_text(CALLS, encoding="utf-8")
    return root


@pytest.fixture
def files(tree: Path, tmp_path: Path) -> list[str]:
    """A file of each of two trees, one in no tree, and one of the folder that the test is in."""
    for name in ("one", "two"):
        kernel(tmp_path / name)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/bad.c").write_text(BAD, encoding="utf-8")
    (tmp_path / "alone/calls.c").write_text(CALLS, encoding="utf-8")
    places = ("one/drivers/demo/calls.c", "alone/bad.c", "two/drivers/demo/calls.c", "alone/calls.c")
    return [*(str(tmp_path / place) for place in places), "mm/bad.c"]


def test_the_order_of_the_arguments_changes_nothing(run: Run, files: list[str], tmp_path: Path) -> None:
    told = [run("check", "-o", "concise", *order) for order in (files, files[::-1], [*files[2:], *files[:2]])]
    assert {(each.exit_code, each.stderr) for each in told} == {(1, "")}
    assert len({each.stdout for each in told}) == 1
    found = [line.partition(":")[0] for line in told[0].stdout.splitlines() if "PTL101" in line]
    assert found == sorted([files[1], files[0], files[2], "mm/bad.c"])
    assert "5 functions of 5 files" in told[0].stdout


def test_a_folder_outside_of_every_tree_is_its_own(run: Run, tmp_path: Path) -> None:
    for name in ("a/bad.c", "b/c/bad.c"):
        (tmp_path / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / name).write_text(BAD, encoding="utf-8")
    result = run("check", str(tmp_path / "new"))
    assert (result.exit_code, result.stderr, result.stdout.count("error[PTL101]")) == (1, "", 2)


def test_a_file_outside_of_the_tree_named_is_said_to_be_that(run: Run, files: list[str], tmp_path: Path) -> None:
    result = run("check", *files[:2], "--root", str(tmp_path / "one"))
    assert (result.exit_code, result.stdout.count("error[PTL101]")) == (2, 1)
    why = f"is not in {tmp_path / 'one'}, which --root names; leave --root out, or name the tree of this file"
    assert result.stderr == f"mmlint: {files[1]}: {why}\n"


def test_links_lead_to_their_tree(run: Run, files: list[str], tmp_path: Path) -> None:
    (tmp_path / "there").symlink_to(tmp_path / "one")
    (tmp_path / "two/mm/link.c").symlink_to(files[1])
    for name in (tmp_path / "there/drivers/demo/calls.c", tmp_path / "two/mm/link.c"):
        result = run("check", "-o", "concise", str(name))
        assert (result.exit_code, result.stderr, result.stdout.split(":")[0]) == (1, "", str(name))


def test_a_tree_in_a_tree_is_the_inner_one(run: Run, tmp_path: Path, tree: Path) -> None:
    outer = kernel(tmp_path / "outer")
    inner = kernel(outer / "next")
    for name in ("mm", "include"):
        (inner / "arch/demo" / name).mkdir(parents=True)
    (inner / "arch/demo/Makefile").write_text("obj-y := kernel/\n", encoding="utf-8")
    (inner / "arch/demo/calls.c").write_text(CALLS, encoding="utf-8")
    (outer / "mm/helper.c").unlink()
    files = [inner / "drivers/demo/calls.c", inner / "arch/demo/calls.c", outer / "drivers/demo/calls.c"]
    found = [run("check", str(file)).stdout.count("error[PTL101]") for file in files]
    assert found == [1, 1, 0]


def test_a_text_for_a_file_is_looked_at_in_the_tree_of_the_file(run: Run, files: list[str], tmp_path: Path) -> None:
    words = ("check", "-", "-o", "concise", "--stdin-filename")
    for more in ((), ("--root", str(tmp_path / "one"))):
        assert f"{files[0]}:9:6: error[PTL101]" in run(*words, files[0], *more, stdin=CALLS).stdout
    assert "stdin.c:9:6: error[PTL101]" in run("check", "-", "-o", "concise", *more, stdin=BAD).stdout
