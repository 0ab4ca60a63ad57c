from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

BAD = """\
static int grab(struct mm_struct *mm, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
	void *p;

	if (!pte)
		return 0;
	p = kmalloc(12, GFP_KERNEL);
	pte_unmap_unlock(pte, ptl);
	return p != NULL;
}
"""
GOOD = BAD.replace("GFP_KERNEL", "GFP_ATOMIC")
Run = Callable[..., Result]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one bad and one good file, to which the test has moved."""
    for name in ("MMLINT_CONFIG", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    root = tmp_path / "linux"
    (root / "mm").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "mm/bad.c").write_text(BAD, encoding="utf-8")
    (root / "mm/good.c").write_text(GOOD, encoding="utf-8")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(tree: Path) -> Run:
    """Runs a command in the tree, in this process; checks select PTL101 only, so that other rules change nothing."""
    from mmlint.cli import app

    def invoke(*words: str, stdin: str = "") -> Result:
        extra = ["--select", "PTL101"] if words[0] in ("check", "patch") and "--select" not in words else []
        return CliRunner().invoke(app, [*words, *extra], input=stdin, prog_name="mmlint")

    return invoke
