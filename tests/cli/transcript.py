"""Runs the ```console blocks of a Markdown file: what a document shows is what the commands print."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/tour.md")
OPEN, CLOSE = "```console", "```"


START = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>

static int fill_one(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl;
	pte_t *pte;

	pte = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!pte)
		return -EAGAIN;
	if (pte_none(ptep_get(pte)))
		fill_zero(vma, addr, pte);
	pte_unmap_unlock(pte, ptl);
	return 0;
}
"""
DECLARED = START.replace("\tspinlock_t *ptl;\n", "\tstruct folio *folio;\n\tspinlock_t *ptl;\n")
BELOW = """\
	folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vma, addr);
	if (folio && pte_none(ptep_get(pte)))
		fill_folio(vma, addr, pte, folio);
"""
ABOVE = """\
	folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vma, addr);
	if (!folio)
		return -ENOMEM;
	pte = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!pte) {
		folio_put(folio);
		return -EAGAIN;
	}
	if (pte_none(ptep_get(pte)))
		fill_folio(vma, addr, pte, folio);
	else
		folio_put(folio);
"""
_FILL = START[START.index("\tif (pte_none") : START.index("\tpte_unmap")]
_LOCK = START[START.index("\tpte = pte_offset") : START.index("\tif (pte_none")]
VERSIONS = {
    "start": START,
    "v1": DECLARED.replace(_FILL, BELOW),
    "v2": DECLARED.replace(_LOCK + _FILL, ABOVE),
}


def setting(folder: Path) -> dict[str, str]:
    """Lay out what the documents start from: a repository `linux` and two versions of a patch for it.

    Returns the environment, in which nothing of this machine shows.
    """
    home = folder / ".home"
    home.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "COLUMNS": "80",
        **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
    }
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {
            f"GIT_{who}_NAME": "Ann",
            f"GIT_{who}_EMAIL": "ann@example.org",
            f"GIT_{who}_DATE": "2026-11-01T12:00:00Z",
        }

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=linux, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    linux = folder / "linux"
    (linux / "mm").mkdir(parents=True)
    git("init", "-q", "-b", "master")
    for name, text in VERSIONS.items():
        (linux / "mm/fill.c").write_text(text, encoding="utf-8")
        git("add", ".")
        git("commit", "-qm", "mm: fill one entry" if name == "start" else "mm: fill with a folio of its own")
        if name != "start":
            mail = git("format-patch", "-1", "--stdout", f"--subject-prefix=PATCH {name}")
            headers, body = mail.split("\n\n", 1)
            mail = f"{headers}\nMessage-ID: <fill-{name}@example.org>\nTo: linux-mm@example.org\n\n{body}"
            (folder / f"{name}.patch").write_text(mail, encoding="utf-8")
            git("reset", "-q", "--hard", "HEAD~1")
    return environment


def replay(text: str, folder: Path) -> str:
    """The document with every block's output as it is now; the commands of all blocks share a folder and its state."""
    environment = setting(folder)
    here = folder
    rows: list[str] = []
    inside = False
    for row in text.split("\n"):
        if row == OPEN or (inside and row == CLOSE):
            inside = row == OPEN
            rows.append(row)
        elif not inside:
            rows.append(row)
        elif row.startswith("$ cd "):
            here = here / row[5:]
            rows.append(row)
        elif row.startswith("$ "):
            rows += [row, *(line.replace(str(folder), "/home/ann") for line in _output(row[2:], here, environment))]
    return "\n".join(rows)


def _output(command: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    yield from done.stdout.expandtabs(8).splitlines()
