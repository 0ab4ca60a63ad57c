"""The warning on a tree that the doctor would not pass: by name, on each command, and only worked out once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from mmlint import api, fit
from mmlint.audit.run import audit
from mmlint.fit import diagnose, misfit
from mmlint.inputs.tree import FolderTree, GitTree, Tree
from mmlint.kernel.canaries import canaries
from mmlint.kernel.doctor import Diagnosis
from mmlint.kernel.tables import tables
from mmlint.rule import Rule, known
from mmlint.settings import Settings
from typer.testing import CliRunner

from tests.inputs.test_inputs_apply import git
from tests.kernel.test_doctor import GFP, MUTEX, RMAP, kernels

ROOT = Path(__file__).parent.parent
DOCTORED = {
    "a renamed lock function": ("mutex.h", MUTEX, "int mutex_trylock(", "int mutex_attempt(", "mutex_trylock"),
    "GFP_KERNEL redefined": (
        "gfp_types.h",
        GFP,
        "GFP_KERNEL	(__GFP_RECLAIM |",
        "GFP_KERNEL	(__GFP_HIGH |",
        "GFP_KERNEL",
    ),
    "the pinned check moved": (
        "rmap.h",
        RMAP,
        "\tif (unlikely(folio_needs_cow_for_dma(src_vma, folio)))\n\t\treturn -EBUSY;\n",
        "",
        "__folio_try_dup_anon_rmap",
    ),
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMLINT_CACHE_DIR", str(tmp_path / "cache"))
    shutil.copytree(ROOT / "fixtures/trees/mini", tmp_path / "linux")
    return tmp_path / "linux"


def doctor(tree: Path, what: str) -> str:
    """Doctor one header of the tree; gives the name that has to be named."""
    header, text, old, new, name = DOCTORED[what]
    assert old in text
    (tree / "include/linux" / header).write_text(text.replace(old, new))
    return name


def test_the_mini_tree_passes(tree: Path) -> None:
    assert (diagnose(FolderTree(tree)), misfit(FolderTree(tree))) == ([], "")


def test_a_folder_that_is_no_kernel_is_not_judged(tmp_path: Path) -> None:
    assert misfit(FolderTree(tmp_path)) == ""


@pytest.mark.parametrize("what", DOCTORED)
def test_each_command_names_what_was_doctored(tree: Path, tmp_path: Path, what: str) -> None:
    header, text, *_ = DOCTORED[what]
    (tree / "include/linux" / header).write_text(text)
    whole = {each.name for each in diagnose(FolderTree(tree))}
    name = doctor(tree, what)
    found = [each for each in diagnose(FolderTree(tree)) if each.name not in whole]
    assert name in {each.name for each in found}
    from mmlint.cli import app

    done = CliRunner().invoke(app, ["doctor", str(tree)])
    assert (done.exit_code, f"{name} " in done.stdout) == (1, True)


def test_check_patch_and_audit_warn_in_one_line(tree: Path, tmp_path: Path) -> None:
    doctor(tree, "a renamed lock function")
    settings = Settings(jobs=1)
    patch = str(ROOT / "fixtures/patches/bug-ptl101.mbox")
    reports = [
        api.check_paths([str(tree / "mm/rss.c")], settings),
        api.check_patches([patch], settings, tree=str(tree)),
        audit(str(tree), settings, tables(), folder=None).report,
    ]
    for report in reports:
        (note,) = [note for note in report.notes if "tables" in note]
        assert "do not fit this tree (6.12): 1 difference, such as mutex_trylock is not defined" in note
        assert "\n" not in note


def test_the_verdict_is_kept_until_a_header_changes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Tree] = []
    real = fit.diagnose

    def counted(tree: Tree) -> list[Diagnosis]:
        asked.append(tree)
        return real(tree)

    monkeypatch.setattr(fit, "diagnose", counted)
    first = misfit(FolderTree(tree))
    assert (misfit(FolderTree(tree)), first, len(asked)) == ("", "", 1)
    doctor(tree, "a renamed lock function")
    assert "mutex_trylock" in misfit(FolderTree(tree))
    assert "mutex_trylock" in misfit(FolderTree(tree))
    assert len(asked) == 2
    (tree / "include/linux/mutex.h").write_text(MUTEX)
    assert (misfit(FolderTree(tree)), len(asked)) == ("", 3)


def test_a_revision_is_judged_without_a_checkout(tree: Path) -> None:
    doctor(tree, "a renamed lock function")
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "mini tree")
    shutil.rmtree(tree / "include")
    assert "mutex_trylock" in misfit(GitTree(tree, "HEAD"))


@pytest.mark.parametrize("code", [canary.code for canary in canaries("6.12")])
def test_a_rule_gone_blind_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    seeing: tuple[Rule, ...] = known()
    monkeypatch.setattr(fit, "known", lambda: tuple(rule for rule in seeing if rule.code != code))
    assert [(each.check, each.name) for each in diagnose(FolderTree(tree))] == [("canary", code)]


@pytest.mark.kernel
@pytest.mark.parametrize("kernel", kernels() or [None], ids=lambda tree: tree.name if tree else "none")
def test_a_real_tree_passes(kernel: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kernel is None:
        pytest.skip("no kernel tree (MMLINT_KERNELS)")
    monkeypatch.setenv("MMLINT_CACHE_DIR", os.environ.get("MMLINT_CACHE_DIR", str(tmp_path)))
    assert [str(each) for each in diagnose(FolderTree(kernel))] == []
