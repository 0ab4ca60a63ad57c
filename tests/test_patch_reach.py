"""What a patch reaches in files that it does not touch: inlines of headers, wrappers, code that only moved."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mmlint.cli import app
from typer.testing import CliRunner

NOTE_H = """\
static inline void *note_alloc(unsigned long size)
{
	return kmalloc(size, GFP_ATOMIC);
}
"""
NOTE_C = """\
#include <linux/mm.h>
#include <linux/note.h>

int note_entry(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl;
	pte_t *pte;
	void *note;

	pte = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!pte)
		return -EAGAIN;
	note = note_alloc(32);
	keep_note(note, ptep_get(pte));
	pte_unmap_unlock(pte, ptl);
	return 0;
}
"""
PIN_H = """\
static inline long pin_for_device(unsigned long start, unsigned long nr, struct page **pages)
{
	return pin_user_pages_fast(start, nr, FOLL_WRITE | FOLL_LONGTERM, pages);
}
"""

PORT_H = """\
static inline void port_lock(struct port *port)
{
	spin_lock(&port->lock);
}

static inline void port_unlock(struct port *port)
{
	spin_unlock(&port->lock);
}
"""
LINE_C = """\
#include <linux/port.h>

void line_write(struct line *line, const char *text)
{
	int locked = 1;

	if (line->quiet)
		locked = 0;
	else
		spin_lock(&line->port.lock);
	line_send(line, text);
	if (locked)
		spin_unlock(&line->port.lock);
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A git tree with a page-table section that calls an inline of a header, and a wrapper of a pin."""
    for path, text in {
        "include/linux/note.h": NOTE_H,
        "include/linux/pinwrap.h": PIN_H,
        "include/linux/port.h": PORT_H,
        "mm/note.c": NOTE_C,
        "drivers/line.c": LINE_C,
        "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "-q")
    commit(tmp_path, "base")
    return tmp_path


def git(tree: Path, *words: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(tree), *who, *words], check=True, capture_output=True)


def commit(tree: Path, subject: str) -> None:
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", subject)


def change(tree: Path, path: str, old: str, new: str) -> None:
    text = (tree / path).read_text()
    assert old in text
    (tree / path).write_text(text.replace(old, new))
    commit(tree, f"{path}: {new}")


def last(tree: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, Any]]:
    """Check the last commit."""
    monkeypatch.chdir(tree)
    words = ("patch", "--git", "HEAD", "--isolated", "--fail-on", "warning", "--output", "json")
    result = CliRunner().invoke(app, [*words], prog_name="mmlint")
    return result.exit_code, json.loads(result.stdout)


def test_a_mask_in_an_inline_of_a_header_is_found_at_the_lock(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(tree, "include/linux/note.h", "GFP_ATOMIC", "GFP_KERNEL")
    code, found = last(tree, monkeypatch)
    [finding] = found["findings"]
    assert (code, finding["code"], finding["path"], finding["origin"]) == (1, "PTL101", "mm/note.c", "new")
    assert "include/linux/note.h" in {step["path"] for step in finding["steps"]}
    change(tree, "include/linux/note.h", "GFP_KERNEL", "GFP_ATOMIC")
    code, found = last(tree, monkeypatch)
    assert (code, found["findings"], [f["code"] for f in found["fixed"]]) == (0, [], ["PTL101"])


def test_a_flag_lost_in_a_wrapper_is_said_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(tree, "include/linux/pinwrap.h", " | FOLL_LONGTERM", "")
    code, found = last(tree, monkeypatch)
    assert (code, [f["code"] for f in found["findings"]]) == (1, ["GUP114"])


def test_what_only_moves_to_another_file_is_not_new(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(tree, "include/linux/note.h", "GFP_ATOMIC", "GFP_KERNEL")
    (tree / "mm/other.c").write_text((tree / "mm/note.c").read_text())
    (tree / "mm/note.c").write_text("#include <linux/mm.h>\n")
    commit(tree, "mm: move")
    code, found = last(tree, monkeypatch)
    assert (code, [f for f in found["findings"] if f["origin"] == "new"]) == (0, [])


def test_a_step_that_is_no_more_is_not_missed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = """\
static inline swp_entry_t make_readable_note_entry(pgoff_t offset)
{
	return swp_entry(SWP_NOTE_READ, offset);
}

static inline bool is_writable_note_entry(swp_entry_t entry)
{
	return swp_type(entry) == SWP_NOTE_WRITE;
}
"""
    arm = """\
	if (is_writable_note_entry(entry)) {
		entry = make_readable_note_entry(swp_offset(entry));
		new = swp_entry_to_pte(entry);
		if (pte_swp_soft_dirty(old))
			new = pte_swp_mksoft_dirty(new);
	}
"""
    text = """\
#include <linux/noteops.h>

void protect_note(struct vm_area_struct *vma, unsigned long addr, pte_t *ptep)
{
	pte_t old = ptep_get(ptep), new = old;
	swp_entry_t entry = pte_to_swp_entry(old);

ARM	if (!pte_same(old, new))
		set_pte_at(vma->vm_mm, addr, ptep, new);
}
"""
    (tree / "include/linux/noteops.h").write_text(header)
    (tree / "mm/protect.c").write_text(text.replace("ARM", arm))
    commit(tree, "entries of two kinds")
    (tree / "mm/protect.c").write_text(text.replace("ARM", ""))
    commit(tree, "the arm is forgotten")
    assert [f["code"] for f in last(tree, monkeypatch)[1]["findings"]] == ["PAT111"]
    git(tree, "revert", "--no-edit", "HEAD")
    (tree / "include/linux/noteops.h").write_text("")
    (tree / "mm/protect.c").write_text(text.replace("ARM", ""))
    commit(tree, "entries of one kind")
    assert last(tree, monkeypatch)[1]["findings"] == []


def test_what_is_said_with_other_arguments_is_not_new(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
#include <linux/mm.h>

int fetch(struct transfer *dma, unsigned long addr, int direction)
{
	int got = get_user_pages_fast(addr, dma->nr, direction == DMA_FROM_DEVICE, dma->pages);

	if (got != dma->nr)
		return -EFAULT;
	dma->addr = dma_map_page(dma->dev, dma->pages[0], 0, PAGE_SIZE, direction);
	return 0;
}
"""
    (tree / "mm/fetch.c").write_text(text)
    commit(tree, "mm: fetch")
    assert "GUP103" in {f["code"] for f in last(tree, monkeypatch)[1]["findings"]}
    change(tree, "mm/fetch.c", "direction == DMA_FROM_DEVICE", "direction == DMA_FROM_DEVICE ? FOLL_WRITE : 0")
    code, found = last(tree, monkeypatch)
    assert (code, found["findings"], found["fixed"]) == (0, [], [])


def test_wrappers_of_a_header_take_and_release_for_their_caller(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = LINE_C.replace("spin_lock(&line->port.lock)", "port_lock(&line->port)")
    change(tree, "drivers/line.c", LINE_C, text.replace("spin_unlock(&line->port.lock)", "port_unlock(&line->port)"))
    _, report = last(tree, monkeypatch)
    assert report["findings"] == []
